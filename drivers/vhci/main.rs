// SPDX-License-Identifier: GPL-2.0

//! vhci-hcd: USB host controllers whose devices are those of other machines.
//!
//! A [`Fleet`] of controllers has two root hubs each; a port of a hub is a [`Session`] with the peer that exports
//! the device there. usbcore's requests become PDUs, the peer's answers end them. Nothing here touches a socket,
//! and nothing decides what a PDU means: `usbip_core` and `usbip_logic` do.
//!
//! [`Fleet`]: crate::fleet::Fleet
//! [`Session`]: usbip_core::Session

#![crate_name = "vhci_hcd"]
#![forbid(unsafe_code)]

mod address;
mod answer;
mod attach;
mod controller;
mod dequeue;
mod driver;
mod enqueue;
mod files;
mod fleet;
mod hub;
mod params;
mod port;
mod receive;
mod requests;
mod root;
mod status;
mod transmit;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_kernel::{
    platform::{
        OwnedDevice,
        Registration, //
    },
    queue::OwnedQueue, //
};

use crate::{
    driver::Vhci,
    fleet::Fleet, //
};

module! {
    type: Module,
    name: "vhci_hcd",
    authors: ["The USB/IP in Rust authors"],
    description: "USB/IP 'Virtual' Host Controller (VHCI) Driver",
    license: "GPL",
}

usbip_kernel::modinfo! {
    "version" = "0.1.0",
}

/// What the module owns. The order is that in which it is given up: first the devices, then the driver, which
/// ends all sessions, and the queue that took them down last.
struct Module {
    _devices: KVec<OwnedDevice>,
    _driver: Pin<KBox<Registration<Vhci>>>,
    _events: OwnedQueue,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        if usbip_usb::is_disabled() {
            return Err(ENODEV);
        }
        let geometry = params::geometry()?;
        let events = OwnedQueue::new(c"usbip_event")?;
        let fleet: Arc<Fleet> = Fleet::new(geometry, events.handle())?;
        let driver = KBox::pin_init(Registration::new(Vhci::new(fleet), module), GFP_KERNEL)?;
        let mut devices = KVec::new();
        for id in 0..geometry.controllers() {
            let device = OwnedDevice::new(driver::NAME, id.into())?;
            devices.push(device, GFP_KERNEL)?;
        }
        Ok(Self {
            _devices: devices,
            _driver: driver,
            _events: events,
        })
    }
}
