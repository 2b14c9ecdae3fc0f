// SPDX-License-Identifier: GPL-2.0

//! A shared device, as the role that it plays in its session.

use kernel::{
    device,
    fmt,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use usbip_core::Role;
use usbip_kernel::{
    signal::Signal,
    trace, //
};
use usbip_proto::DevId;
use usbip_usb::Device;

use crate::{
    transmit::Outgoing,
    wire::Wire, //
};

/// A shared device.
pub(crate) struct Stub {
    device: ARef<Device>,
    /// By what the peer calls the device; as it was when the device was bound.
    id: DevId,
    wire: Arc<Wire>,
}

impl Stub {
    pub(crate) fn new(device: &Device) -> Result<Self> {
        Ok(Self {
            device: device.into(),
            id: DevId::new(device.bus_number(), device.number()),
            wire: Arc::pin_init(Wire::new(), GFP_KERNEL)?,
        })
    }

    pub(crate) fn device(&self) -> &ARef<Device> {
        &self.device
    }

    pub(crate) fn id(&self) -> DevId {
        self.id
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// The device that messages are about.
    pub(crate) fn log(&self) -> &device::Device {
        (*self.device).as_ref()
    }

    /// Whoever calls this has locked the device, and waits for the connection to end before that changes.
    pub(crate) fn leave(&self) {
        self.wire.set_leaving(true);
    }

    /// The device is not unbound, after all, and may be connected to again.
    pub(crate) fn stay(&self) {
        self.wire.set_leaving(false);
    }
}

impl Role for Stub {
    const RX: &'static CStr = c"stub_rx";
    const TX: &'static CStr = c"stub_tx";
    const TRACE: trace::Role = trace::Role::Host;

    type Transmit = Outgoing;

    fn output(&self) -> &Signal {
        self.wire.output()
    }

    fn closed(&self) {
        self.wire.close();
    }

    /// Resets the device, so that nothing of one peer is left to the next.
    fn reset(&self) -> Result {
        let Some(locked) = self.device.try_lock_until(|| self.wire.is_leaving()) else {
            // Whoever gets the device next resets it, if it is still there.
            return if self.wire.is_leaving() {
                Ok(())
            } else {
                Err(ENODEV)
            };
        };
        if !locked.is_awake() {
            // It would be taken for unplugged. The driver's `resume` resets it.
            locked.reset_when_awake();
            return Ok(());
        }
        locked
            .reset()
            .inspect(|()| dev_info!(self.log(), "device reset\n"))
            .inspect_err(|_| dev_err!(self.log(), "device reset\n"))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.device.name(), f)
    }

    fn devid(&self) -> u32 {
        self.id.get()
    }
}
