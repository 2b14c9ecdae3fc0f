// SPDX-License-Identifier: GPL-2.0

//! USB devices and transfers, for a driver that owns whole devices.
//!
//! Everything that touches a `struct urb` or a `struct usb_device` is here, behind types that
//! say who owns a transfer at any time. No policy belongs here, and nothing about networks.

#![crate_name = "usbip_usb"]
#![deny(clippy::undocumented_unsafe_blocks)]

mod buffer;
mod device;
mod device_driver;
mod endpoint;
mod locked;
mod spares;
mod urb;

pub use crate::{
    device::Device,
    device_driver::{
        DeviceDriver,
        Registered,
        Registration, //
    },
    endpoint::Endpoint,
    locked::LockedDevice,
    spares::Spares,
    urb::{
        Cancel,
        Complete,
        Completed,
        Idle,
        Rejected,
        Transfer,
        Urb,
        UrbQueue,
        UrbRef, //
    }, //
};

/// Returns whether USB was switched off on the kernel's command line.
#[doc(alias = "usb_disabled")]
pub fn is_disabled() -> bool {
    // SAFETY: No requirements.
    unsafe { kernel::bindings::usb_disabled() != 0 }
}

/// What log lines of this crate begin with.
const __LOG_PREFIX: &[u8] = b"usbip_usb\0";
