// SPDX-License-Identifier: GPL-2.0

//! Requests to address 0: how usbcore begins to enumerate a device.
//!
//! The peer's device has an address already, so giving it one is answered here. All else is passed on.

use usbip_hcd::NewUrb;

/// `bmRequestType` of a standard request to the device, host to device (USB 2.0 table 9-2).
const TO_DEVICE: u8 = 0x00;
/// `SET_ADDRESS`, USB 2.0 table 9-4.
const SET_ADDRESS: u8 = 5;
/// `GET_DESCRIPTOR`, USB 2.0 table 9-4.
const GET_DESCRIPTOR: u8 = 6;

/// What an URB means for the address of its device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: the device has one.
    Addressed,
    /// usbcore asks for descriptors before it gives an address.
    Ask,
    /// usbcore gives the device this address.
    Set(u16),
    /// Nothing that a device without an address knows.
    Invalid,
}

/// Looks at an URB.
pub(crate) fn step(urb: &NewUrb<'_>) -> Step {
    if urb.address() != 0 {
        return Step::Addressed;
    }
    match urb.setup() {
        Some([TO_DEVICE, SET_ADDRESS, low, high, ..]) => Step::Set(u16::from_le_bytes([low, high])),
        Some([_, GET_DESCRIPTOR, ..]) => Step::Ask,
        _ => Step::Invalid,
    }
}
