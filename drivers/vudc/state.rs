// SPDX-License-Identifier: GPL-2.0

//! The endpoints of a device, with the transfers of the host and the requests of the gadget driver that wait there.
//!
//! All of this happens under the engine's lock, so that nothing here calls anybody: what is to be done without the
//! lock is handed out as [`Work`].

mod advance;
mod control;

use kernel::prelude::*;

use usbip_gadget::{
    Endpoint,
    EndpointConfig,
    Request,
    RequestQueue,
    ENDPOINTS, //
};
use usbip_logic::gadget::{
    interval_ns,
    Features,
    Pace,
    Turns, //
};
use usbip_proto::{
    Direction,
    Seqnum,
    Speed,
    Status,
    TransferKind, //
};

use crate::{
    charge::Account,
    urb::{
        Stage,
        Urb,
        UrbQueue, //
    }, //
};

/// The bytes of a device descriptor (USB 2.0 table 9-8).
pub(crate) const DESCRIPTOR: usize = 18;

/// What is to be done without the lock.
pub(crate) enum Work {
    /// What has ended is to be given back first, or others want the lock: ask again.
    More,
    /// Pass a setup packet to the gadget driver; the transfer with that number waits.
    Setup(Seqnum, [u8; 8]),
    /// Let users know that the device has got an address.
    Addressed,
    /// Let gadget drivers know whether the host wants to be woken.
    Wakeup(bool),
    /// Nothing, until that time if there is one.
    Wait(Option<u64>),
}

/// Whether there is a device to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// There is none, or it does not want to be seen.
    Hidden,
    /// Its gadget driver is being asked for the device descriptor. Nobody connects yet: the answer would meet that to
    /// the peer.
    Introduced,
    /// There is, and it may be connected to.
    Seen,
}

/// How an endpoint is set up; the control endpoint never is.
#[derive(Clone, Copy)]
enum Setup {
    None,
    Enabled(EndpointConfig),
    /// It was. What the host goes on to queue is held as what it had queued: network functions disable an endpoint only
    /// to get their requests back, and enable it again at once.
    Disabled(EndpointConfig),
}

/// One endpoint.
pub(crate) struct EndpointState {
    setup: Setup,
    /// The time between two isochronous packets.
    period: u64,
    pub(crate) halted: bool,
    /// The host cannot end the halt.
    pub(crate) wedged: bool,
    /// What the gadget driver has queued.
    pub(crate) requests: RequestQueue,
    /// What has ended, with its result noted, and is to be given back.
    pub(crate) ended: RequestQueue,
    /// What the host has queued, all of the kind for which the endpoint is set up, or was.
    pub(crate) urbs: UrbQueue,
    /// When what the host has queued is lost; `None` as long as nobody has looked since the endpoint was disabled.
    lost_at: Option<u64>,
    pace: Pace,
}

impl EndpointState {
    const fn new() -> Self {
        Self {
            setup: Setup::None,
            period: 0,
            halted: false,
            wedged: false,
            requests: RequestQueue::new(),
            ended: RequestQueue::new(),
            urbs: UrbQueue::new(),
            lost_at: None,
            pace: Pace::new(),
        }
    }

    /// How it is set up.
    pub(crate) fn config(&self) -> Option<EndpointConfig> {
        match self.setup {
            Setup::Enabled(config) => Some(config),
            _ => None,
        }
    }

    /// How it is set up, or was before it was disabled.
    fn known(&self) -> Option<EndpointConfig> {
        match self.setup {
            Setup::Enabled(config) | Setup::Disabled(config) => Some(config),
            Setup::None => None,
        }
    }

    /// The first request has ended.
    fn retire(&mut self) {
        if let Some(request) = self.requests.pop() {
            self.ended.push(request);
        }
    }
}

/// What the engine's lock protects.
pub(crate) struct State {
    /// Whether there is a connection.
    pub(crate) open: bool,
    pub(crate) presence: Presence,
    pub(crate) descriptor: Option<[u8; DESCRIPTOR]>,
    pub(crate) speed: Option<Speed>,
    pub(crate) features: Features,
    /// Whether the gadget driver's configuration can wake the host.
    pub(crate) may_wake: bool,
    pub(crate) endpoints: KVec<EndpointState>,
    /// Which endpoint has an address; see [`slot_of`].
    addresses: [Option<Endpoint>; 32],
    /// The endpoints where something may move.
    turns: Turns,
    /// The endpoints where requests have ended.
    ended: Turns,
    /// What is to be sent, in order.
    pub(crate) outbox: UrbQueue,
    /// What the requests of the connection may still take up.
    pub(crate) account: Account,
}

