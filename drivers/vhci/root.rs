// SPDX-License-Identifier: GPL-2.0

//! The emulated root hub of one bus: what its ports look like to usbcore.
//!
//! Lock order: the hub's lock is taken alone. usbcore is told of changes without it.

use kernel::{
    device::Device,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use usbip_core::usbip_dbg;
use usbip_hcd::{
    Bus,
    HubRequest, //
};
use usbip_kernel::{
    irqlock::SpinLockIrq,
    new_spinlock_irq,
    time::now_ms, //
};
use usbip_logic::{
    attach::Geometry,
    roothub, //
};
use usbip_proto::{
    sysfs_text::HubSpeed,
    Speed, //
};

/// A root hub.
#[pin_data]
pub(crate) struct Root {
    bus: Bus,
    device: ARef<Device>,
    #[pin]
    hub: SpinLockIrq<roothub::Hub>,
}

impl Root {
    /// Makes a hub without devices.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        bus: &Bus,
        device: &Device,
        speed: HubSpeed,
        geometry: Geometry,
    ) -> Result<Arc<Self>> {
        let hub = roothub::Hub::new(speed, geometry);
        Arc::pin_init(
            pin_init!(Self {
                bus: bus.clone(),
                device: device.into(),
                hub <- new_spinlock_irq!(hub, "vhci::Root"),
            }),
            GFP_KERNEL,
        )
    }

    /// The controller's device, for messages.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Plugs a device in.
    pub(crate) fn connect(&self, port: u8, speed: Speed) {
        self.hub.lock().connect(port, speed);
        self.bus.poll();
    }

    /// Unplugs a device.
    pub(crate) fn disconnect(&self, port: u8) {
        self.hub.lock().disconnect(port);
        self.bus.poll();
    }

    /// How many ports have a device.
    pub(crate) fn connected(&self) -> usize {
        self.hub.lock().connected()
    }

    /// Says whether the hub answers usbcore.
    pub(crate) fn set_accessible(&self, accessible: bool) {
        self.bus.set_accessible(accessible);
    }

    /// Lets usbcore look for changes.
    pub(crate) fn poll(&self) {
        self.bus.poll();
    }

    /// Marks the ports that have changed, see [`usbip_hcd::RootHub::changes`].
    pub(crate) fn changes(&self, bitmap: &mut [u8]) -> usize {
        self.hub.lock().status_bits(bitmap)
    }

    /// Answers a request of usbcore's.
    ///
    /// # Errors
    ///
    /// `EPIPE` if the hub does not know it.
    pub(crate) fn control(&self, request: HubRequest, data: &mut [u8]) -> Result<usize> {
        let wanted = usize::from(request.length).min(data.len());
        let data = data.get_mut(..wanted).unwrap_or_default();
        let request =
            roothub::HubRequest::decode(request.type_and_request, request.value, request.index);
        usbip_dbg!(RootHub, "{}: {:?}\n", self.device.name(), request);
        let now = now_ms();
        let answer = self.hub.lock().control(request, now, data);
        match answer {
            Ok(answer) => {
                if answer.poll {
                    self.bus.poll();
                }
                Ok(answer.len)
            }
            Err(roothub::Stall) => {
                usbip_dbg!(RootHub, "{}: stall\n", self.device.name());
                Err(EPIPE)
            }
        }
    }
}
