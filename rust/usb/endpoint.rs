// SPDX-License-Identifier: GPL-2.0

//! What a device says of one of its endpoints.
//!
//! A copy, never a pointer: the endpoint may be gone by the time that it is used, and a transfer
//! to it is then refused by the USB core.

use kernel::bindings;

use usbip_proto::{
    Direction,
    TransferKind, //
};

/// `bEndpointAddress`: the bits of the number (USB 2.0 table 9-13).
const NUMBER_MASK: u8 = 0x0f;
/// `wMaxPacketSize`: the bits of the size (USB 2.0 table 9-13).
const SIZE_MASK: u16 = 0x07ff;

/// The bit of a pipe that says that data comes in, `USB_DIR_IN`.
const PIPE_IN: u32 = 0x80;
/// Where the device's number is in a pipe.
const PIPE_DEVICE_SHIFT: u32 = 8;
/// Where the endpoint's number is in a pipe.
const PIPE_ENDPOINT_SHIFT: u32 = 15;
/// Where the transfer type is in a pipe.
const PIPE_KIND_SHIFT: u32 = 30;

/// An endpoint of a device, and the way in which data goes.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    number: u8,
    direction: Direction,
    kind: TransferKind,
    max_packet: u16,
}

impl Endpoint {
    pub(crate) fn new(
        descriptor: &bindings::usb_endpoint_descriptor,
        direction: Direction,
    ) -> Self {
        Self {
            number: descriptor.bEndpointAddress & NUMBER_MASK,
            direction,
            kind: TransferKind::from_attributes(descriptor.bmAttributes),
            max_packet: u16::from_le(descriptor.wMaxPacketSize) & SIZE_MASK,
        }
    }

    /// An endpoint that is not known to exist. Transfers to it may be refused.
    pub const fn assumed(number: u8, direction: Direction, kind: TransferKind) -> Self {
        Self {
            number: number & NUMBER_MASK,
            direction,
            kind,
            max_packet: 0,
        }
    }

    /// The endpoint's number, 0 to 15.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The way in which data goes.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The same endpoint, used in the given direction. Only control endpoints have two.
    pub fn with_direction(self, direction: Direction) -> Self {
        match self.kind {
            TransferKind::Control => Self { direction, ..self },
            _ => self,
        }
    }

    /// The transfer type.
    pub fn kind(&self) -> TransferKind {
        self.kind
    }

    /// The size of the endpoint's packets in bytes.
    #[doc(alias = "wMaxPacketSize")]
    pub fn max_packet(&self) -> u16 {
        self.max_packet
    }

    /// The C side's name for this endpoint of the device numbered `devnum`.
    pub(crate) fn pipe(&self, devnum: u32) -> u32 {
        let kind = match self.kind {
            TransferKind::Isochronous => bindings::PIPE_ISOCHRONOUS,
            TransferKind::Interrupt => bindings::PIPE_INTERRUPT,
            TransferKind::Control => bindings::PIPE_CONTROL,
            TransferKind::Bulk => bindings::PIPE_BULK,
        };
        let direction = match self.direction {
            Direction::Out => 0,
            Direction::In => PIPE_IN,
        };
        kind << PIPE_KIND_SHIFT
            | direction
            | devnum << PIPE_DEVICE_SHIFT
            | u32::from(self.number) << PIPE_ENDPOINT_SHIFT
    }
}
