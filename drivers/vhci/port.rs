// SPDX-License-Identifier: GPL-2.0

//! A port: the device that a peer exports there, and the requests to it.
//!
//! Lock order: [`Port::lock`] comes after the session's and is taken alone. All that changes while a device is
//! attached is behind it, and so is the key without which nobody changes usbcore's lists of the device's URBs.

use core::{
    fmt,
    ptr, //
};

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
    root::Root,
    transmit::Transmitter, //
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

/// A device that is attached: what there is from when the connection begins until it has been taken down.
struct Attached {
    attachment: Attachment,
    /// Whether requests are taken, which ends before the connection does.
    open: bool,
    /// usbcore's device; there is none before it begins to enumerate.
    child: Option<ARef<Child>>,
    /// Whether the device has its address.
    addressed: bool,
}

/// What changes while a device is attached.
pub(crate) struct Inner {
    /// The right to change usbcore's lists of the URBs to the device.
    key: PortKey,
    /// Nothing if the port is free.
    attached: Option<Attached>,
    /// The requests that the peer has not answered.
    pub(crate) requests: Requests,
}

impl Inner {
    /// The device, as the peer calls it; 0 if there is none.
    pub(crate) fn devid(&self) -> DevId {
        self.attached
            .as_ref()
            .map_or(DevId::default(), |attached| attached.attachment.devid)
    }

    /// The device that requests are taken for, if they are.
    fn open(&mut self) -> Option<&mut Attached> {
        self.attached.as_mut().filter(|attached| attached.open)
    }

    /// Whether requests are taken, for this device and not for one that was here before.
    pub(crate) fn takes(&self, child: &Child) -> bool {
        self.attached.as_ref().is_some_and(|attached| {
            let current = attached.child.as_deref();
            attached.open && current.is_some_and(|current| ptr::eq(current, child))
        })
    }

    /// Remembers the device that usbcore is about to enumerate, if requests are taken. What is returned is to be let go
    /// of without the lock.
    pub(crate) fn adopt(&mut self, child: ARef<Child>) -> Option<ARef<Child>> {
        match self.open() {
            Some(attached) => attached.child.replace(child),
            None => Some(child),
        }
    }

    /// Notes that the device has its address.
    pub(crate) fn set_addressed(&mut self) {
        if let Some(attached) = self.open() {
            attached.addressed = true;
        }
    }
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
                    attached: None,
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
        inner.attached = Some(Attached {
            attachment,
            open: true,
            child: None,
            addressed: false,
        });
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
        let Some(Attached {
            attachment,
            child,
            addressed,
            ..
        }) = &inner.attached
        else {
            return RowState::Empty(PortState::Null);
        };
        let busid = child
            .as_ref()
            .filter(|child| *addressed && child.is_announced())
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

    type Transmit = Transmitter;

    fn output(&self) -> &Signal {
        &self.output
    }

    fn closed(&self) {
        let device = self.root.device();
        dev_info!(device, "stop threads\n");
        dev_info!(device, "release socket\n");

        if let Some(attached) = self.lock().open() {
            attached.open = false;
        }
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
        let attached = inner.attached.take();
        let storage = inner.requests.grow(KVec::new());
        drop(inner);
        // Freed without the lock; the last reference to a device sleeps.
        drop(attached);
        drop(storage);
        Ok(())
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.number)
    }

    fn devid(&self) -> u32 {
        self.lock().devid().get()
    }
}
