// SPDX-License-Identifier: GPL-2.0

//! What the two threads of a connection and the completions of its URBs share.
//!
//! One spinlock, with interrupts off, protects all of it; see `Inner`. Under it nothing is
//! allocated or freed, and no URB is submitted, cancelled or given back. Completions hold
//! references to this: nothing in it may sleep when it is dropped.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            AtomicFlag,
            Relaxed,
            Release, //
        },
        Arc, //
    }, //
};

use usbip_core::slots;
use usbip_kernel::{
    irqlock::SpinLockIrq,
    new_spinlock_irq,
    signal::Signal, //
};
use usbip_logic::seqmap::{
    InsertError,
    SeqMap,
    Slot, //
};
use usbip_proto::Seqnum;
use usbip_usb::{
    Cancel,
    Completed,
    Spares,
    Urb,
    UrbQueue, //
};

use crate::request::{
    Answer,
    Request, //
};

/// A request that a controller has.
pub(crate) struct Pending {
    cancel: Cancel,
    /// The request to unlink this one, which is to be answered instead.
    unlink: Option<Seqnum>,
}

/// The room of the map of pending requests.
type Slots = KVec<Slot<Pending>>;

/// How many requests are cancelled together when a connection ends.
const CANCELLED_TOGETHER: usize = 64;

/// Why a request was not noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unexpected {
    /// Another one of that number is pending.
    Duplicate,
    /// There is no room for one more.
    NoRoom,
}

/// What the lock protects.
struct Inner {
    /// Whether there is a connection. If not, completed URBs are dropped.
    open: bool,
    /// The requests that controllers have.
    pending: SeqMap<Pending, Slots>,
    /// What is to be sent, in order: no request is answered after the request to unlink it.
    outbox: UrbQueue<Request>,
}

/// What the threads and completions of a connection share; it serves one after the other.
#[pin_data]
pub(crate) struct Wire {
    #[pin]
    inner: SpinLockIrq<Inner>,
    #[pin]
    output: Signal,
    /// Memory of answered requests, for those to come. Not counted: there is not much of it.
    #[pin]
    spares: Spares,
    /// Bytes of answered requests since the connection began. Only the sending thread writes it.
    released: Atomic<usize>,
    /// The driver is about to be unbound from the device.
    leaving: AtomicFlag,
}

