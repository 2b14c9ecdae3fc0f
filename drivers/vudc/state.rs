// SPDX-License-Identifier: GPL-2.0

//! What moves between the transfers of the host and the requests of the gadget driver.
//!
//! All of this happens under the engine's lock, so that nothing here calls anybody: what is to be done without the
//! lock is handed out as [`Work`].

use kernel::prelude::*;

use usbip_gadget::{
    Endpoint,
    EndpointConfig,
    RequestQueue,
    ENDPOINTS, //
};
use usbip_logic::{
    budget::Budget,
    gadget::{
        decide,
        interval_ns,
        packet,
        step,
        Answer,
        Device,
        Feature,
        Features,
        Host,
        Pace,
        Packet,
        Side,
        Turns, //
    },
};
use usbip_proto::{
    Direction,
    Seqnum,
    Speed,
    Status,
    TransferKind, //
};

use crate::urb::{
    Stage,
    Urb,
    UrbQueue, //
};

/// Bytes that are moved at a time: interrupts are off meanwhile.
const SLICE: usize = 64 << 10;

/// The bytes of a device descriptor (USB 2.0 table 9-8).
pub(crate) const DESCRIPTOR: usize = 18;

/// What is to be done without the lock.
pub(crate) enum Work {
    /// Give requests back to the gadget driver.
    GiveBack(RequestQueue),
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

/// One endpoint.
pub(crate) struct EndpointState {
    /// How it is set up; the control endpoint never is.
    pub(crate) config: Option<EndpointConfig>,
    /// The time between two isochronous packets.
    period: u64,
    pub(crate) halted: bool,
    /// The host cannot end the halt.
    pub(crate) wedged: bool,
    pub(crate) requests: RequestQueue,
    pub(crate) urbs: UrbQueue,
    pace: Pace,
}

impl EndpointState {
    const fn new() -> Self {
        Self {
            config: None,
            period: 0,
            halted: false,
            wedged: false,
            requests: RequestQueue::new(),
            urbs: UrbQueue::new(),
            pace: Pace::new(),
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
    /// What is to be sent, in order.
    pub(crate) outbox: UrbQueue,
    /// What the transfers of the connection may still take up.
    pub(crate) budget: Budget,
    /// The same for answers without a transfer.
    pub(crate) answers: Budget,
}

/// Where an address stands in the table of addresses.
fn slot_of(number: u8, direction: Direction) -> usize {
    let number = usize::from(number & 0x0f).saturating_mul(2);
    number.saturating_add(usize::from(direction.is_in()))
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
            outbox: UrbQueue::new(),
            budget: Budget::new(0, 0),
            answers: Budget::new(0, 0),
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

    /// The endpoint with that address, and what its transfers are.
    pub(crate) fn find(
        &self,
        number: u8,
        direction: Direction,
    ) -> Option<(Endpoint, TransferKind)> {
        if number == 0 {
            return Some((Endpoint::CONTROL, TransferKind::Control));
        }
        let endpoint = (*self.addresses.get(slot_of(number, direction))?)?;
        let config = self.endpoints.get(endpoint.index())?.config?;
        Some((endpoint, config.kind))
    }

    /// Sets an endpoint up; says whether it was not yet.
    pub(crate) fn enable(&mut self, endpoint: Endpoint, config: EndpointConfig) -> bool {
        let full_speed = self.speed == Some(Speed::Full);
        let Some(state) = self.endpoint(endpoint) else {
            return false;
        };
        if state.config.is_some() {
            return false;
        }
        state.config = Some(config);
        state.period = interval_ns(config.interval, full_speed);
        state.halted = false;
        state.wedged = false;
        state.pace = Pace::new();
        if let Some(slot) = self
            .addresses
            .get_mut(slot_of(config.address, config.direction()))
        {
            *slot = Some(endpoint);
        }
        true
    }

    /// Undoes [`Self::enable`]; returns the requests that are to be given back.
    pub(crate) fn disable(&mut self, endpoint: Endpoint) -> RequestQueue {
        let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
            return RequestQueue::new();
        };
        if let Some(config) = state.config.take() {
            let slot = slot_of(config.address, config.direction());
            if let Some(slot) = self.addresses.get_mut(slot) {
                if *slot == Some(endpoint) {
                    *slot = None;
                }
            }
        }
        // Nobody answers any more, as on a bus.
        while let Some(mut urb) = state.urbs.pop() {
            urb.end(Status::PROTO);
            self.outbox.push(urb);
        }
        core::mem::take(&mut state.requests)
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
            let found = self
                .endpoint(endpoint)
                .and_then(|state| state.urbs.remove(target));
            if found.is_some() {
                self.wake(endpoint);
                return found;
            }
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

    /// All requests of the gadget driver, which are to be given back.
    pub(crate) fn drain(&mut self) -> RequestQueue {
        let mut all = RequestQueue::new();
        for state in &mut self.endpoints {
            state.halted = false;
            state.wedged = false;
            while let Some(request) = state.requests.pop() {
                all.push(request);
            }
        }
        all
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
                finish(&mut self.outbox, urb, Status::PIPE);
            }
        }
        self.turns.insert(Endpoint::CONTROL.index());
    }

