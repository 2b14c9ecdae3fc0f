// SPDX-License-Identifier: GPL-2.0

//! Signals, and the sleepers below them.

use kernel::prelude::*;

#[kunit_tests(usbip_signal)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use kernel::sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    };
    use usbip_kernel::{
        kthread::Kthread,
        signal::Signal, //
    };

    #[pin_data]
    struct Shared {
        #[pin]
        work: Signal,
        #[pin]
        done: Gate,
        rounds: Atomic<u32>,
        last: Atomic<u32>,
    }

    fn shared() -> Result<Arc<Shared>> {
        Arc::pin_init(
            pin_init!(Shared {
                work <- Signal::new(),
                done <- Gate::new(false),
                rounds: Atomic::new(0),
                last: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    #[test]
    fn raise_is_sticky_and_does_not_count() -> Result {
        let signal = KBox::pin_init(Signal::new(), GFP_KERNEL)?;
        assert!(!signal.take());
        signal.raise();
        signal.raise();
        assert!(signal.take());
        assert!(!signal.take());
        Ok(())
    }

    #[test]
    fn no_raise_is_lost() -> Result {
        const ROUNDS: u32 = 2000;
        let both = shared()?;
        let theirs = both.clone();
        let thread = Kthread::create(c"kunit-signal", move |stop| {
            while theirs.work.wait(stop) {
                theirs.rounds.add(1, Relaxed);
                theirs.done.open();
            }
        })?;
        thread.start();
        for _ in 0..ROUNDS {
            both.done.shut();
            both.work.raise();
            assert!(both.done.wait_for(30_000));
        }
        drop(thread);
        assert_eq!(both.rounds.load(Relaxed), ROUNDS);
        Ok(())
    }

    /// What a wait gave, as a number.
    fn number(raised: bool) -> u32 {
        if raised {
            1
        } else {
            2
        }
    }

    #[test]
    fn a_raise_before_the_wait_counts() -> Result {
        let both = shared()?;
        let theirs = both.clone();
        both.work.raise();
        let thread = Kthread::create(c"kunit-signal", move |stop| {
            theirs.last.store(number(theirs.work.wait(stop)), Relaxed);
            theirs.done.open();
            while theirs.work.wait(stop) {}
        })?;
        thread.start();
        assert!(both.done.wait_for(30_000));
        drop(thread);
        assert_eq!(both.last.load(Relaxed), number(true));
        Ok(())
    }

    #[test]
    fn stop_ends_a_wait() -> Result {
        let both = shared()?;
        let theirs = both.clone();
        let thread = Kthread::create(c"kunit-signal", move |stop| {
            theirs.done.open();
            theirs.last.store(number(theirs.work.wait(stop)), Relaxed);
        })?;
        thread.start();
        both.done.wait();
        drop(thread);
        assert_eq!(both.last.load(Relaxed), number(false));
        Ok(())
    }
}
