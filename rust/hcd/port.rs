// SPDX-License-Identifier: GPL-2.0

//! The ports of a root hub, and the right to change usbcore's lists of the URBs to the device on one.
//!
//! usbcore leaves it to the driver to take a lock around what it does with those lists. Which lock that is does not
//! matter, as long as it is the same one for all URBs of a device: each port has one key, which the driver puts behind
//! a lock of its choice, and whoever changes a list shows that lock's guard.

use kernel::prelude::*;

use crate::{
    bus::Bus,
    ops::MAX_PORTS,
    transfer::Transfer, //
};

/// A bus that is not registered yet, and how many keys of its ports have been handed out.
pub(crate) struct Unregistered {
    bus: Bus,
    next: u8,
}

impl Unregistered {
    /// Must be called once for each bus.
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus, next: 1 }
    }

    pub(crate) fn ports(&mut self) -> Ports<'_> {
        Ports(self)
    }

    pub(crate) fn into_bus(self) -> Bus {
        self.bus
    }
}

/// A bus that is not registered yet, and the keys of its ports, which are handed out in their order, from port 1 on.
pub struct Ports<'a>(&'a mut Unregistered);

impl Ports<'_> {
    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }
}

impl Iterator for Ports<'_> {
    type Item = PortKey;

    fn next(&mut self) -> Option<PortKey> {
        let number = self.0.next;
        if number > MAX_PORTS {
            return None;
        }
        self.0.next = number.saturating_add(1);
        // INVARIANT: `next` only grows, and there is one of it for each bus.
        Some(PortKey {
            bus: self.0.bus.clone(),
            number,
        })
    }
}

/// The right to change usbcore's lists of the URBs to the device on one port.
///
/// # Invariants
///
/// There is no other value with the same bus and number.
pub struct PortKey {
    bus: Bus,
    number: u8,
}

impl PortKey {
    /// Whether an URB is for the device on this port.
    #[inline]
    pub(crate) fn fits(&self, urb: &Transfer) -> bool {
        let fits = urb.hcd() == self.bus.as_ptr() && urb.port() == Some(self.number);
        if !fits {
            pr_err!(
                "the key of port {} for an URB of another one\n",
                self.number
            );
        }
        fits
    }
}

/// What a port's lock protects, its key among it.
pub trait Keyed: Unpin {
    /// The key of the port.
    fn key(&mut self) -> &mut PortKey;
}