impl Wire {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- new_spinlock_irq!(
                Inner {
                    open: false,
                    pending: SeqMap::new(KVec::new()),
                    outbox: UrbQueue::default(),
                },
                "Wire::inner"
            ),
            output <- Signal::new(),
            spares <- Spares::new(),
            released: Atomic::new(0),
            leaving: AtomicFlag::new(false),
        })
    }

    /// Memory of answered requests, for those to come.
    pub(crate) fn spares(&self) -> &Spares {
        &self.spares
    }

    /// Raised when something is put into the outbox.
    pub(crate) fn output(&self) -> &Signal {
        &self.output
    }

    /// A connection begins.
    pub(crate) fn open(&self) {
        self.released.store(0, Relaxed);
        self.inner.lock().open = true;
    }

    /// The threads of the connection have ended: stops what is under way, and drops what was to
    /// be sent. Sleeps.
    pub(crate) fn close(&self) {
        self.inner.lock().open = false;
        loop {
            let mut some = [const { None::<Cancel> }; CANCELLED_TOGETHER];
            {
                let mut inner = self.inner.lock();
                for cancel in &mut some {
                    *cancel = inner.pending.pop_any().map(|(_, pending)| pending.cancel);
                }
            }
            if some.iter().all(Option::is_none) {
                break;
            }
            // First all are asked for: a controller stops an endpoint once for many of its
            // transfers, but once for each if each is waited for.
            for cancel in some.iter().flatten() {
                cancel.unlink();
            }
            for cancel in some.into_iter().flatten() {
                cancel.kill();
            }
        }
        // Since nothing is pending any more, nothing is added to it.
        let unsent = core::mem::take(&mut self.inner.lock().outbox);
        drop(unsent);
        self.spares.clear();
    }

    /// Says whether whoever holds the lock of the device waits for this connection to end.
    pub(crate) fn set_leaving(&self, leaving: bool) {
        self.leaving.store(leaving, Release);
    }

    /// Whether whoever holds the lock of the device waits for this connection to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Acquire)
    }

    /// Notes a request that is about to be submitted.
    ///
    /// # Errors
    ///
    /// See [`Unexpected`].
    pub(crate) fn expect(&self, seqnum: Seqnum, cancel: Cancel) -> Result<(), Unexpected> {
        let mut pending = Pending {
            cancel,
            unlink: None,
        };
        loop {
            let mut inner = self.inner.lock();
            let inserted = inner.pending.insert_near(seqnum, pending);
            let wanted = inner.pending.needs_room(1);
            // What was refused is dropped without the lock.
            drop(inner);
            pending = match inserted {
                Ok(()) => return Ok(()),
                Err(InsertError::Duplicate(_)) => return Err(Unexpected::Duplicate),
                Err(InsertError::Crowded(_)) => return Err(Unexpected::NoRoom),
                Err(InsertError::Full(refused)) => refused,
            };
            let wanted = wanted.ok_or(Unexpected::NoRoom)?;
            let room = slots(wanted, GFP_KERNEL).map_err(|_| Unexpected::NoRoom)?;
            let old = self.inner.lock().pending.grow(room);
            drop(old);
        }
    }

    /// Takes back what [`Self::expect`] noted: the request was not submitted.
    pub(crate) fn forget(&self, seqnum: Seqnum) {
        let entry = self.inner.lock().pending.remove(seqnum);
        drop(entry);
    }

    /// Finds a request to unlink it: it is from now on answered as `unlink`.
    ///
    /// `None` if it is not pending, or being unlinked already.
    pub(crate) fn unlink(&self, target: Seqnum, unlink: Seqnum) -> Option<Cancel> {
        let mut inner = self.inner.lock();
        let pending = inner.pending.get_mut(target)?;
        if pending.unlink.is_some() {
            return None;
        }
        pending.unlink = Some(unlink);
        Some(pending.cancel.clone())
    }

    /// A controller gave a request back. Atomic context.
    pub(crate) fn completed(&self, mut urb: Urb<Completed, Request>) {
        let seqnum = urb.context().seqnum();
        let mut inner = self.inner.lock();
        let entry = inner.pending.remove(seqnum);
        if !inner.open {
            drop(inner);
            return;
        }
        if let Some(unlink) = entry.as_ref().and_then(|pending| pending.unlink) {
            urb.context_mut().set_answer(Answer::Unlink(unlink));
        }
        inner.outbox.push(urb);
        drop(inner);
        drop(entry);
        self.output.raise();
    }

    /// Queues the answer to a request that was not submitted.
    pub(crate) fn answer(&self, urb: Urb<Completed, Request>) {
        let mut inner = self.inner.lock();
        if !inner.open {
            drop(inner);
            return;
        }
        inner.outbox.push(urb);
        drop(inner);
        self.output.raise();
    }

    /// Takes all that is to be sent.
    pub(crate) fn take_output(&self) -> UrbQueue<Request> {
        core::mem::take(&mut self.inner.lock().outbox)
    }

    /// Bytes of answered requests since the connection began, modulo the size of the counter.
    pub(crate) fn released(&self) -> usize {
        self.released.load(Acquire)
    }

    /// Requests of so many bytes have been answered, and are gone. For the sending thread only.
    pub(crate) fn release(&self, bytes: usize) {
        let released = self.released.load(Relaxed).wrapping_add(bytes);
        self.released.store(released, Release);
    }
}

/// A reference that a request holds until it is completed.
pub(crate) type WireRef = Arc<Wire>;
