// SPDX-License-Identifier: GPL-2.0

//! Clock and sleep in the units that drivers count in.

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