    /// Moves what can move until something is to be done without the lock.
    pub(crate) fn advance(&mut self, now: u64) -> Work {
        let mut wake = None;
        self.turns.resume();
        let mut done = RequestQueue::new();
        let mut moved = 0;
        while let Some(endpoint) = self.turns.next().and_then(Endpoint::new) {
            if endpoint.is_control() && !done.is_empty() {
                // These go first: what the control endpoint wants done may depend on them.
                break;
            }
            self.turns.pass(endpoint.index());
            let progress = match self.endpoint(endpoint).and_then(|state| state.config) {
                None if endpoint.is_control() => match self.control(&mut done) {
                    Control::Work(work) => return work,
                    Control::Progress(progress) => progress,
                },
                None => Progress::Blocked,
                Some(config) if config.kind.is_isochronous() => {
                    self.isochronous(endpoint, config, now, &mut done)
                }
                Some(config) => self.plain(endpoint, config, &mut done, &mut moved),
            };
            match progress {
                Progress::Blocked => self.turns.remove(endpoint.index()),
                Progress::At(time) => {
                    self.turns.postpone(endpoint.index());
                    wake = Some(wake.map_or(time, |wake: u64| wake.min(time)));
                }
                // The gadget driver has to get what is done before the endpoint goes on.
                Progress::Enough => break,
            }
            if moved >= SLICE {
                break;
            }
        }
        if !done.is_empty() || !self.turns.is_empty() {
            // Even if nothing is to be given back: others want the lock.
            return Work::GiveBack(done);
        }
        Work::Wait(wake)
    }

    /// Moves data of a bulk or interrupt endpoint.
    fn plain(
        &mut self,
        endpoint: Endpoint,
        config: EndpointConfig,
        done: &mut RequestQueue,
        moved: &mut usize,
    ) -> Progress {
        let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
            return Progress::Blocked;
        };
        while *moved < SLICE {
            let Some(urb) = state.urbs.front() else {
                return Progress::Blocked;
            };
            if state.halted {
                if let Some(urb) = state.urbs.pop() {
                    finish(&mut self.outbox, urb, Status::PIPE);
                }
                continue;
            }
            let max_packet = usize::from(config.max_packet);
            let Some(step) = meet(urb, &mut state.requests, config.direction(), max_packet) else {
                return Progress::Blocked;
            };
            *moved = moved.saturating_add(step.bytes);
            if step.device != Device::Open {
                if let Some(request) = state.requests.pop() {
                    done.push(request);
                }
            }
            if let Host::Ended(status) = step.host {
                if let Some(urb) = state.urbs.pop() {
                    finish(&mut self.outbox, urb, status);
                }
            }
        }
        Progress::Enough
    }

    /// Goes on with a control transfer.
    fn control(&mut self, done: &mut RequestQueue) -> Control {
        let super_speed = self.is_super_speed();
        let Some(state) = self.endpoints.first_mut() else {
            return Control::BLOCKED;
        };
        let Some(urb) = state.urbs.front() else {
            return Control::BLOCKED;
        };
        if urb.stage() == Stage::Setup {
            // What is still queued answers an earlier request, which is gone.
            while let Some(mut request) = state.requests.pop() {
                request.end(Status::OVERFLOW);
                done.push(request);
            }
            if !done.is_empty() {
                return Control::Progress(Progress::Enough);
            }
            urb.begin_data();
            state.halted = false;
            let answer = decide(urb.setup(), super_speed);
            if answer == Answer::Gadget {
                return Control::Work(Work::Setup(urb.seqnum(), *urb.setup()));
            }
            return self.answer(answer);
        }
        if state.halted {
            if let Some(urb) = state.urbs.pop() {
                finish(&mut self.outbox, urb, Status::PIPE);
            }
            return Control::Progress(Progress::Enough);
        }
        let max_packet = if super_speed { 512 } else { 64 };
        let direction = urb.direction();
        let Some(step) = meet(urb, &mut state.requests, direction, max_packet) else {
            return Control::BLOCKED;
        };
        // One request answers one transfer, whatever their lengths.
        let ended = match (step.host, step.device) {
            (Host::Ended(status), _) => Some(status),
            (Host::Open, Device::Ended(_)) => Some(Status::OK),
            (Host::Open, Device::Open) => None,
        };
        if let Some(status) = ended {
            if let Some(mut request) = state.requests.pop() {
                if step.device == Device::Open {
                    request.end(Status::OK);
                }
                done.push(request);
            }
            if let Some(urb) = state.urbs.pop() {
                finish(&mut self.outbox, urb, status);
            }
        }
        Control::Progress(Progress::Enough)
    }

