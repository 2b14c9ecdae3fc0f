// SPDX-License-Identifier: GPL-2.0

//! Where one thread sleeps until a condition holds: what a [wait queue](crate::waitq) is for many,
//! but without a lock, for much less, so that it wakes in any context on every kernel.
//!
//! It must never decide what the condition is.

use core::marker::PhantomPinned;

use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

use crate::bindings as helpers;

/// Wraps the kernel's `struct rcuwait`.
///
/// # Invariants
///
/// `wait` is initialised, and names a thread that is in [`Sleeper::wait`], or none.
#[pin_data]
pub(crate) struct Sleeper {
    #[pin]
    wait: Opaque<bindings::rcuwait>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: It may be used from any thread: what it has is read and written atomically.
unsafe impl Send for Sleeper {}
// SAFETY: As above.
unsafe impl Sync for Sleeper {}

impl Sleeper {
    /// Nobody sleeps.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: This initialises it, and names nobody.
            // SAFETY: `slot` is valid for writes.
            wait <- Opaque::ffi_init(|slot| unsafe { helpers::usbip_helper_rcuwait_init(slot) }),
            _pin: PhantomPinned,
        })
    }

    /// Wakes the thread that sleeps. Any context.
    ///
    /// What it looks at must have been changed before with a fully ordered atomic operation.
    pub(crate) fn wake(&self) {
        // SAFETY: By the invariant. A thread that is named may just be leaving, and even end: its
        // task is freed a grace period later at the earliest, and the function is an RCU reader.
        unsafe { bindings::rcuwait_wake_up(self.wait.get()) };
    }

    /// Sleeps until `done` gives true: not counted as load and not reported as hung, as befits a
    /// thread that has nothing to do. Of two threads that do so at a time one would not be woken.
    ///
    /// `done` is called before and after the caller is named, so that no wake-up is lost, and must
    /// not sleep.
    pub(crate) fn wait(&self, mut done: impl FnMut() -> bool) {
        if done() {
            return;
        }
        loop {
            // INVARIANT: The calling thread, until `finish_rcuwait` below.
            // SAFETY: By the invariant it is initialised.
            unsafe { helpers::usbip_helper_rcuwait_prepare(self.wait.get()) };
            if done() {
                break;
            }
            // SAFETY: May sleep by this function's contract.
            unsafe { bindings::schedule() };
        }
        // SAFETY: By the invariant it is initialised.
        unsafe { bindings::finish_rcuwait(self.wait.get()) };
    }
}
