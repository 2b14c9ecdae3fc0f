// SPDX-License-Identifier: GPL-2.0

//! A work queue of one's own, which is empty and gone before the module's text is.
//!
//! It must never put work on one of the system's queues: such work can outlive the module.

use core::ptr::NonNull;

use kernel::{
    bindings,
    prelude::*,
    sync::Arc,
    workqueue::{
        HasWork,
        Queue,
        RawWorkItem,
        WorkItem, //
    }, //
};

use crate::{
    irqlock::SpinLockIrq,
    new_spinlock_irq, //
};

/// The queue, or none once its owner is gone.
///
/// # Invariants
///
/// A queue in here is alive while the lock around it is held.
struct Slot(Option<NonNull<bindings::workqueue_struct>>);

// SAFETY: Work queues may be used from any thread.
unsafe impl Send for Slot {}

#[pin_data]
struct Shared {
    #[pin]
    queue: SpinLockIrq<Slot>,
}

/// A work queue with a rescuer thread of its own, so that it makes progress when memory is short.
///
/// Dropping it takes no more work, waits for the work it has, and destroys it: afterwards no item
/// runs, in any module. May sleep; must not happen in one of its own items. That is why work items
/// hold a [`QueueHandle`], which does not keep the queue alive, and the module holds this, behind
/// the registrations that make work.
///
/// # Invariants
///
/// `queue` is alive, and is what `shared` holds.
pub struct OwnedQueue {
    queue: NonNull<bindings::workqueue_struct>,
    shared: Arc<Shared>,
}

// SAFETY: Work queues may be used from any thread.
unsafe impl Send for OwnedQueue {}
// SAFETY: As above.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Makes a queue whose items run side by side, so that a slow one does not hold up others. Its
    /// rescuer thread carries the name. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(name: &CStr) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                queue <- new_spinlock_irq!(Slot(None), "OwnedQueue"),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The format takes one string.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_MEM_RECLAIM,
                0,
                name.as_char_ptr(),
            )
        };
        let queue = NonNull::new(queue).ok_or(ENOMEM)?;
        // INVARIANT: It is taken out before it is destroyed, with the lock held.
        shared.queue.lock().0 = Some(queue);
        Ok(Self { queue, shared })
    }

    /// Queues an item. Any context. Gives what the kernel's own `enqueue` gives for such an item:
    /// one that is queued already comes back.
    pub fn enqueue<W, const ID: u64>(&self, item: W) -> W::EnqueueOutput
    where
        W: RawWorkItem<ID> + Send + 'static,
    {
        // SAFETY: By the invariant the queue is alive.
        unsafe { Queue::from_raw(self.queue.as_ptr()) }.enqueue(item)
    }

    /// Something that can put work on the queue and does not keep it alive.
    pub fn handle(&self) -> QueueHandle {
        QueueHandle {
            shared: self.shared.clone(),
        }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        self.shared.queue.lock().0 = None;
        // SAFETY: By the invariant the queue is alive; nobody can reach it any more. There is no
        // delayed work that would come later, as handles cannot make any.
        unsafe { bindings::destroy_workqueue(self.queue.as_ptr()) };
    }
}

/// Puts work on an [`OwnedQueue`] as long as it exists.
#[derive(Clone)]
pub struct QueueHandle {
    shared: Arc<Shared>,
}

impl QueueHandle {
    /// Queues an item. Any context.
    ///
    /// # Errors
    ///
    /// Gives the item back when it is queued already, or when the queue is gone.
    pub fn enqueue<T, const ID: u64>(&self, item: Arc<T>) -> Result<(), Arc<T>>
    where
        T: WorkItem<ID, Pointer = Arc<T>> + HasWork<T, ID> + Send + Sync + 'static,
    {
        let slot = self.shared.queue.lock();
        match slot.0 {
            // SAFETY: By the invariant of `Slot` the queue is alive while the lock is held.
            Some(queue) => unsafe { Queue::from_raw(queue.as_ptr()) }.enqueue(item),
            None => Err(item),
        }
    }
}
