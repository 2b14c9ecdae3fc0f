// SPDX-License-Identifier: GPL-2.0

//! A slot and the flag that tells whether something is there.

use kernel::prelude::*;

#[kunit_tests(usbip_desk)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use kernel::{
        static_lock_class,
        sync::Arc, //
    };
    use usbip_kernel::{
        desk::Desk,
        kthread::Kthread,
        lock_name,
        signal::Signal, //
    };

    #[pin_data]
    struct Shared {
        #[pin]
        desk: Desk<u32>,
        #[pin]
        work: Signal,
        #[pin]
        taken: Gate,
    }

    fn shared() -> Result<Arc<Shared>> {
        Arc::pin_init(
            pin_init!(Shared {
                desk <- Desk::new(lock_name!("kunit-desk"), static_lock_class!()),
                work <- Signal::new(),
                taken <- Gate::new(false),
            }),
            GFP_KERNEL,
        )
    }

    #[test]
    fn the_flag_follows_the_slot() -> Result {
        let shared = shared()?;
        let desk = &shared.desk;
        assert!(!desk.is_filled());
        let mut slot = desk.lock();
        slot.put(1);
        assert!(desk.is_filled());
        slot.put(2);
        assert_eq!(slot.get().copied(), Some(2));
        assert!(desk.is_filled());
        assert_eq!(slot.take(), Some(2));
        assert!(!desk.is_filled());
        assert_eq!(slot.take(), None);
        Ok(())
    }

    /// Whoever takes it may do so before who put it there looks again.
    #[test]
    fn an_emptied_slot_never_looks_filled() -> Result {
        const ROUNDS: u32 = 2000;
        let both = shared()?;
        let theirs = both.clone();
        let thread = Kthread::create(c"kunit-desk", move |stop| {
            while theirs.work.wait(stop) {
                while theirs.desk.lock().take().is_none() {}
                theirs.taken.open();
            }
        })?;
        thread.start();
        for round in 0..ROUNDS {
            both.taken.shut();
            // From here on the thread is at the mutex, so that it has it as soon as it is free.
            both.work.raise();
            both.desk.lock().put(round);
            assert!(both.taken.wait_for(30_000));
            assert!(!both.desk.is_filled());
        }
        drop(thread);
        Ok(())
    }
}
