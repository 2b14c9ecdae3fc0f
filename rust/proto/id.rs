// SPDX-License-Identifier: GPL-2.0

//! The numbers that name requests and devices on the wire.
//!
//! Never interpreted beyond their range: whether a number names anything is for others to know.

use core::fmt;

/// The number of a request. Submissions and unlinks of a connection draw from one counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Seqnum(u32);

impl Seqnum {
    /// The first number that a connection uses.
    pub const FIRST: Self = Self(1);

    /// Wraps a number; every value is legal on the wire.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the number after this one. The counter wraps to 0.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for Seqnum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The address of a device on the exporting host: bus number and device number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[doc(alias = "devid")]
pub struct DevId(u32);

impl DevId {
    /// Takes the number as it stands on the wire or in an `attach` line.
    pub const fn from_wire(devid: u32) -> Self {
        Self(devid)
    }

    /// Makes the number of device `dev` on bus `bus`.
    pub const fn new(bus: u16, dev: u16) -> Self {
        let [bus_high, bus_low] = bus.to_be_bytes();
        let [dev_high, dev_low] = dev.to_be_bytes();
        Self(u32::from_be_bytes([bus_high, bus_low, dev_high, dev_low]))
    }

    /// Returns the number as it stands on the wire.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the bus number.
    pub const fn bus(self) -> u16 {
        let [high, low, _, _] = self.0.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// Returns the device number.
    pub const fn dev(self) -> u16 {
        let [_, _, high, low] = self.0.to_be_bytes();
        u16::from_be_bytes([high, low])
    }
}

/// Eight hexadecimal digits, as in the `status` files.
impl fmt::Display for DevId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}
