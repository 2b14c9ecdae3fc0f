// SPDX-License-Identifier: GPL-2.0

//! Threads that are joined.

use kernel::prelude::*;

#[kunit_tests(usbip_kthread)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use kernel::{
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::Delta, //
    };
    use usbip_kernel::{
        kthread::Kthread,
        time, //
    };

    #[pin_data]
    struct Seen {
        ran: Atomic<u32>,
        dropped: Atomic<u32>,
        #[pin]
        running: Gate,
    }

    fn seen() -> Result<Arc<Seen>> {
        Arc::pin_init(
            pin_init!(Seen {
                ran: Atomic::new(0),
                dropped: Atomic::new(0),
                running <- Gate::new(false),
            }),
            GFP_KERNEL,
        )
    }

    /// What a thread's body owns.
    struct Cargo(Arc<Seen>);

    impl Drop for Cargo {
        fn drop(&mut self) {
            self.0.dropped.add(1, Relaxed);
        }
    }

    #[test]
    fn a_body_that_never_started_is_dropped() -> Result {
        let seen = seen()?;
        let cargo = Cargo(seen.clone());
        let thread = Kthread::create(c"kunit-never", move |_stop| {
            cargo.0.ran.add(1, Relaxed);
        })?;
        assert_eq!(seen.dropped.load(Relaxed), 0);
        drop(thread);
        assert_eq!(seen.ran.load(Relaxed), 0);
        assert_eq!(seen.dropped.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_body_is_dropped_once() -> Result {
        let seen = seen()?;
        let cargo = Cargo(seen.clone());
        let thread = Kthread::create(c"kunit-once", move |_stop| {
            cargo.0.ran.add(1, Relaxed);
            cargo.0.running.open();
        })?;
        thread.start();
        seen.running.wait();
        // It has ended, or is about to; both must be joined.
        time::sleep(Delta::from_millis(20));
        thread.start();
        drop(thread);
        assert_eq!(seen.ran.load(Relaxed), 1);
        assert_eq!(seen.dropped.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn start_and_drop_race() -> Result {
        let seen = seen()?;
        for _ in 0..200 {
            let cargo = Cargo(seen.clone());
            let thread = Kthread::create(c"kunit-race", move |_stop| {
                cargo.0.ran.add(1, Relaxed);
            })?;
            thread.start();
            drop(thread);
        }
        assert_eq!(seen.dropped.load(Relaxed), 200);
        assert!(seen.ran.load(Relaxed) <= 200);
        Ok(())
    }

    #[test]
    fn drop_waits_for_the_body() -> Result {
        let seen = seen()?;
        let theirs = seen.clone();
        let thread = Kthread::create(c"kunit-stop", move |stop| {
            theirs.running.open();
            while !stop.get() {
                time::sleep(Delta::from_millis(1));
            }
            time::sleep(Delta::from_millis(30));
            theirs.ran.add(1, Relaxed);
        })?;
        thread.start();
        seen.running.wait();
        drop(thread);
        assert_eq!(seen.ran.load(Relaxed), 1);
        Ok(())
    }
}
