// SPDX-License-Identifier: GPL-2.0

//! usbip-vudc: device controllers whose host is another machine.
//!
//! A gadget driver makes a device in software; user space hands the controller that it is bound to a socket, and the
//! machine at the other end uses the device. Transfers and the gadget driver's requests meet in an [`Engine`].
//!
//! [`Engine`]: crate::engine::Engine

#![crate_name = "usbip_vudc"]
#![forbid(unsafe_code)]

mod alarm;
mod charge;
mod driver;
mod engine;
mod files;
mod params;
mod receive;
mod role;
mod state;
mod transmit;
mod urb;

use kernel::prelude::*;

use usbip_kernel::{
    platform::{
        OwnedDevice,
        Registration, //
    },
    queue::OwnedQueue, //
};

use crate::driver::Vudc;

module! {
    type: Module,
    name: "usbip_vudc",
    authors: ["The USB/IP in Rust authors"],
    description: "USB over IP Device Controller",
    license: "GPL",
}

usbip_kernel::modinfo! {
    "version" = "0.1.0",
}

/// What the module owns. The order is that in which it is given up: first the devices, which end all sessions, then
/// the driver, and the queue that took the sessions down last.
struct Module {
    _devices: KVec<OwnedDevice>,
    _driver: Pin<KBox<Registration<Vudc>>>,
    _events: OwnedQueue,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        if usbip_usb::is_disabled() {
            return Err(ENODEV);
        }
        let controllers = params::controllers();
        let events = OwnedQueue::new(c"usbip_event")?;
        let vudc = Vudc::new(controllers, events.handle());
        let driver = KBox::pin_init(Registration::new(vudc, module), GFP_KERNEL)?;
        let mut devices = KVec::new();
        for id in 0..controllers {
            let device = OwnedDevice::new_reaching_all_memory(driver::NAME, id.try_into()?)?;
            devices.push(device, GFP_KERNEL)?;
            // The driver core keeps it to itself when a probe fails.
            if !driver.data().is_running(id) {
                return Err(EINVAL);
            }
        }
        Ok(Self {
            _devices: devices,
            _driver: driver,
            _events: events,
        })
    }
}
