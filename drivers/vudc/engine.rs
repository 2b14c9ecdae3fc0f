// SPDX-License-Identifier: GPL-2.0

//! What the threads of a connection and the gadget driver share: one lock, and what is done without it.
//!
//! Only the sending thread of the connection moves data and calls the gadget driver back, and before there is a
//! connection who introduces the device. So requests go back in order, setup packets come one at a time, and nobody is
//! called from within a call of its own. Whoever queues something that can move wakes that thread.
//!
//! Lock order: [`Engine::state`] is taken alone; with it held nobody is called, and nothing is allocated or freed.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_gadget::{
    Device,
    Endpoint,
    EndpointConfig,
    Halt,
    Refused,
    Request,
    RequestId, //
};
use usbip_kernel::{
    errno::eshutdown,
    irqlock::SpinLockIrq,
    new_spinlock_irq,
    signal::Signal,
    time::now_ns, //
};
use usbip_logic::gadget::Feature;
use usbip_proto::{
    Direction,
    Seqnum,
    Speed,
    Status,
    TransferKind, //
};

use crate::{
    charge::{
        Account,
        Charge, //
    },
    params,
    state::{
        Presence,
        State,
        Work,
        DESCRIPTOR, //
    },
    urb::{
        Answer,
        Urb,
        UrbQueue, //
    }, //
};

/// After so many calls of the gadget driver what there is to send is sent before there are more.
const MAX_CALLS: usize = 64;

/// GET_DESCRIPTOR of the device.
const GET_DEVICE: [u8; 8] = [0x80, 6, 0, 1, 0, 0, 18, 0];

/// One device made in software.
#[pin_data]
pub(crate) struct Engine {
    device: Arc<Device>,
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    output: Signal,
}

