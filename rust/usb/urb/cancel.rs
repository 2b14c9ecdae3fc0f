// SPDX-License-Identifier: GPL-2.0

//! A way to stop a transfer that somebody else owns.

use core::ptr::NonNull;

use kernel::bindings;

/// A counted reference to an URB that can do no more than cancel it.
///
/// It keeps the memory of the `struct urb`, not its data nor the device. The USB core looks at the
/// device only if the controller still has the URB, and a controller gives all URBs back before
/// their device goes away.
///
/// # Invariants
///
/// The pointer is to a valid `struct urb`, and this owns one reference to it.
pub struct Cancel(NonNull<bindings::urb>);

// SAFETY: The methods may be called by any thread.
unsafe impl Send for Cancel {}
// SAFETY: As above; the USB core serialises them.
unsafe impl Sync for Cancel {}

impl Cancel {
    /// Refers to an URB.
    ///
    /// # Safety
    ///
    /// `raw` is valid, and was made by `Urb::new`.
    pub(super) unsafe fn new(raw: NonNull<bindings::urb>) -> Self {
        // SAFETY: Valid, as the caller promises.
        unsafe { bindings::usb_get_urb(raw.as_ptr()) };
        // INVARIANT: A reference was just taken.
        Self(raw)
    }

    /// Asks the controller to stop, and does not wait. May be called in any context.
    ///
    /// The completion may run during the call, so that no lock may be held that it takes.
    /// Returns whether the controller still had the URB.
    #[doc(alias = "usb_unlink_urb")]
    pub fn unlink(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        let result = unsafe { bindings::usb_unlink_urb(self.0.as_ptr()) };
        // CAST: A small constant.
        result == -(bindings::EINPROGRESS as i32)
    }

    /// Stops the transfer; when this returns, its completion has run. Sleeps.
    #[doc(alias = "usb_kill_urb")]
    pub fn kill(self) {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::usb_kill_urb(self.0.as_ptr()) };
    }
}

impl Clone for Cancel {
    fn clone(&self) -> Self {
        // SAFETY: Valid by the type invariant.
        unsafe { Self::new(self.0) }
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        // SAFETY: The reference is given up. Without an owner there is nothing left in the URB
        // to be dropped, and the memory is freed with `kfree`, in any context.
        unsafe { bindings::usb_free_urb(self.0.as_ptr()) };
    }
}
