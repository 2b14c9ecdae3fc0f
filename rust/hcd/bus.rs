// SPDX-License-Identifier: GPL-2.0

//! A counted reference to one bus of a controller, and what may be asked of it at any time.
//!
//! It must never call the driver back once the controller has been taken out.

use core::ptr::{
    addr_of,
    NonNull, //
};

use kernel::sync::rcu;

use crate::bindings;

/// One bus of a controller, `struct usb_hcd`.
///
/// Dropping the last reference sleeps.
///
/// # Invariants
///
/// The pointer is to a `struct usb_hcd`, of whose references this owns one.
#[doc(alias = "usb_hcd")]
pub struct Bus(NonNull<bindings::usb_hcd>);

// SAFETY: The reference count of a `struct usb_hcd` is atomic, and `usb_put_hcd` may be called by any task.
unsafe impl Send for Bus {}

// SAFETY: All methods may be called concurrently; usbcore synchronises what they touch.
unsafe impl Sync for Bus {}

impl Bus {
    /// # Safety
    ///
    /// `hcd` must be valid, and one reference to it passes to the result.
    pub(crate) unsafe fn from_raw(hcd: NonNull<bindings::usb_hcd>) -> Self {
        // INVARIANT: By this function's requirements.
        Self(hcd)
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::usb_hcd {
        self.0.as_ptr()
    }

    /// Lets usbcore ask for the ports' changes now. Does nothing before the bus is registered and after it has
    /// been taken out. Any context.
    #[doc(alias = "usb_hcd_poll_rh_status")]
    pub fn poll(&self) {
        // Taking a controller out waits for readers, so the driver is there as long as this calls into it.
        let _alive = rcu::read_lock();
        // SAFETY: By the type invariants the pointer is valid. usbcore calls the driver only between
        // registration and removal, and `Registered` keeps the driver until all readers have left.
        unsafe { bindings::usb_hcd_poll_rh_status(self.as_ptr()) };
    }

    /// Says whether the controller is at full power, that is, answers at all.
    #[doc(alias = "HCD_HW_ACCESSIBLE")]
    pub fn set_accessible(&self, accessible: bool) {
        // SAFETY: By the type invariants the pointer is valid; the flag is changed atomically.
        unsafe { bindings::usbip_helper_hcd_set_accessible(self.as_ptr(), accessible) };
    }
}

impl Clone for Bus {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariants there is a reference to take another one by.
        unsafe { bindings::usb_get_hcd(self.as_ptr()) };
        // INVARIANT: The reference that was just taken.
        Self(self.0)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this owns a reference, and gives it back here.
        unsafe { bindings::usb_put_hcd(self.as_ptr()) };
    }
}

/// Returns whether the controller is at full power.
///
/// # Safety
///
/// `hcd` must be valid.
pub(crate) unsafe fn is_accessible(hcd: *mut bindings::usb_hcd) -> bool {
    // SAFETY: By this function's requirements `hcd` is valid; the field is changed by atomic operations only.
    let flags = unsafe { addr_of!((*hcd).flags).read_volatile() };
    flags & (1 << bindings::HCD_FLAG_HW_ACCESSIBLE) != 0
}
