// SPDX-License-Identifier: GPL-2.0

//! The descriptors of the root hubs.
//!
//! Never promises what a virtual hub does not do: there is no link power management, and no port
//! that goes without the driver's knowledge.

/// The type of the capabilities of a device (USB 3.2 table 9-6).
pub(super) const BOS: u8 = 0x0f;

/// The type of a SuperSpeed hub descriptor.
pub(super) const SUPER_SPEED_HUB: u8 = 0x2a;

const HIGH_SPEED_HUB: u8 = 0x29;
const CAPABILITY: u8 = 0x10;

/// Ports are switched one by one, and overcurrent is reported for all together: the low byte of
/// `wHubCharacteristics` (USB 2.0 table 11-13).
const CHARACTERISTICS: u8 = 0x01;

/// The number of a link of 5 Gbit/s in the capabilities.
pub(super) const GEN_1: u8 = 4;

/// The number of a link of 10 Gbit/s in the capabilities.
pub(super) const GEN_2: u8 = 5;

/// The length of the descriptor of a high speed hub without its bitmaps.
const FIXED: usize = 7;

/// Makes the descriptor of a high speed hub (USB 2.0 table 11-13), and its length.
pub(super) fn high_speed(ports: u8) -> ([u8; 15], usize) {
    // For each port and the hub itself one bit: all removable, then all ones for USB 1.0 hosts.
    let width = usize::from(ports / 8).saturating_add(1);
    let len = width.saturating_mul(2).saturating_add(FIXED);
    let mut descriptor = [0; 15];
    let head = [
        u8::try_from(len).unwrap_or(0),
        HIGH_SPEED_HUB,
        ports,
        CHARACTERISTICS,
    ];
    super::fill(&mut descriptor, &head);
    for byte in descriptor
        .iter_mut()
        .skip(FIXED.saturating_add(width))
        .take(width)
    {
        *byte = 0xff;
    }
    (descriptor, len)
}

/// Makes the descriptor of a SuperSpeed hub (USB 3.2 table 10-5).
pub(super) const fn super_speed(ports: u8) -> [u8; 12] {
    // The worst decoding latency is 0.4 microseconds. The bitmap says that no device is removable.
    [
        12,
        SUPER_SPEED_HUB,
        ports,
        CHARACTERISTICS,
        0,
        0,
        0,
        4,
        0,
        0,
        0xff,
        0xff,
    ]
}

/// The capabilities of the SuperSpeed hub (USB 3.2 chapter 9.6.2): 5 Gbit/s, and the list of link
/// speeds without which usbcore shows no device as faster than that.
#[rustfmt::skip]
pub(super) const CAPABILITIES: [u8; 43] = [
    // The head: 43 bytes, 2 capabilities.
    5, BOS, 43, 0, 2,
    // SuperSpeed: no latency tolerance messages, 5 Gbit/s only, which is all of its functions.
    10, CAPABILITY, 0x03, 0, 0x08, 0, 3, 0, 0, 0,
    // SuperSpeedPlus: 4 attributes for 2 numbers; all functions from GEN_1 on, with one lane.
    28, CAPABILITY, 0x0a, 0, 0x23, 0, 0, 0, GEN_1, 0x11, 0, 0,
    // 5 Gbit/s SuperSpeed, receive and send; 10 Gbit/s SuperSpeedPlus, receive and send.
    0x30 | GEN_1, 0x00, 5, 0,
    0xb0 | GEN_1, 0x00, 5, 0,
    0x30 | GEN_2, 0x40, 10, 0,
    0xb0 | GEN_2, 0x40, 10, 0,
];
