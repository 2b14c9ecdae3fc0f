// SPDX-License-Identifier: GPL-2.0

//! A limit on how often something is said.
//!
//! It must never take a lock, so that it may be asked anywhere.

use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::Delta, //
};

use crate::time::now_ms;

/// Lets a burst through per interval.
///
/// The count is exact on one CPU; several that race at the turn of an interval may let a few more
/// through.
pub struct RateLimit {
    interval_ms: u64,
    burst: u32,
    /// Clock plus one, so that zero stands for never.
    begun: Atomic<u64>,
    said: Atomic<u32>,
}

impl RateLimit {
    /// The kernel's own default: 10 lines in 5 seconds.
    pub const fn new() -> Self {
        Self::with(Delta::from_secs(5), 10)
    }

    /// Lets `burst` through per `interval`.
    pub const fn with(interval: Delta, burst: u32) -> Self {
        Self {
            // CAST: Whole milliseconds of a time that is not negative.
            interval_ms: interval.as_nanos().unsigned_abs() / 1_000_000,
            burst,
            begun: Atomic::new(0),
            said: Atomic::new(0),
        }
    }

    /// Whether it may be said now. Any context.
    pub fn allows(&self) -> bool {
        let now = now_ms().saturating_add(1);
        let begun = self.begun.load(Relaxed);
        let over = begun == 0 || now.saturating_sub(begun) >= self.interval_ms;
        if over && self.begun.cmpxchg(begun, now, Relaxed).is_ok() {
            self.said.store(0, Relaxed);
        }
        // Counts up to the burst and no further, so that it cannot wrap.
        self.said.load(Relaxed) < self.burst && self.said.fetch_add(1, Relaxed) < self.burst
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new()
    }
}
