// SPDX-License-Identifier: GPL-2.0

//! Work queues that are empty when they go.

use kernel::prelude::*;

#[kunit_tests(usbip_queue)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use kernel::{
        new_work,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::Delta,
        workqueue::{
            impl_has_work,
            Work,
            WorkItem, //
        }, //
    };
    use usbip_kernel::{
        queue::OwnedQueue,
        time, //
    };

    #[pin_data]
    struct Item {
        #[pin]
        work: Work<Item>,
        #[pin]
        begun: Gate,
        #[pin]
        go: Gate,
        ran: Atomic<u32>,
    }

    impl_has_work! {
        impl HasWork<Self> for Item { self.work }
    }

    impl WorkItem for Item {
        type Pointer = Arc<Self>;

        fn run(this: Arc<Self>) {
            this.begun.open();
            this.go.wait();
            time::sleep(Delta::from_millis(5));
            this.ran.add(1, Relaxed);
        }
    }

    fn item(go: bool) -> Result<Arc<Item>> {
        Arc::pin_init(
            pin_init!(Item {
                work <- new_work!("kunit::Item"),
                begun <- Gate::new(false),
                go <- Gate::new(go),
                ran: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    #[test]
    fn drop_waits_for_items() -> Result {
        let queue = OwnedQueue::new(c"kunit")?;
        let item = item(true)?;
        assert!(queue.enqueue(item.clone()).is_ok());
        drop(queue);
        assert_eq!(item.ran.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_queued_item_comes_back() -> Result {
        let queue = OwnedQueue::new(c"kunit")?;
        let (slow, item) = (item(false)?, item(false)?);
        let handle = queue.handle();
        assert!(handle.enqueue(slow.clone()).is_ok());
        assert!(handle.enqueue(item.clone()).is_ok());
        // Both run, side by side, up to their gates; then each can be queued once more, not twice.
        slow.begun.wait();
        item.begun.wait();
        let again = handle.enqueue(item.clone());
        let twice = handle.enqueue(item.clone());
        assert!(again.is_ok());
        assert!(twice.is_err());
        drop(twice);
        slow.go.open();
        item.go.open();
        drop(queue);
        assert_eq!(slow.ran.load(Relaxed), 1);
        assert_eq!(item.ran.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn a_slow_item_holds_up_no_other() -> Result {
        let queue = OwnedQueue::new(c"kunit")?;
        let (slow, fast) = (item(false)?, item(true)?);
        assert!(queue.enqueue(slow.clone()).is_ok());
        assert!(queue.enqueue(fast.clone()).is_ok());
        let mut waited = 0_u32;
        while fast.ran.load(Relaxed) == 0 && waited < 1000 {
            time::sleep(Delta::from_millis(10));
            waited = waited.wrapping_add(1);
        }
        assert_eq!(fast.ran.load(Relaxed), 1);
        assert_eq!(slow.ran.load(Relaxed), 0);
        slow.go.open();
        Ok(())
    }

    #[test]
    fn a_handle_outlives_its_queue() -> Result {
        let queue = OwnedQueue::new(c"kunit")?;
        let handle = queue.handle();
        let item = item(true)?;
        drop(queue);
        assert!(handle.clone().enqueue(item.clone()).is_err());
        assert_eq!(item.ran.load(Relaxed), 0);
        Ok(())
    }
}
