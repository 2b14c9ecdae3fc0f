// SPDX-License-Identifier: GPL-2.0-or-later

//! What the exporter's device says of itself, and what we look for in those of others.

use usbip_proto::TransferKind;

/// The vendor of the exporter's devices: reserved for tests.
pub(crate) const VENDOR: u16 = 0x1209;
/// The product.
pub(crate) const PRODUCT: u16 = 0x0001;

pub(crate) const BULK_IN: u8 = 0x81;
pub(crate) const BULK_OUT: u8 = 0x02;
pub(crate) const INTERRUPT_IN: u8 = 0x83;
pub(crate) const ISO_IN: u8 = 0x84;
pub(crate) const ISO_OUT: u8 = 0x05;

/// A device of USB 2.0.
pub(crate) const DEVICE: [u8; 18] = {
    let vendor = VENDOR.to_le_bytes();
    let product = PRODUCT.to_le_bytes();
    [
        18, 1, 0, 2, 0xff, 0, 0, 64, vendor[0], vendor[1], product[0], product[1], 0, 1, 0, 0, 0, 1,
    ]
};

/// One interface with an endpoint of each kind.
pub(crate) const CONFIGURATION: [u8; 53] = [
    9,
    2,
    53,
    0,
    1,
    1,
    0,
    0x80,
    50, // configuration
    9,
    4,
    0,
    0,
    5,
    0xff,
    0,
    0,
    0, // interface
    7,
    5,
    BULK_IN,
    2,
    0,
    2,
    0, // 512 bytes
    7,
    5,
    BULK_OUT,
    2,
    0,
    2,
    0, //
    7,
    5,
    INTERRUPT_IN,
    3,
    64,
    0,
    4, // 64 bytes
    7,
    5,
    ISO_IN,
    1,
    0,
    4,
    1, // 1024 bytes
    7,
    5,
    ISO_OUT,
    1,
    0,
    4,
    1, //
];

/// The first endpoint of a kind and direction in a configuration's descriptors.
pub(crate) fn find_endpoint(mut descriptors: &[u8], kind: TransferKind, is_in: bool) -> Option<u8> {
    while let Some(&length) = descriptors.first() {
        let (descriptor, rest) = descriptors.split_at_checked(length.max(2).into())?;
        if let [_, 5, address, attributes, ..] = descriptor {
            if TransferKind::from_attributes(*attributes) == kind && (address & 0x80 != 0) == is_in
            {
                return Some(*address);
            }
        }
        descriptors = rest;
    }
    None
}
