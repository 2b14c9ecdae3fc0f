// SPDX-License-Identifier: GPL-2.0

//! A device made in software, as the role that it plays in its session, and as the controller that gadget drivers
//! see.

use kernel::{
    device,
    fmt,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use usbip_core::{
    Fault,
    Role,
    Session, //
};
use usbip_gadget::{
    Controller,
    Endpoint,
    EndpointConfig,
    Halt,
    Refused,
    Request,
    RequestId, //
};
use usbip_kernel::{
    signal::Signal,
    time::now_ms,
    trace, //
};

use crate::{
    engine::Engine,
    transmit::Outgoing, //
};

/// The bits of a frame's number (USB 2.0 section 8.3.3).
const FRAME: u64 = 0x7ff;

/// The device, as its session sees it.
pub(crate) struct Gadget {
    device: ARef<device::Device>,
    engine: Arc<Engine>,
}

impl Gadget {
    pub(crate) fn new(device: &device::Device, engine: Arc<Engine>) -> Self {
        Self {
            device: device.into(),
            engine,
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The device that messages are about.
    pub(crate) fn log(&self) -> &device::Device {
        &self.device
    }
}

impl Role for Gadget {
    const RX: &'static CStr = c"vudc_rx";
    const TX: &'static CStr = c"vudc_tx";
    const TRACE: trace::Role = trace::Role::Vudc;

    type Transmit = Outgoing;

    fn output(&self) -> &Signal {
        self.engine.output()
    }

    fn closed(&self) {
        self.engine.close();
    }

    fn reset(&self) -> Result {
        self.engine.reset();
        Ok(())
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.device.name(), f)
    }

    /// It is on no bus.
    fn devid(&self) -> u32 {
        0
    }
}

/// The device, as gadget drivers see it.
pub(crate) struct Port {
    session: Arc<Session<Gadget>>,
    engine: Arc<Engine>,
}

impl Port {
    pub(crate) fn new(session: Arc<Session<Gadget>>) -> Self {
        let engine = session.role().engine().clone();
        Self { session, engine }
    }
}

impl Controller for Port {
    fn enable(&self, endpoint: Endpoint, config: EndpointConfig) -> Result {
        self.engine.enable(endpoint, config)
    }

    fn disable(&self, endpoint: Endpoint) {
        self.engine.disable(endpoint);
    }

    fn queue(&self, endpoint: Endpoint, request: Request) -> Result<(), Refused> {
        self.engine.queue(endpoint, request)
    }

    fn dequeue(&self, endpoint: Endpoint, request: RequestId) -> Result {
        self.engine.dequeue(endpoint, request)
    }

    fn set_halt(&self, endpoint: Endpoint, halt: Halt) -> Result {
        self.engine.set_halt(endpoint, halt)
    }

    fn frame(&self) -> u16 {
        u16::try_from(now_ms() & FRAME).unwrap_or(0)
    }

    /// The host is never asleep: what the device sends then reaches it at once. It is only asked whether it minds.
    fn wakeup(&self) -> Result {
        if self.engine.is_wakeup_armed() {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    fn allow_wakeup(&self, allowed: bool) {
        self.engine.allow_wakeup(allowed);
    }

    fn set_self_powered(&self, on: bool) {
        self.engine.set_self_powered(on);
    }

    fn start(&self) {
        self.engine.forget();
    }

    fn stop(&self) {
        self.engine.forget();
    }

    fn pull_up(&self) {
        self.engine.introduce();
    }

    fn pull_down(&self) {
        // First nobody connects any more, then whoever is connected leaves, with what the connection gives back.
        self.engine.hide();
        self.session.finish(Fault::Local);
        self.engine.forget();
    }
}
