// SPDX-License-Identifier: GPL-2.0

//! A wait queue: sleep until a condition holds.
//!
//! It must never decide what the condition is.

use core::marker::PhantomPinned;

use kernel::{
    bindings,
    prelude::*,
    static_lock_class,
    sync::Arc,
    task::MAX_SCHEDULE_TIMEOUT,
    types::Opaque, //
};

use crate::{
    bindings as helpers,
    lock_name, //
};

/// Wraps the kernel's `struct wait_queue_head`.
///
/// # Invariants
///
/// `head` is initialised.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A wait queue may be used from any thread, and holds a lock of its own.
unsafe impl Send for WaitQueue {}
// SAFETY: As above.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// All queues share one lock class: nobody takes the lock of one while holding that of another.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: This initialises it.
            // SAFETY: `slot` is valid for writes; name and key are static.
            head <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(
                    slot,
                    lock_name!("WaitQueue").as_char_ptr(),
                    static_lock_class!().as_ptr(),
                )
            }),
            _pin: PhantomPinned,
        })
    }

    /// Wakes all who wait. Any context.
    ///
    /// What the waiters look at must have been changed before with a fully ordered atomic
    /// operation, which is what allows the lock to be left alone when nobody waits.
    pub(crate) fn wake(&self) {
        // SAFETY: By the invariant `head` is initialised.
        unsafe { helpers::usbip_helper_wake_up_all(self.head.get()) }
    }

    /// Sleeps until `done` gives true. May sleep.
    ///
    /// `done` is called as in [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal is pending, for the calling process to be restarted or told.
    pub(crate) fn wait_interruptible(&self, mut done: impl FnMut() -> bool) -> Result {
        if done() {
            return Ok(());
        }
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();
        // SAFETY: `entry` is a local that does not move, and is valid for writes.
        unsafe { bindings::init_wait(entry.get()) };
        let outcome = loop {
            // SAFETY: Both are initialised, and `finish_wait` below takes `entry` out before it
            // goes.
            unsafe {
                bindings::prepare_to_wait(
                    self.head.get(),
                    entry.get(),
                    // CAST: Task states are small flag words.
                    bindings::TASK_INTERRUPTIBLE as c_int,
                )
            };
            if done() {
                break Ok(());
            }
            if signal_pending() {
                break Err(ERESTARTSYS);
            }
            // SAFETY: May sleep by this function's contract.
            unsafe { bindings::schedule_timeout(MAX_SCHEDULE_TIMEOUT) };
        };
        // SAFETY: Both are initialised.
        unsafe { bindings::finish_wait(self.head.get(), entry.get()) };
        outcome
    }

    /// The C structure.
    pub(crate) fn as_raw(&self) -> *mut bindings::wait_queue_head {
        self.head.get()
    }

    /// Sleeps until `done` gives true, or `timeout` jiffies have passed: then gives false. May
    /// sleep; that is not counted as load, nor reported as hung.
    ///
    /// `done` is called before and after the caller is entered into the queue, so that no wake-up
    /// is lost, and must not sleep.
    pub(crate) fn wait(&self, mut timeout: c_long, mut done: impl FnMut() -> bool) -> bool {
        if done() {
            return true;
        }
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();
        // SAFETY: `entry` is a local that does not move, and is valid for writes.
        unsafe { bindings::init_wait(entry.get()) };
        let outcome = loop {
            // SAFETY: Both are initialised, and `finish_wait` below takes `entry` out before it
            // goes.
            unsafe {
                bindings::prepare_to_wait(
                    self.head.get(),
                    entry.get(),
                    // CAST: Task states are small flag words.
                    bindings::TASK_IDLE as c_int,
                )
            };
            if done() {
                break true;
            }
            if timeout <= 0 {
                break false;
            }
            // SAFETY: May sleep by this function's contract; any timeout will do.
            timeout = unsafe { bindings::schedule_timeout(timeout) };
            // Who was woken is out of the queue: to enter it again only to look would cost more.
            if done() {
                break true;
            }
        };
        // SAFETY: Both are initialised.
        unsafe { bindings::finish_wait(self.head.get(), entry.get()) };
        outcome
    }
}

/// Whether the calling thread has to see to a signal.
pub(crate) fn signal_pending() -> bool {
    // SAFETY: Looks at the calling thread only.
    unsafe { helpers::usbip_helper_signal_pending() }
}

/// Where the processes wait that have a file open: those that sleep in a read or a write, and those
/// that poll.
#[derive(Clone)]
pub struct Watch(Arc<WaitQueue>);

impl Watch {
    /// One that nobody waits at.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Arc::pin_init(WaitQueue::new(), GFP_KERNEL)?))
    }

    /// Wakes all who wait. Any context.
    ///
    /// What they look at must have been changed before with a fully ordered atomic operation.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// As [`WaitQueue::wait_interruptible`].
    pub(crate) fn wait(&self, done: impl FnMut() -> bool) -> Result {
        self.0.wait_interruptible(done)
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &WaitQueue {
        &self.0
    }
}
