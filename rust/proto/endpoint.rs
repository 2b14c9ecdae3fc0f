// SPDX-License-Identifier: GPL-2.0

//! Which endpoint a request is for: direction, number and kind.
//!
//! Never holds a value that USB does not know: a raw number is checked when the type is made.

use core::fmt;

/// The direction of a transfer, seen from the importing host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// From the host to the device.
    #[doc(alias = "USBIP_DIR_OUT")]
    Out,
    /// From the device to the host.
    #[doc(alias = "USBIP_DIR_IN")]
    In,
}

impl Direction {
    /// Reads the `direction` field of a header.
    pub const fn from_wire(direction: u32) -> Option<Self> {
        match direction {
            0 => Some(Self::Out),
            1 => Some(Self::In),
            _ => None,
        }
    }

    /// Returns the value of the `direction` field of a header.
    pub const fn to_wire(self) -> u32 {
        match self {
            Self::Out => 0,
            Self::In => 1,
        }
    }

    /// Returns whether the device sends the data.
    pub const fn is_in(self) -> bool {
        matches!(self, Self::In)
    }
}

/// The number of an endpoint, 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EndpointNumber(u8);

impl EndpointNumber {
    /// The highest number that USB has.
    pub const MAX: u8 = 15;

    /// Endpoint 0, the default control pipe.
    pub const ZERO: Self = Self(0);

    /// Checks a number from the wire.
    pub const fn new(number: u32) -> Option<Self> {
        let [a, b, c, low] = number.to_be_bytes();
        if (a | b | c) == 0 && low <= Self::MAX {
            Some(Self(low))
        } else {
            None
        }
    }

    /// Returns the number, at most [`Self::MAX`].
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for EndpointNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The kind of a transfer, which is the kind of its endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransferKind {
    /// Control transfer: a setup packet, perhaps data.
    Control,
    /// Isochronous transfer: a list of packets with lengths and results of their own.
    Isochronous,
    /// Bulk transfer.
    Bulk,
    /// Interrupt transfer.
    Interrupt,
}

impl TransferKind {
    /// Reads the kind from an endpoint descriptor.
    #[doc(alias = "bmAttributes")]
    pub const fn from_attributes(attributes: u8) -> Self {
        match attributes & 0x03 {
            0 => Self::Control,
            1 => Self::Isochronous,
            2 => Self::Bulk,
            _ => Self::Interrupt,
        }
    }

    /// Returns whether the transfer is a list of packets.
    pub const fn is_isochronous(self) -> bool {
        matches!(self, Self::Isochronous)
    }
}
