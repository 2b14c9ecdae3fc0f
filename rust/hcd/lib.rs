// SPDX-License-Identifier: GPL-2.0

//! USB host controllers, for any driver: a pair of buses, their root hubs, and the URBs that usbcore hands over.
//!
//! It must never hold policy: what an URB is answered with and what a port shows is up to the driver. An URB is
//! owned by exactly one value at any time, and only that value can give it back.

#![crate_name = "usbip_hcd"]
#![deny(clippy::undocumented_unsafe_blocks)]

mod bindings;
mod bus;
mod child;
mod controller;
mod incoming;
mod ops;
mod port;
mod transfer;
mod urb;

pub use crate::{
    bus::Bus,
    child::Child,
    controller::{
        Allocated,
        Registered, //
    },
    incoming::Incoming,
    ops::{
        HubRequest,
        RootHub,
        MAX_PORTS, //
    },
    port::{
        Keyed,
        PortKey,
        Ports, //
    },
    transfer::Transfer,
    urb::{
        Detached,
        NewUrb,
        Outcome,
        Queued,
        Unlinking, //
    },
};

/// What this crate's own messages begin with: the module that it is linked into.
const __LOG_PREFIX: &[u8] = b"vhci_hcd\0";
