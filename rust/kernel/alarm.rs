// SPDX-License-Identifier: GPL-2.0

//! Raises a signal some time later.
//!
//! A thread that waits with a timeout sets a timer and takes it back each time, which costs as much as
//! all else that it does to sleep. An alarm is left to itself: it is set once in a while, and wakes the
//! thread once in a while.

use core::marker::PhantomPinned;

use kernel::{
    bindings,
    prelude::*,
    time::Delta,
    types::Opaque, //
};
use pin_init::stack_pin_init;

use crate::{
    bindings as helpers,
    signal::Signal,
    time::jiffies, //
};

/// Wraps the kernel's `struct timer_list`, on the stack of a thread.
///
/// # Invariants
///
/// `timer` is initialised with [`Alarm::ring`], and lies in an alarm.
#[pin_data(PinnedDrop)]
#[doc(alias = "timer_list")]
pub struct Alarm<'a> {
    #[pin]
    timer: Opaque<bindings::timer_list>,
    signal: &'a Signal,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: It may be set by any thread, and rings on any processor; signals are raised anywhere.
unsafe impl Sync for Alarm<'_> {}

impl<'a> Alarm<'a> {
    /// Runs `body` with one that is not set. Afterwards it does not ring any more.
    ///
    /// Nobody else gets to own it: one that was forgotten would ring for a signal that is gone.
    pub fn with<R>(signal: &'a Signal, body: impl FnOnce(&Self) -> R) -> R {
        stack_pin_init!(let alarm = Self::new(signal));
        body(&alarm)
    }

    /// One that is not set. It must lie on the stack, and be dropped.
    fn new(signal: &'a Signal) -> impl PinInit<Self> + use<'a> {
        pin_init!(Self {
            // INVARIANT: This initialises it.
            // SAFETY: `slot` is valid for writes.
            timer <- Opaque::ffi_init(|slot| unsafe {
                helpers::usbip_helper_timer_setup_on_stack(slot, Some(Self::ring));
            }),
            signal,
            _pin: PhantomPinned,
        })
    }

    /// Lets the signal be raised so much later, unless that is to be earlier anyway. Any context.
    pub fn ring_after(&self, delay: Delta) {
        // SAFETY: By the invariant the timer is initialised; it is taken back before it goes.
        unsafe { helpers::usbip_helper_timer_start(self.timer.get(), jiffies(delay)) };
    }

    /// # Safety
    ///
    /// To be called by the timer of an alarm only.
    unsafe extern "C" fn ring(timer: *mut bindings::timer_list) {
        let timer = Opaque::cast_from(timer);
        // SAFETY: By this function's requirements it lies in an alarm, which waits for this function
        // before it goes.
        let alarm = unsafe { &*kernel::container_of!(timer, Self, timer) };
        alarm.signal.raise();
    }
}

#[pinned_drop]
impl PinnedDrop for Alarm<'_> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant the timer is initialised. Afterwards it does not ring any more.
        unsafe { helpers::usbip_helper_timer_destroy_on_stack(self.timer.get()) };
    }
}
