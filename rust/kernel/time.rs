// SPDX-License-Identifier: GPL-2.0

//! Clock and sleep in the units that drivers count in.

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    task::MAX_SCHEDULE_TIMEOUT,
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta, //
    }, //
};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Milliseconds of the monotonic clock, which starts at boot and stands still during suspend. Any
/// context.
pub fn now_ms() -> u64 {
    now_ns() / NANOS_PER_MILLI
}

/// Nanoseconds of the monotonic clock, which starts at boot and stands still during suspend. Any
/// context.
pub fn now_ns() -> u64 {
    // SAFETY: May be called in any context but NMI.
    let nanos = unsafe { bindings::ktime_get() };
    // The clock starts at zero.
    u64::try_from(nanos).unwrap_or(0)
}

/// A moment, as fine as the timer ticks (1 to 10 ms). To take one costs nothing, unlike the time.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "jiffies")]
pub struct Moment(c_ulong);

/// How long something may take, in ticks of the timer.
#[derive(Clone, Copy, Debug)]
pub struct Span(c_ulong);

impl Moment {
    /// Now. Any context.
    #[inline]
    pub fn now() -> Self {
        // SAFETY: The kernel's counter of ticks, which may be read at any time.
        Self(unsafe { ptr::read_volatile(&raw const bindings::jiffies) })
    }

    /// Whether at least so much time has passed since. Any context.
    #[inline]
    pub fn is_past(self, span: Span) -> bool {
        Self::now().0.wrapping_sub(self.0) >= span.0
    }
}

impl From<Delta> for Span {
    fn from(delta: Delta) -> Self {
        // As long as a thread sleeps that waits for so much time: one more, and who looks when he wakes
        // would now and then find that it is not over.
        Self(c_ulong::try_from(jiffies(delta)).unwrap_or(0))
    }
}

/// How long a thread waits for something at the most.
#[derive(Clone, Copy, Debug)]
pub struct Timeout(c_long);

impl Timeout {
    /// As long as it takes.
    pub const NEVER: Self = Self(MAX_SCHEDULE_TIMEOUT);

    /// In ticks of the timer.
    pub(crate) fn jiffies(self) -> c_long {
        self.0
    }
}

impl From<Option<Delta>> for Timeout {
    /// Without a time there is no end.
    fn from(limit: Option<Delta>) -> Self {
        limit.map_or(Self::NEVER, |limit| Self(jiffies(limit)))
    }
}

/// Sleeps at least that long; nothing interrupts it. May sleep.
#[doc(alias = "msleep")]
pub fn sleep(delta: Delta) {
    // `fsleep` takes a negative time for the longest one.
    if delta > Delta::ZERO {
        fsleep(delta);
    }
}

/// The timeout in jiffies, rounded up; never less than none and never more than for ever.
pub(crate) fn jiffies(delta: Delta) -> c_long {
    if delta.is_negative() {
        return 0;
    }
    match u32::try_from(delta.as_millis()) {
        Ok(millis) => c_long::try_from(msecs_to_jiffies(millis)).unwrap_or(MAX_SCHEDULE_TIMEOUT),
        Err(_) => MAX_SCHEDULE_TIMEOUT,
    }
}
