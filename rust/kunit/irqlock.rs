// SPDX-License-Identifier: GPL-2.0

//! Spinlocks that keep interrupts off.

use kernel::prelude::*;

#[kunit_tests(usbip_irqlock)]
mod tests {
    use super::*;
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
        irqlock::SpinLockIrq,
        kthread::Kthread,
        new_spinlock_irq,
        time, //
    };

    const THREADS: u32 = 4;
    const ROUNDS: u32 = 5000;

    #[pin_data]
    struct Pair {
        #[pin]
        numbers: SpinLockIrq<(u32, u32)>,
        ended: Atomic<u32>,
    }

    fn pair() -> Result<Arc<Pair>> {
        Arc::pin_init(
            pin_init!(Pair {
                numbers <- new_spinlock_irq!((0, 0), "kunit::pair"),
                ended: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    #[test]
    fn excludes() -> Result {
        let shared = pair()?;
        let mut threads = KVec::new();
        for _ in 0..THREADS {
            let shared = shared.clone();
            let thread = Kthread::create(c"kunit-lock", move |_stop| {
                for _ in 0..ROUNDS {
                    let mut numbers = shared.numbers.lock();
                    let (left, right) = *numbers;
                    // Who comes in between sees that they differ, and does not count.
                    if left == right {
                        numbers.0 = left.wrapping_add(1);
                        numbers.1 = right.wrapping_add(1);
                    }
                }
                shared.ended.add(1, Relaxed);
            })?;
            thread.start();
            threads.push(thread, GFP_KERNEL)?;
        }
        // A thread that is dropped before it began does nothing.
        while shared.ended.load(Relaxed) < THREADS {
            time::sleep(Delta::from_millis(1));
        }
        drop(threads);
        // Who fails ends, so that no lock may be held.
        let numbers = *shared.numbers.lock();
        assert!(numbers == (THREADS * ROUNDS, THREADS * ROUNDS));
        Ok(())
    }

    #[test]
    fn try_lock_fails_while_held() -> Result {
        let shared = pair()?;
        let held = shared.numbers.lock();
        let refused = shared.numbers.try_lock().is_none();
        drop(held);
        assert!(refused);
        assert!(shared.numbers.try_lock().is_some());
        Ok(())
    }

    #[test]
    fn nests_in_order() -> Result {
        let outer = pair()?;
        let inner = KBox::pin_init(new_spinlock_irq!(0_u32, "kunit::inner"), GFP_KERNEL)?;
        let mut first = outer.numbers.lock();
        let mut second = inner.lock();
        first.0 = 1;
        *second = 2;
        drop(second);
        drop(first);
        assert_eq!(*inner.lock(), 2);
        assert_eq!(outer.numbers.lock().0, 1);
        Ok(())
    }
}
