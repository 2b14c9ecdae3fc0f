// SPDX-License-Identifier: GPL-2.0-or-later

//! Either end of a USB/IP connection in user space, for tests and measurements.
//!
//! [`Client`] takes the place of vhci, [`Server`] that of usbip-host, and [`Device`] answers for a
//! device that exists only in software. What is sent is as good or as bad as the caller likes:
//! nothing here judges it. [`sysfs`] hands sockets to the kernel, whose modules are then the other
//! end.
//!
//! All of it blocks, and all of it is meant to be fast: bytes to send are gathered until something
//! has to be waited for, and nothing is allocated for a request once the buffers have grown.

#![forbid(unsafe_code)]

mod client;
mod device;
mod link;
pub mod op;
mod server;
mod socket;
pub mod sysfs;
mod transfer;

pub use client::{
    Client,
    Received, //
};
pub use device::{
    Behaviour,
    Device,
    Endpoint,
    Model, //
};
pub use link::Link;
pub use server::{
    Incoming,
    Server, //
};
pub use socket::Socket;
pub use transfer::{
    setup,
    spaced,
    Transfer, //
};
