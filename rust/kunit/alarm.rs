// SPDX-License-Identifier: GPL-2.0

//! Alarms.

use kernel::prelude::*;

#[kunit_tests(usbip_alarm)]
mod tests {
    use super::*;
    use kernel::time::Delta;
    use usbip_kernel::{
        alarm::Alarm,
        signal::Signal,
        time, //
    };

    const DELAY: Delta = Delta::from_millis(50);

    /// Waits until the signal is raised; gives after how many milliseconds.
    fn raised_after(signal: &Signal) -> u64 {
        let began = time::now_ms();
        while !signal.take() && time::now_ms().wrapping_sub(began) < 10_000 {
            time::sleep(Delta::from_millis(1));
        }
        time::now_ms().wrapping_sub(began)
    }

    #[test]
    fn rings_after_its_time_and_again_when_it_is_set_again() -> Result {
        let signal = KBox::pin_init(Signal::new(), GFP_KERNEL)?;
        let mut times = [0; 3];
        Alarm::with(&signal, |alarm| {
            for time in &mut times {
                alarm.ring_after(DELAY);
                *time = raised_after(&signal);
            }
        });
        let longest = times.into_iter().max().unwrap_or(0);
        assert!(longest < 10_000);
        // Not each time: the ticks that it counts come late, and then all at once, if the machine is busy.
        assert!(longest >= 49);
        Ok(())
    }

    #[test]
    fn to_set_it_again_does_not_put_it_off() -> Result {
        let signal = KBox::pin_init(Signal::new(), GFP_KERNEL)?;
        let after = Alarm::with(&signal, |alarm| {
            alarm.ring_after(DELAY);
            alarm.ring_after(Delta::from_secs(600));
            raised_after(&signal)
        });
        assert!(after < 10_000);
        Ok(())
    }

    #[test]
    fn does_not_ring_once_it_is_gone() -> Result {
        let signal = KBox::pin_init(Signal::new(), GFP_KERNEL)?;
        Alarm::with(&signal, |alarm| alarm.ring_after(DELAY));
        time::sleep(Delta::from_millis(150));
        assert!(!signal.take());
        Ok(())
    }
}
