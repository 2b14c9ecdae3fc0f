// SPDX-License-Identifier: GPL-2.0

//! The platform driver: a controller for each device, its files, and system suspend.
//!
//! It must never do more for one device than hand it to the fleet: what a controller is, is said elsewhere.

use kernel::{
    device,
    prelude::*,
    sync::Arc, //
};

use usbip_kernel::platform::{
    self,
    Device, //
};

use crate::{
    controller::Controller,
    files,
    fleet::Fleet, //
};

/// The name of the driver, of its devices before the dot, and in the paths of all devices behind them.
pub(crate) const NAME: &CStr = c"vhci_hcd";

/// The driver of all controllers.
pub(crate) struct Vhci {
    fleet: Arc<Fleet>,
}

impl Vhci {
    pub(crate) fn new(fleet: Arc<Fleet>) -> Self {
        Self { fleet }
    }

    fn controller(&self, device: &Device) -> Option<Arc<Controller>> {
        self.fleet.controller(u8::try_from(device.id()).ok()?)
    }
}

impl platform::Driver for Vhci {
    const NAME: &'static CStr = NAME;

    fn probe(&self, device: &Device) -> Result {
        let id = u8::try_from(device.id())?;
        let device: &device::Device = device.as_ref();
        self.fleet.add(id, device)?;
        if id == 0 {
            files::create(&self.fleet, device).inspect_err(|_| self.fleet.remove(id))?;
            dev_info!(device, "created sysfs {}\n", device.name());
        }
        Ok(())
    }

    fn remove(&self, device: &Device) {
        let Ok(id) = u8::try_from(device.id()) else {
            return;
        };
        if id == 0 {
            // The files first: a reader then waits for nothing that is going away.
            self.fleet.remove_files();
        }
        self.fleet.remove(id);
    }

    /// The devices behind a controller are to notice nothing when it refuses: once its root hubs sleep, a driver that
    /// submits a transfer again is refused for good.
    fn prepare(&self, device: &Device) -> Result {
        match self.controller(device) {
            Some(controller) => may_suspend(&controller, device.as_ref()),
            None => Ok(()),
        }
    }

    fn suspend(&self, device: &Device) -> Result {
        let Some(controller) = self.controller(device) else {
            return Ok(());
        };
        let device: &device::Device = device.as_ref();
        // Threads of the kernel may have attached a device meanwhile.
        may_suspend(&controller, device)?;
        dev_info!(device, "suspend vhci_hcd\n");
        controller.set_accessible(false);
        Ok(())
    }

    fn resume(&self, device: &Device) -> Result {
        if let Some(controller) = self.controller(device) {
            controller.set_accessible(true);
            controller.poll();
        }
        Ok(())
    }
}

/// Whether a controller may be suspended: only while it has no connections, which would not survive it.
///
/// # Errors
///
/// `EBUSY`.
fn may_suspend(controller: &Controller, device: &device::Device) -> Result {
    let connected = controller.connected();
    if connected == 0 {
        return Ok(());
    }
    let plural = if connected == 1 { "" } else { "s" };
    dev_info!(
        device,
        "We have {} active connection{}. Do not suspend.\n",
        connected,
        plural
    );
    Err(EBUSY)
}