impl Engine {
    pub(crate) fn new(device: Arc<Device>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            device,
            state <- new_spinlock_irq!(State::new()?, "vudc::state"),
            output <- Signal::new(),
        }? Error)
    }

    /// Raised when there is something to move or to send.
    pub(crate) fn output(&self) -> &Signal {
        &self.output
    }

    // What a connection does.

    /// A connection begins; says whether there is a device to be connected to.
    pub(crate) fn open(&self) -> bool {
        let mut state = self.state.lock();
        if state.presence != Presence::Seen {
            return false;
        }
        state.open = true;
        state.account = Account::new(params::max_transfer());
        true
    }

    /// The threads of the connection have ended: drops what is pending, and lets the gadget driver know. Sleeps.
    pub(crate) fn close(&self) {
        let left = self.state.lock().close();
        drop(left);
        self.drain();
        self.device.set_wakeup_armed(false);
        if let Some(callbacks) = self.device.callbacks() {
            callbacks.disconnect();
        }
        // What the driver has queued while it did not know.
        self.drain();
    }

    /// The device is as if it had just been plugged in.
    pub(crate) fn reset(&self) {
        if let Some(callbacks) = self.device.callbacks() {
            callbacks.reset();
        }
    }

    /// What the transfers of an endpoint are, if there is one of that address.
    pub(crate) fn kind(&self, number: u8, direction: Direction) -> Option<TransferKind> {
        let state = self.state.lock();
        state.find(number, direction).map(|(_, kind)| kind)
    }

    /// Counts what a transfer takes up; `None` if it is too much.
    pub(crate) fn charge_transfer(&self, bytes: usize) -> Option<Charge> {
        self.state.lock().account.take_transfer(bytes)
    }

    /// Counts what an answer without a transfer takes up; `None` if it is too much.
    pub(crate) fn charge_answer(&self, bytes: usize) -> Option<Charge> {
        self.state.lock().account.take_answer(bytes)
    }

    /// Takes back what was counted.
    pub(crate) fn refund(&self, charge: Charge) {
        self.state.lock().account.give(charge);
    }

    /// Takes a transfer that is complete.
    pub(crate) fn submit(&self, urb: KBox<Urb>) {
        let mut state = self.state.lock();
        if !state.open {
            drop(state);
            drop(urb);
            return;
        }
        let wake = state.submit(urb);
        drop(state);
        if wake {
            self.output.raise();
        }
    }

    /// Queues an answer without a transfer.
    pub(crate) fn answer(&self, urb: KBox<Urb>) {
        let mut state = self.state.lock();
        if !state.open {
            drop(state);
            drop(urb);
            return;
        }
        state.outbox.push(urb);
        drop(state);
        self.output.raise();
    }

    /// Takes a transfer back, which is then answered as its unlink; says whether there was one.
    pub(crate) fn unlink(&self, target: Seqnum, unlink: Seqnum) -> bool {
        let mut state = self.state.lock();
        let Some(mut urb) = state.unlink(target) else {
            return false;
        };
        urb.end(Status::CONNRESET);
        urb.set_answer(Answer::Unlink(unlink));
        state.outbox.push(urb);
        drop(state);
        self.output.raise();
        true
    }

    /// Moves what can move. For the sending thread only. Returns when more will.
    pub(crate) fn run(&self) -> Option<u64> {
        let mut calls = 0_usize;
        loop {
            let mut state = self.state.lock();
            if calls >= MAX_CALLS && !state.outbox.is_empty() {
                drop(state);
                // Whoever asks next goes on here.
                self.output.raise();
                return None;
            }
            calls = calls.saturating_add(1);
            if let Some(request) = state.pop_ended() {
                drop(state);
                request.give_back();
                continue;
            }
            let work = state.advance(now_ns());
            drop(state);
            match work {
                Work::More => {}
                Work::Setup(seqnum, packet) => {
                    let result = match self.device.callbacks() {
                        Some(callbacks) => callbacks.setup(&packet),
                        None => Err(eshutdown()),
                    };
                    self.state.lock().answered(seqnum, result);
                }
                Work::Addressed => {
                    if let Some(callbacks) = self.device.callbacks() {
                        callbacks.set_state(usbip_gadget::State::Addressed);
                    }
                }
                Work::Wakeup(armed) => self.device.set_wakeup_armed(armed),
                Work::Wait(time) => return time,
            }
        }
    }

    /// Takes all that is to be sent.
    pub(crate) fn take_output(&self) -> UrbQueue {
        core::mem::take(&mut self.state.lock().outbox)
    }

    // What the gadget driver does.

    /// Whether there is a device to be connected to.
    pub(crate) fn is_seen(&self) -> bool {
        self.state.lock().presence == Presence::Seen
    }

    /// The device descriptor, if a gadget driver has given it.
    pub(crate) fn descriptor(&self) -> Option<[u8; DESCRIPTOR]> {
        self.state.lock().descriptor
    }

    /// Gives all requests back. While there are threads of a connection, only they give back: what a callback of theirs
    /// takes back from the endpoints must not be on its way from somebody else.
    fn drain(&self) {
        self.state.lock().drain();
        loop {
            let ended = self.state.lock().pop_ended();
            match ended {
                Some(request) => request.give_back(),
                None => break,
            }
        }
    }

    /// Nobody connects any more.
    pub(crate) fn hide(&self) {
        let mut state = self.state.lock();
        state.presence = Presence::Hidden;
        state.descriptor = None;
        state.may_wake = false;
    }

    /// A gadget driver comes or goes. There is no connection.
    pub(crate) fn forget(&self) {
        self.hide();
        self.drain();
    }

    /// The device is to be seen, at the best speed that it has a configuration for.
    pub(crate) fn introduce(&self) {
        let mut limit = Speed::Super;
        loop {
            let speed = self.device.choose_speed(limit);
            self.ask(speed);
            let configurations = self.descriptor().map(|[.., configurations]| configurations);
            // A gadget driver may be able to do more than its functions have descriptors for, and says only here for
            // how much they have. Hosts have no use for a device without configurations.
            limit = match (configurations, speed) {
                (Some(0), Some(Speed::Super)) => Speed::High,
                (Some(0), Some(Speed::High)) => Speed::Full,
                _ => break,
            };
        }
        self.state.lock().presence = Presence::Seen;
    }

    /// Asks the gadget driver for its descriptor at a speed, which it answers by [`Self::queue`].
    fn ask(&self, speed: Option<Speed>) {
        let mut state = self.state.lock();
        state.speed = speed;
        state.presence = Presence::Introduced;
        state.descriptor = None;
        drop(state);
        if let Some(callbacks) = self.device.callbacks() {
            // If it fails, there will be no descriptor, which is what users then see.
            if callbacks.setup(&GET_DEVICE).is_err() {
                pr_err!("the gadget driver has no device descriptor\n");
            }
        }
        let mut answers = self.state.lock().drain_control();
        while let Some(answer) = answers.pop() {
            answer.consume();
        }
    }

    pub(crate) fn enable(&self, endpoint: Endpoint, config: EndpointConfig) -> Result {
        if !self.state.lock().enable(endpoint, config) {
            return Err(EINVAL);
        }
        self.output.raise();
        Ok(())
    }

    pub(crate) fn disable(&self, endpoint: Endpoint) {
        let requests = self.state.lock().disable(endpoint);
        requests.give_back();
        self.output.raise();
    }

    pub(crate) fn queue(&self, endpoint: Endpoint, request: Request) -> Result<(), Refused> {
        let mut state = self.state.lock();
        let usable = if endpoint.is_control() {
            state.presence != Presence::Hidden
        } else {
            state
                .endpoint(endpoint)
                .is_some_and(|endpoint| endpoint.config().is_some())
        };
        let wanted = endpoint.is_control() && state.presence == Presence::Introduced;
        let descriptor = if wanted { request.peek() } else { None };
        let Some(slot) = state.endpoint(endpoint).filter(|_| usable) else {
            drop(state);
            return Err(Refused {
                error: eshutdown(),
                request,
            });
        };
        slot.requests.push(request);
        if descriptor.is_some() {
            state.descriptor = descriptor;
        }
        let wake = state.wake(endpoint);
        drop(state);
        if wake {
            self.output.raise();
        }
        Ok(())
    }

    pub(crate) fn dequeue(&self, endpoint: Endpoint, request: RequestId) -> Result {
        let mut state = self.state.lock();
        let slot = state.endpoint(endpoint).ok_or(EINVAL)?;
        let found = match slot.requests.remove(request) {
            Some(mut request) => {
                request.end(Status::CONNRESET);
                Some(request)
            }
            // It keeps its result.
            None => slot.ended.remove(request),
        };
        drop(state);
        found.ok_or(EINVAL)?.give_back();
        Ok(())
    }

    pub(crate) fn set_halt(&self, endpoint: Endpoint, halt: Halt) -> Result {
        let mut state = self.state.lock();
        let slot = state.endpoint(endpoint).ok_or(EINVAL)?;
        let sends = slot
            .config()
            .is_some_and(|config| config.direction() == Direction::In);
        match halt {
            Halt::Clear => {
                slot.halted = false;
                slot.wedged = false;
            }
            Halt::Set | Halt::Wedge if sends && !slot.requests.is_empty() => return Err(EAGAIN),
            Halt::Set => slot.halted = true,
            Halt::Wedge => {
                slot.halted = true;
                slot.wedged = true;
            }
        }
        let wake = state.wake(endpoint);
        drop(state);
        if wake {
            self.output.raise();
        }
        Ok(())
    }

    /// Whether the host wants to be woken, by a configuration that can.
    pub(crate) fn is_wakeup_armed(&self) -> bool {
        let state = self.state.lock();
        state.open && state.may_wake && state.features.has(Feature::RemoteWakeup)
    }

    pub(crate) fn allow_wakeup(&self, allowed: bool) {
        self.state.lock().may_wake = allowed;
    }

    pub(crate) fn set_self_powered(&self, on: bool) {
        self.state.lock().features.set_self_powered(on);
    }
}
