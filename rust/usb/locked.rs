// SPDX-License-Identifier: GPL-2.0

//! What may only be done to a device while it is locked.
//!
//! The lock is the one under which drivers are bound and unbound: whoever holds it may be waiting
//! for this driver to let go of the device. Hence [`Device::try_lock_until`].

use core::{
    ops::Deref,
    ptr, //
};

use kernel::{
    bindings,
    device,
    error::to_result,
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe, //
};

use usbip_kernel::{
    bindings::usbip_helper_usb_unlock_device,
    errno, //
};

use crate::Device;

/// A device, locked.
///
/// # Invariants
///
/// The device lock is held by this.
pub struct LockedDevice<'a> {
    device: &'a Device,
    /// Who has locked it unlocks it.
    _thread: NotThreadSafe,
}

impl<'a> LockedDevice<'a> {
    /// Takes over a lock.
    ///
    /// # Safety
    ///
    /// The device lock is held, and the caller does not release it.
    pub(crate) unsafe fn new(device: &'a Device) -> Self {
        // INVARIANT: The caller hands it over.
        Self {
            device,
            _thread: NotThreadSafe,
        }
    }

    /// Chooses a configuration and tells the device. Sleeps.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such configuration; what the device or the controller answered.
    #[doc(alias = "usb_set_configuration")]
    pub fn set_configuration(&self, value: u16) -> Result {
        // SAFETY: Valid and, by the type invariant, locked.
        to_result(unsafe { bindings::usb_set_configuration(self.device.as_raw(), value.into()) })
    }

    /// Chooses an alternate setting of an interface and tells the device. Sleeps.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such setting; what the device or the controller answered.
    #[doc(alias = "usb_set_interface")]
    pub fn set_interface(&self, number: u16, setting: u16) -> Result {
        // SAFETY: Valid; interfaces come and go only while the device is locked.
        let interface = unsafe { bindings::usb_ifnum_to_if(self.device.as_raw(), number.into()) };
        if interface.is_null() {
            return Err(EINVAL);
        }
        // The USB core would print a warning for each request that names no setting.
        // SAFETY: The interface is valid as long as the device is locked.
        if unsafe { bindings::usb_altnum_to_altsetting(interface, setting.into()) }.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: Valid, and locked, so that no configuration is chosen meanwhile.
        to_result(unsafe {
            bindings::usb_set_interface(self.device.as_raw(), number.into(), setting.into())
        })
    }

    /// Resets the port of the device, and restores its configuration. Sleeps.
    ///
    /// # Errors
    ///
    /// `EHOSTUNREACH` if its bus is asleep; what the hub or the device answered.
    #[doc(alias = "usb_reset_device")]
    pub fn reset(&self) -> Result {
        if !self.is_awake() {
            return Err(errno::ehostunreach());
        }
        // SAFETY: Valid and, by the type invariant, locked.
        to_result(unsafe { bindings::usb_reset_device(self.device.as_raw()) })
    }

    /// Whether the device can be spoken to. A hub that is asked to reset a device whose bus is
    /// asleep takes it for unplugged.
    #[doc(alias = "can_submit")]
    pub fn is_awake(&self) -> bool {
        // SAFETY: Valid; the lock is held, under which this changes.
        unsafe { bindings::usb_device::can_submit_raw(self.device.as_raw()) != 0 }
    }

    /// Lets the device need a reset when the machine is awake again, whatever became of its power.
    ///
    /// The USB core does not tell a driver of a whole device that the machine is awake if the bus
    /// kept its power, unless the device is to be reset.
    #[doc(alias = "reset_resume")]
    pub fn reset_when_awake(&self) {
        // SAFETY: Valid; the lock is held, under which this changes.
        unsafe { bindings::usb_device::set_reset_resume_raw(self.device.as_raw(), 1) };
    }

    /// The device that this one hangs on.
    pub(crate) fn parent(&self) -> Option<ARef<device::Device>> {
        if !self.device.is_attached() {
            return None;
        }
        // SAFETY: Valid by the type invariant of `Device`.
        let parent = unsafe { (*ptr::addr_of!((*self.device.as_raw()).dev)).parent };
        if parent.is_null() {
            return None;
        }
        // SAFETY: The parent is let go of after the device was marked as gone, with its lock held
        // in between: it is valid until the lock is released.
        let parent: &device::Device = unsafe { device::Device::from_raw(parent) };
        Some(parent.into())
    }
}

impl Deref for LockedDevice<'_> {
    type Target = Device;

    fn deref(&self) -> &Device {
        self.device
    }
}

impl Drop for LockedDevice<'_> {
    fn drop(&mut self) {
        // SAFETY: The lock is held by the type invariant.
        unsafe { usbip_helper_usb_unlock_device(self.device.as_raw()) };
    }
}
