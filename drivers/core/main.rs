// SPDX-License-Identifier: GPL-2.0

//! usbip-core: what the exporting and the importing side of USB/IP have in common.
//!
//! A [`Session`] owns a device's connections and their threads, a [`Transport`] carries the bytes,
//! a [`Role`] is what the driver adds. Nothing here knows whether URBs come in or go out.

#![crate_name = "usbip_core"]
#![forbid(unsafe_code)]

pub mod debug;
mod fault;
mod params;
mod patience;
mod provider;
mod role;
mod rx;
mod session;
mod slots;
mod transport;
mod tx;

use kernel::prelude::*;

use usbip_kernel::outlive;

pub use crate::{
    fault::Fault,
    patience::stall_period,
    provider::{
        Provider,
        ProviderRegistration, //
    },
    role::{
        Fill,
        Receive,
        Role,
        Transmit, //
    },
    session::{
        ConnectError,
        Session,
        SessionState, //
    },
    slots::slots,
    transport::{
        fault_at_end,
        open,
        Carrier,
        Machine,
        Progress,
        Silence,
        Source,
        Transport,
        Wait, //
    },
};

module! {
    type: Core,
    name: "usbip_core",
    authors: ["The USB/IP in Rust authors"],
    description: "USB/IP Core",
    license: "GPL",
}

usbip_kernel::modinfo! {
    "version" = "0.1.0",
}

struct Core;

impl kernel::Module for Core {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        provider::init();
        outlive::init();
        Ok(Self)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        outlive::exit();
    }
}
