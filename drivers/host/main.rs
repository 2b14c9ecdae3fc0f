// SPDX-License-Identifier: GPL-2.0

//! usbip-host: shares USB devices of this machine over the network.
//!
//! A device that is to be shared is bound to this driver; user space then hands it a socket.
//! What the importing machine asks for over that socket becomes URBs to the device.

#![crate_name = "usbip_host"]
#![forbid(unsafe_code)]

mod attrs;
mod busid;
mod complete;
mod device;
mod driver;
mod params;
mod receive;
mod request;
mod transmit;
mod tweak;
mod unlink;
mod wire;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_kernel::queue::OwnedQueue;
use usbip_usb::Registration;

use crate::{
    busid::{
        GiveBack,
        MatchBusId,
        Rebind,
        Table, //
    },
    driver::Host, //
};

module! {
    type: Module,
    name: "usbip_host",
    authors: ["The USB/IP in Rust authors"],
    description: "USB/IP Host Driver",
    license: "GPL",
}

usbip_kernel::modinfo! {
    "version" = "0.1.0",
}

/// The module; unloading it drops the fields in this order.
struct Module {
    /// First the driver lets go of all devices,
    _driver: Registration<Host>,
    /// which then get their own drivers back.
    _give_back: GiveBack,
    /// Nothing of the sessions runs any more when this is gone.
    _events: OwnedQueue,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let events = OwnedQueue::new(c"usbip_event")?;
        let table = Arc::pin_init(Table::new(), GFP_KERNEL)?;
        let give_back = GiveBack(table.clone());
        let mut driver = Registration::new(module, Host::new(table, events.handle()))?;
        driver.add_file::<MatchBusId>()?;
        driver.add_file::<Rebind>()?;
        Ok(Self {
            _driver: driver,
            _give_back: give_back,
            _events: events,
        })
    }
}
