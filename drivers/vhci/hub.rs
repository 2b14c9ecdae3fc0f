// SPDX-License-Identifier: GPL-2.0

//! One bus of a controller: its root hub, and the sessions of its ports. Where usbcore's calls arrive.

use kernel::{
    device::Device,
    prelude::*,
    sync::Arc, //
};

use usbip_core::Session;
use usbip_hcd::{
    HubRequest,
    NewUrb,
    Outcome,
    Ports,
    RootHub,
    Unlinking, //
};
use usbip_kernel::{
    nospec,
    queue::QueueHandle, //
};
use usbip_logic::attach::{
    Geometry,
    Place, //
};
use usbip_proto::sysfs_text::HubSpeed;

use crate::{
    dequeue,
    driver,
    enqueue,
    port::Port,
    root::Root, //
};

/// A root hub with its ports.
pub(crate) struct Hub {
    root: Arc<Root>,
    ports: KVec<Arc<Session<Port>>>,
}

impl Hub {
    /// Makes a hub without devices.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        controller: u8,
        speed: HubSpeed,
        device: &Device,
        geometry: Geometry,
        events: &QueueHandle,
        keys: Ports<'_>,
    ) -> Result<Arc<Self>> {
        let root = Root::new(keys.bus(), device, speed, geometry)?;
        let mut ports = KVec::with_capacity(usize::from(geometry.ports()), GFP_KERNEL)?;
        for (port, key) in (0..geometry.ports()).zip(keys) {
            let place = Place {
                controller,
                hub: speed,
                port,
            };
            let role = Port::new(place, place.number(geometry), root.clone(), key);
            ports.push(Session::new(role, events.clone())?, GFP_KERNEL)?;
        }
        Ok(Arc::new(Self { root, ports }, GFP_KERNEL)?)
    }

    /// The root hub.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// The session of a port, counted from 0.
    pub(crate) fn session(&self, port: u8) -> Option<&Arc<Session<Port>>> {
        nospec::get(&self.ports, port.into())
    }

    /// The session of the port of an URB, as usbcore counts them: from 1.
    fn numbered(&self, number: Option<u8>) -> Option<&Session<Port>> {
        let session = self.ports.get(usize::from(number?.checked_sub(1)?))?;
        Some(session)
    }

    /// Ends all sessions, and refuses further ones.
    pub(crate) fn end_sessions(&self) {
        for session in &self.ports {
            session.remove();
        }
    }
}

impl RootHub for Hub {
    const DESCRIPTION: &'static CStr = driver::NAME;
    const PRODUCT: &'static CStr = c"USB/IP Virtual Host Controller";

    fn enqueue<'a>(&self, urb: NewUrb<'a>) -> Outcome<'a> {
        // A device behind a hub that is itself imported has no number of its own in the protocol.
        match self.numbered(urb.port()) {
            Some(session) => enqueue::enqueue(session, urb),
            None => urb.refuse(ENODEV),
        }
    }

    fn dequeue(&self, urb: Unlinking<'_>) -> Result {
        match self.numbered(urb.port()) {
            Some(session) => dequeue::dequeue(session.role(), urb),
            None => Err(urb.not_queued()),
        }
    }

    fn changes(&self, bitmap: &mut [u8]) -> usize {
        self.root.changes(bitmap)
    }

    fn control(&self, request: HubRequest, data: &mut [u8]) -> Result<usize> {
        self.root.control(request, data)
    }
}