/// Where an address stands in the table of addresses.
fn slot_of(number: u8, direction: Direction) -> usize {
    let number = usize::from(number & 0x0f).saturating_mul(2);
    number.saturating_add(usize::from(direction.is_in()))
}

/// Whether a transfer is for an endpoint that is set up like that.
fn is_for(urb: &Urb, config: &EndpointConfig) -> bool {
    slot_of(urb.endpoint(), urb.direction()) == slot_of(config.address, config.direction())
        && urb.kind() == config.kind
}

impl State {
    pub(crate) fn new() -> Result<Self> {
        let mut endpoints = KVec::with_capacity(ENDPOINTS, GFP_KERNEL)?;
        for _ in 0..ENDPOINTS {
            endpoints.push(EndpointState::new(), GFP_KERNEL)?;
        }
        Ok(Self {
            open: false,
            presence: Presence::Hidden,
            descriptor: None,
            speed: None,
            features: Features::NONE,
            may_wake: false,
            endpoints,
            addresses: [None; 32],
            turns: Turns::new(),
            ended: Turns::new(),
            outbox: UrbQueue::new(),
            account: Account::CLOSED,
        })
    }

    fn is_super_speed(&self) -> bool {
        self.speed.is_some_and(Speed::is_super)
    }

    pub(crate) fn endpoint(&mut self, endpoint: Endpoint) -> Option<&mut EndpointState> {
        self.endpoints.get_mut(endpoint.index())
    }

    /// Something may move on an endpoint; says whether somebody has to look.
    pub(crate) fn wake(&mut self, endpoint: Endpoint) -> bool {
        let waiting = self
            .endpoint(endpoint)
            .is_some_and(|state| !state.urbs.is_empty());
        if waiting {
            self.turns.insert(endpoint.index());
        }
        waiting
    }

    /// The endpoint that has that address, or had it last, and what its transfers are.
    pub(crate) fn find(
        &self,
        number: u8,
        direction: Direction,
    ) -> Option<(Endpoint, TransferKind)> {
        if number == 0 {
            return Some((Endpoint::CONTROL, TransferKind::Control));
        }
        let endpoint = (*self.addresses.get(slot_of(number, direction))?)?;
        let config = self.endpoints.get(endpoint.index())?.known()?;
        Some((endpoint, config.kind))
    }

