// SPDX-License-Identifier: GPL-2.0

//! A port: the device that a peer exports there, and the requests to it.
//!
//! Lock order: [`Port::lock`] comes after the session's and is taken alone. All that changes while a device is
//! attached is behind it, and so is the key without which nobody changes usbcore's lists of the device's URBs.

use core::fmt;

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use usbip_core::{
    usbip_dbg,
    Role, //
};
use usbip_hcd::{
    Child,
    Keyed,
    PortKey, //
};
use usbip_kernel::{
    irqlock::{
        SpinLockIrq,
        SpinLockIrqGuard, //
    },
    new_spinlock_irq,
    signal::Signal,
    trace, //
};
use usbip_logic::attach::Place;
use usbip_proto::{
    sysfs_text::{
        BusId,
        PortState,
        RowState, //
    },
    DevId,
    Speed,
    Status, //
};

use crate::{
    requests::Requests,
    root::Root, //
};

/// What `attach` said about a device.
#[derive(Clone, Copy)]
pub(crate) struct Attachment {
    /// The device, as the peer calls it.
    pub(crate) devid: DevId,
    /// Its speed.
    pub(crate) speed: Speed,
    /// The socket, as the process that attached it called it.
    pub(crate) sockfd: u32,
}

/// What changes while a device is attached.
pub(crate) struct Inner {
    /// The right to change usbcore's lists of the URBs to the device.
    key: PortKey,
    /// What is attached; nothing if the port is free.
    pub(crate) attachment: Option<Attachment>,
    /// Whether requests are taken: from attaching until the connection is taken down.
    pub(crate) open: bool,
    /// usbcore's device; there is none before it begins to enumerate.
    pub(crate) child: Option<ARef<Child>>,
    /// Whether the device has its address.
    pub(crate) addressed: bool,
    /// The requests that the peer has not answered.
    pub(crate) requests: Requests,
}

impl Keyed for Inner {
    fn key(&mut self) -> &mut PortKey {
        &mut self.key
    }
}

/// A port of a root hub.
#[pin_data]
pub(crate) struct Port {
    place: Place,
    number: u32,
    root: Arc<Root>,
    #[pin]
    output: Signal,
    #[pin]
    inner: SpinLockIrq<Inner>,
}

impl Port {
    /// Makes a free port; `number` counts over all controllers.
    pub(crate) fn new(
        place: Place,
        number: u32,
        root: Arc<Root>,
        key: PortKey,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            place,
            number,
            root,
            output <- Signal::new(),
            inner <- new_spinlock_irq!(
                Inner {
                    key,
                    attachment: None,
                    open: false,
                    child: None,
                    addressed: false,
                    requests: Requests::new(KVec::new()),
                },
                "vhci::Port"
            ),
        })
    }

    /// Locks the port.
    pub(crate) fn lock(&self) -> SpinLockIrqGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Where the port is.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The root hub that it belongs to.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Lets the sending thread know that there is something to send. Any context.
    pub(crate) fn wake(&self) {
        self.output.raise();
    }

    /// Takes a device: what is done at the moment in which the connection begins.
    pub(crate) fn plug(&self, attachment: Attachment) {
        let mut inner = self.lock();
        inner.attachment = Some(attachment);
        inner.open = true;
        inner.requests.restart();
        drop(inner);
        usbip_dbg!(Device, "port {}: plugged in\n", self.number);
        self.root.connect(self.place.port, attachment.speed);
    }

    /// The port's row in the table of its controller.
    ///
    /// A device that cannot be looked up yet or any more is not named: the tools would fail on it.
    pub(crate) fn row(&self) -> RowState {
        let inner = self.lock();
        let Some(attachment) = inner.attachment else {
            return RowState::Empty(PortState::Null);
        };
        let busid = inner
            .child
            .as_ref()
            .filter(|child| inner.addressed && child.is_announced())
            .and_then(|child| BusId::new(child.name().to_bytes()));
        match busid {
            Some(busid) => RowState::Used {
                speed: attachment.speed,
                devid: attachment.devid,
                sockfd: attachment.sockfd,
                busid,
            },
            None => RowState::Empty(PortState::NotAssigned),
        }
    }
}

impl Role for Port {
    const RX: &'static CStr = c"vhci_rx";
    const TX: &'static CStr = c"vhci_tx";
    const TRACE: trace::Role = trace::Role::Vhci;

    fn output(&self) -> &Signal {
        &self.output
    }

    fn closed(&self) {
        let device = self.root.device();
        dev_info!(device, "stop threads\n");
        dev_info!(device, "release socket\n");

        self.lock().open = false;
        // Before the transfers come back: their drivers are not to reset a device that still looks attached.
        self.root.disconnect(self.place.port);
        loop {
            let mut inner = self.lock();
            let Some(urb) = inner.requests.take_any() else {
                break;
            };
            let urb = urb.detach(&mut inner);
            drop(inner);
            // As usbcore gives them back that flushes the endpoints of a device that is gone.
            urb.give_back(Status::SHUTDOWN);
        }
        usbip_dbg!(Device, "port {}: pulled out\n", self.number);
        dev_info!(device, "disconnect device\n");
    }

    fn reset(&self) -> Result {
        let mut inner = self.lock();
        inner.attachment = None;
        inner.addressed = false;
        let child = inner.child.take();
        let storage = inner.requests.grow(KVec::new());
        drop(inner);
        // Freed without the lock; the last reference to a device sleeps.
        drop(child);
        drop(storage);
        Ok(())
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.number)
    }

    fn devid(&self) -> u32 {
        self.lock().attachment.map_or(0, |a| a.devid.get())
    }
}
