// SPDX-License-Identifier: GPL-2.0

//! One controller: a hub for high speed and below, and one for SuperSpeed.

use kernel::{
    device::Device,
    prelude::*,
    sync::Arc, //
};

use usbip_core::Session;
use usbip_hcd::{
    Allocated,
    Ports, //
};
use usbip_kernel::queue::QueueHandle;
use usbip_logic::attach::Geometry;
use usbip_proto::sysfs_text::HubSpeed;

use crate::{
    hub::Hub,
    port::Port, //
};

/// A controller's hubs, and through them its ports.
pub(crate) struct Controller {
    high: Arc<Hub>,
    super_speed: Arc<Hub>,
}

impl Controller {
    /// Makes the hubs of a controller for its buses.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        id: u8,
        device: &Device,
        geometry: Geometry,
        events: &QueueHandle,
        buses: &mut Allocated<Hub>,
    ) -> Result<Arc<Self>> {
        let hub = |speed, ports: Ports<'_>| Hub::new(id, speed, device, geometry, events, ports);
        let high = hub(HubSpeed::High, buses.high())?;
        let super_speed = hub(HubSpeed::Super, buses.super_speed())?;
        Ok(Arc::new(Self { high, super_speed }, GFP_KERNEL)?)
    }

    /// The hub for high speed and below.
    pub(crate) fn high(&self) -> &Arc<Hub> {
        &self.high
    }

    /// The hub for SuperSpeed and SuperSpeed Plus.
    pub(crate) fn super_speed(&self) -> &Arc<Hub> {
        &self.super_speed
    }

    fn hubs(&self) -> [&Hub; 2] {
        [&self.high, &self.super_speed]
    }

    /// The session of a port, counted from 0.
    pub(crate) fn session(&self, hub: HubSpeed, port: u8) -> Option<&Arc<Session<Port>>> {
        match hub {
            HubSpeed::High => self.high.session(port),
            HubSpeed::Super => self.super_speed.session(port),
        }
    }

    /// How many ports have a device.
    pub(crate) fn connected(&self) -> usize {
        self.hubs().iter().map(|hub| hub.root().connected()).sum()
    }

    /// Says whether the controller answers usbcore.
    pub(crate) fn set_accessible(&self, accessible: bool) {
        for hub in self.hubs() {
            hub.root().set_accessible(accessible);
        }
    }

    /// Lets usbcore look at the hubs.
    pub(crate) fn poll(&self) {
        for hub in self.hubs() {
            hub.root().poll();
        }
    }

    /// Ends all sessions, and refuses further ones. Sleeps until nothing of them is left.
    pub(crate) fn end_sessions(&self) {
        for hub in self.hubs() {
            hub.end_sessions();
        }
    }
}
