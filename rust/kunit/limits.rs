// SPDX-License-Identifier: GPL-2.0

//! Clocks, and limits on how often something is said.

use kernel::prelude::*;

#[kunit_tests(usbip_limits)]
mod tests {
    use kernel::time::Delta;
    use usbip_kernel::{
        ratelimit::RateLimit,
        time, //
    };

    #[test]
    fn the_clock_runs_and_sleep_sleeps() {
        let began = time::now_ns();
        // So short a time is not counted in ticks, which come late, and then all at once, if the machine is busy.
        time::sleep(Delta::from_millis(5));
        assert!(time::now_ns().wrapping_sub(began) >= 5_000_000);
        time::sleep(Delta::ZERO);
        time::sleep(Delta::from_millis(-5));
        assert!(time::now_ms() <= time::now_ns() / 1_000_000);
    }

    #[test]
    fn a_burst_passes_and_the_rest_does_not() {
        let limit = RateLimit::with(Delta::from_secs(3600), 3);
        let mut passed = 0_u32;
        for _ in 0..10 {
            if limit.allows() {
                passed = passed.wrapping_add(1);
            }
        }
        assert_eq!(passed, 3);
    }

    #[test]
    fn a_new_interval_begins() {
        let limit = RateLimit::with(Delta::from_millis(50), 1);
        assert!(limit.allows());
        time::sleep(Delta::from_millis(60));
        assert!(limit.allows());
    }
}