    /// Sets an endpoint up; says whether it was not yet. Somebody has to look then: what the host had queued before goes
    /// on if it is for such an endpoint, and else is lost.
    pub(crate) fn enable(&mut self, endpoint: Endpoint, config: EndpointConfig) -> bool {
        let full_speed = self.speed == Some(Speed::Full);
        let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
            return false;
        };
        if state.config().is_some() {
            return false;
        }
        if let Some(old) = state.known() {
            let slot = slot_of(old.address, old.direction());
            if let Some(slot) = self.addresses.get_mut(slot) {
                slot.take_if(|other| *other == endpoint);
            }
        }
        state.setup = Setup::Enabled(config);
        state.period = interval_ns(config.interval, full_speed);
        state.halted = false;
        state.wedged = false;
        state.lost_at = None;
        state.pace = Pace::new();
        if state.urbs.front().is_some_and(|urb| !is_for(urb, &config)) {
            advance::lose(&mut self.outbox, &mut state.urbs);
        }
        if let Some(slot) = self
            .addresses
            .get_mut(slot_of(config.address, config.direction()))
        {
            *slot = Some(endpoint);
        }
        self.wake(endpoint);
        true
    }

    /// Undoes [`Self::enable`]; returns the requests that are to be given back. What the host has queued stays for a
    /// while.
    pub(crate) fn disable(&mut self, endpoint: Endpoint) -> RequestQueue {
        let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
            return RequestQueue::new();
        };
        if let Some(config) = state.config() {
            state.setup = Setup::Disabled(config);
        }
        // Also what has ended, but is on its way back yet, counts as shut down: gadget drivers disable endpoints with
        // locks held that their completions take for success only.
        let mut all = RequestQueue::new();
        while let Some(mut request) = state.ended.pop() {
            request.end(Status::SHUTDOWN);
            all.push(request);
        }
        while let Some(request) = state.requests.pop() {
            all.push(request);
        }
        self.wake(endpoint);
        all
    }

    /// Takes a request out that is to be given back. One at a time: whoever disables the endpoint meanwhile, or takes
    /// a request back, must find the others here.
    pub(crate) fn pop_ended(&mut self) -> Option<Request> {
        while let Some(index) = self.ended.next() {
            let state = self.endpoints.get_mut(index);
            if let Some(request) = state.and_then(|state| state.ended.pop()) {
                return Some(request);
            }
            self.ended.remove(index);
        }
        None
    }

    /// Takes a transfer that is complete; says whether somebody has to look.
    pub(crate) fn submit(&mut self, mut urb: KBox<Urb>) -> bool {
        let found = self.find(urb.endpoint(), urb.direction());
        match found {
            Some((endpoint, kind)) if kind == urb.kind() => {
                urb.complete();
                let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
                    return false;
                };
                let worth = kind == TransferKind::Control
                    || kind == TransferKind::Isochronous
                    || state.halted
                    || state.config().is_none()
                    || !state.requests.is_empty();
                state.urbs.push(urb);
                if worth {
                    self.turns.insert(endpoint.index());
                }
                worth
            }
            _ => {
                urb.complete();
                urb.end(Status::PIPE);
                self.outbox.push(urb);
                true
            }
        }
    }

    /// Takes a transfer back that has not ended. Somebody has to look then: those behind it go on.
    pub(crate) fn unlink(&mut self, target: Seqnum) -> Option<KBox<Urb>> {
        for endpoint in Endpoint::all() {
            let Some(state) = self.endpoint(endpoint) else {
                continue;
            };
            let Some(found) = state.urbs.remove(target) else {
                continue;
            };
            if state.urbs.is_empty() {
                // The host has stopped: what it begins next is not late.
                state.pace = Pace::new();
            }
            self.wake(endpoint);
            return Some(found);
        }
        None
    }

    /// Ends the connection: returns what it leaves behind, to be dropped without the lock.
    pub(crate) fn close(&mut self) -> (UrbQueue, UrbQueue) {
        self.open = false;
        self.features.reset();
        let mut pending = UrbQueue::new();
        for state in &mut self.endpoints {
            while let Some(urb) = state.urbs.pop() {
                pending.push(urb);
            }
            state.pace = Pace::new();
        }
        self.turns = Turns::new();
        (pending, core::mem::take(&mut self.outbox))
    }

    /// The requests of the control endpoint, which are to be given back.
    pub(crate) fn drain_control(&mut self) -> RequestQueue {
        match self.endpoints.first_mut() {
            Some(state) => core::mem::take(&mut state.requests),
            None => RequestQueue::new(),
        }
    }

    /// Ends all requests of a gadget driver that comes or goes, and what was known of its endpoints.
    pub(crate) fn drain(&mut self) {
        for endpoint in Endpoint::all() {
            let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
                continue;
            };
            state.halted = false;
            state.wedged = false;
            if state.config().is_none() {
                state.setup = Setup::None;
            }
            while !state.requests.is_empty() {
                state.retire();
            }
            self.ended.insert(endpoint.index());
        }
    }

    /// The gadget driver's answer to a setup packet.
    pub(crate) fn answered(&mut self, seqnum: Seqnum, result: Result) {
        if result.is_ok() {
            return;
        }
        let Some(state) = self.endpoints.first_mut() else {
            return;
        };
        // It may have been unlinked meanwhile.
        let waits = state
            .urbs
            .front()
            .is_some_and(|urb| urb.seqnum() == seqnum && urb.stage() == Stage::Data);
        if waits {
            if let Some(urb) = state.urbs.pop() {
                advance::finish(&mut self.outbox, urb, Status::PIPE);
            }
        }
        self.turns.insert(Endpoint::CONTROL.index());
    }
}
