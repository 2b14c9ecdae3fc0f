// SPDX-License-Identifier: GPL-2.0

//! The driver: which devices it binds to, and what comes and goes with a binding.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_core::{
    usbip_dbg,
    Fault,
    Session, //
};
use usbip_kernel::{
    queue::QueueHandle,
    sysfs::DeviceFiles, //
};
use usbip_usb::{
    Device,
    DeviceDriver,
    LockedDevice, //
};

use crate::{
    attrs,
    busid::Table,
    device::Stub, //
};

/// What the names of controllers of imported devices begin with: `vhci_hcd.0` and so on.
const VIRTUAL_CONTROLLER: &[u8] = b"vhci_hcd";

/// The driver.
pub(crate) struct Host {
    table: Arc<Table>,
    events: QueueHandle,
}

impl Host {
    pub(crate) fn new(table: Arc<Table>, events: QueueHandle) -> Self {
        Self { table, events }
    }

    /// The names of the devices to share.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Makes what belongs to a device that is shared.
    fn share(&self, device: &Device) -> Result<Shared> {
        let mut shared = Shared {
            session: Session::new(Stub::new(device), self.events.clone())?,
            files: DeviceFiles::new(device.as_ref()),
        };
        for file in attrs::FILES {
            if let Err(error) = shared.files.add(file, shared.session.clone()) {
                // Somebody may have used those that are there.
                shared.end();
                return Err(error);
            }
        }
        Ok(shared)
    }
}

/// A device that is shared.
pub(crate) struct Shared {
    files: DeviceFiles<Arc<Session<Stub>>>,
    session: Arc<Session<Stub>>,
}

impl Shared {
    /// Ends it. The device is locked by whoever calls this: from now on nobody waits for the lock.
    fn end(self) {
        self.session.role().leave();
        // The files go while their session still works.
        drop(self.files);
        self.session.remove();
    }
}

impl DeviceDriver for Host {
    const NAME: &'static CStr = c"usbip-host";

    type Data = Shared;

    fn probe(&self, device: &Device) -> Result<Shared> {
        let log: &kernel::device::Device = device.as_ref();
        usbip_dbg!(Device, "probe of {}\n", device.name());
        // A hub is not shared, only what hangs on it. What was imported is not shared again:
        // it could be imported from here, and so on without end.
        let shareable = !device.is_hub()
            && !device
                .controller()
                .to_bytes()
                .starts_with(VIRTUAL_CONTROLLER);
        if !shareable || !self.table.claim(device) {
            dev_info!(
                log,
                "{} is not in match_busid table... skip!\n",
                device.name()
            );
            return Err(ENODEV);
        }
        let shared = self
            .share(device)
            .inspect_err(|_| self.table.release(device))?;
        dev_info!(
            log,
            "usbip-host: register new device (bus {} dev {})\n",
            device.bus_number(),
            device.number()
        );
        Ok(shared)
    }

    fn disconnect(&self, device: &Device, shared: Shared) {
        usbip_dbg!(Device, "disconnect of {}\n", device.name());
        shared.end();
        self.table.release(device);
    }

    fn resume(&self, device: &LockedDevice<'_>, shared: &Shared) {
        // Its transfers were given back when the machine went to sleep, or it has lost its power: the peer had better
        // import it anew, once it has been reset. That frees what the controller has for its endpoints, so nobody may
        // submit to them any more.
        let stub = shared.session.role();
        stub.leave();
        shared.session.finish(Fault::Local);
        stub.stay();
        // The session has left that to whoever has the lock.
        if device.reset().is_err() {
            dev_err!(stub.log(), "lost its power and cannot be reset\n");
        }
    }
}
