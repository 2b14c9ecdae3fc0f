// SPDX-License-Identifier: GPL-2.0

//! A USB device on one of the controller's ports, as usbcore sees it.

use core::{
    cell::UnsafeCell,
    ptr::NonNull, //
};

use kernel::{
    bindings::{
        usb_device,
        usb_get_dev,
        usb_put_dev, //
    },
    device::Device,
    str::CStr,
    sync::aref::AlwaysRefCounted, //
};

use crate::bindings;

/// A `struct usb_device` that usbcore has made for a port of ours. Dropping a reference may sleep.
///
/// # Invariants
///
/// The device's reference count is not zero as long as there is a reference to it.
#[repr(transparent)]
#[doc(alias = "usb_device")]
pub struct Child(UnsafeCell<usb_device>);

// SAFETY: Devices are counted atomically and may be released by any task.
unsafe impl Send for Child {}

// SAFETY: All methods only read what does not change, or what is synchronised by usbcore.
unsafe impl Sync for Child {}

// SAFETY: By `usb_get_dev` the device stays until the matching `usb_put_dev`.
unsafe impl AlwaysRefCounted for Child {
    fn inc_ref(&self) {
        // SAFETY: By the type invariants the device is alive.
        unsafe { usb_get_dev(self.0.get()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: By this function's requirements the caller owns a reference and gives it up.
        unsafe { usb_put_dev(object.as_ptr().cast()) };
    }
}

impl Child {
    /// # Safety
    ///
    /// `device` must be valid for `'a`.
    pub(crate) unsafe fn from_raw<'a>(device: *mut usb_device) -> &'a Self {
        // SAFETY: By this function's requirements, and as the type is transparent.
        unsafe { &*device.cast() }
    }

    /// The name that the device has or will have in sysfs, such as `1-1`.
    pub fn name(&self) -> &CStr {
        let device: &Device = self.as_ref();
        device.name()
    }

    /// Returns whether user space has been told of the device, and not yet that it is gone: whether it can be
    /// looked up in sysfs.
    pub fn is_announced(&self) -> bool {
        // SAFETY: The device is alive; what is read are single flags.
        unsafe { bindings::usbip_helper_hcd_is_announced(self.0.get()) }
    }

    /// Excludes the device from system suspend.
    #[doc(alias = "dev_pm_syscore_device")]
    pub fn keep_awake(&self) {
        // SAFETY: The device is alive. usbcore is about to enumerate it, and nobody else writes the flags.
        unsafe { bindings::usbip_helper_hcd_keep_awake(self.0.get()) };
    }
}

impl AsRef<Device> for Child {
    fn as_ref(&self) -> &Device {
        // SAFETY: The embedded device is as alive as the USB device.
        unsafe { Device::from_raw(&raw mut (*self.0.get()).dev) }
    }
}