    /// Answers a control transfer that is the controller's.
    fn answer(&mut self, answer: Answer) -> Control {
        let mut work = None;
        let outcome = match answer {
            Answer::Gadget | Answer::Stall => None,
            Answer::Done => Some([0, 0]),
            Answer::Address(_) => {
                work = Some(Work::Addressed);
                Some([0, 0])
            }
            Answer::Feature(feature, on) => {
                self.features.set(feature, on);
                if feature == Feature::RemoteWakeup {
                    work = Some(Work::Wakeup(on && self.may_wake));
                }
                Some([0, 0])
            }
            Answer::Halt(address, halt) => self.host_halts(address, halt).then_some([0, 0]),
            Answer::DeviceStatus => Some([self.features.byte(), 0]),
            Answer::InterfaceStatus => Some([0, 0]),
            Answer::EndpointStatus(address) => self
                .by_address(address)
                .map(|state| [u8::from(state.halted), 0]),
        };
        let Some(mut urb) = self
            .endpoints
            .first_mut()
            .and_then(|state| state.urbs.pop())
        else {
            return Control::BLOCKED;
        };
        let status = match outcome {
            None => Status::PIPE,
            Some(bytes) if urb.direction().is_in() => {
                urb.fill(&bytes);
                Status::OK
            }
            Some(_) => {
                urb.take_all();
                Status::OK
            }
        };
        finish(&mut self.outbox, urb, status);
        match work {
            Some(work) => Control::Work(work),
            None => Control::Progress(Progress::Enough),
        }
    }

    /// The endpoint that a descriptor's address names, the control endpoint too.
    fn by_address(&mut self, address: u8) -> Option<&mut EndpointState> {
        let direction = if address & 0x80 != 0 {
            Direction::In
        } else {
            Direction::Out
        };
        let (endpoint, _) = self.find(address & 0x0f, direction)?;
        self.endpoint(endpoint)
    }

    /// The host halts an endpoint, or ends its halt; says whether there is such an endpoint.
    fn host_halts(&mut self, address: u8, halt: bool) -> bool {
        let Some(state) = self.by_address(address) else {
            return false;
        };
        state.halted = halt || state.wedged;
        let direction = if address & 0x80 != 0 {
            Direction::In
        } else {
            Direction::Out
        };
        if let Some((endpoint, _)) = self.find(address & 0x0f, direction) {
            self.wake(endpoint);
        }
        true
    }

    /// Moves the packets of an isochronous endpoint that are due.
    fn isochronous(
        &mut self,
        endpoint: Endpoint,
        config: EndpointConfig,
        now: u64,
        done: &mut RequestQueue,
    ) -> Progress {
        let direction = config.direction();
        let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
            return Progress::Blocked;
        };
        loop {
            let Some(urb) = state.urbs.front() else {
                return Progress::Blocked;
            };
            let Some(place) = urb.next_packet() else {
                if let Some(urb) = state.urbs.pop() {
                    finish(&mut self.outbox, urb, Status::OK);
                }
                continue;
            };
            if state.requests.is_empty() && !done.is_empty() {
                // The gadget driver may have more once it gets these back.
                return Progress::Enough;
            }
            if let Packet::At(time) = state.pace.packet(now, state.period) {
                return Progress::At(time);
            }
            let Some(mut request) = state.requests.front() else {
                // The device sends nothing, or does not listen.
                let lost = match direction {
                    Direction::In => 0,
                    Direction::Out => place.len(),
                };
                urb.end_packet(lost, Status::OK);
                continue;
            };
            let step = packet(direction, place.len(), request.left());
            carry(direction, place, &mut request, step.bytes);
            request.end(step.device);
            urb.end_packet(step.bytes, step.host);
            if let Some(request) = state.requests.pop() {
                done.push(request);
            }
        }
    }
}

/// How far an endpoint has come.
enum Progress {
    /// Nothing more can move.
    Blocked,
    /// Nothing more moves before that time.
    At(u64),
    /// More may move, later.
    Enough,
}

/// How far the control endpoint has come.
enum Control {
    Progress(Progress),
    Work(Work),
}

impl Control {
    const BLOCKED: Self = Self::Progress(Progress::Blocked);
}

/// Ends a transfer.
fn finish(outbox: &mut UrbQueue, mut urb: KBox<Urb>, status: Status) {
    urb.end(status);
    outbox.push(urb);
}

/// Lets a transfer and the first request carry each other one step further, and notes how the request ends. `None`
/// if there is no request.
fn meet(
    urb: &mut Urb,
    requests: &mut RequestQueue,
    direction: Direction,
    max_packet: usize,
) -> Option<usbip_logic::gadget::Step> {
    let mut request = requests.front()?;
    let device = Side {
        left: request.left(),
        zero: request.zero(),
    };
    let step = step(direction, urb.side(), device, max_packet, SLICE);
    carry(direction, urb.rest(), &mut request, step.bytes);
    urb.advance(step.bytes);
    if let Device::Ended(status) = step.device {
        request.end(status);
    }
    Some(step)
}

/// Moves bytes between the beginning of `host` and what is left of a request. There are as many on both sides.
fn carry(
    direction: Direction,
    host: &mut [u8],
    request: &mut usbip_gadget::Front<'_>,
    count: usize,
) {
    let Some(host) = host.get_mut(..count) else {
        return;
    };
    match direction {
        Direction::In => request.send(host),
        Direction::Out => request.receive(host),
    };
}
