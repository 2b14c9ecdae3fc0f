// SPDX-License-Identifier: GPL-2.0

//! Carrying data between the transfers of the host and the requests of the gadget driver.

use kernel::prelude::*;

use usbip_gadget::{
    Endpoint,
    EndpointConfig,
    Front,
    RequestQueue, //
};
use usbip_logic::gadget::{
    packet,
    step,
    Device,
    Host,
    Packet,
    Side,
    Step, //
};
use usbip_proto::{
    Direction,
    Status, //
};

use crate::urb::{
    Urb,
    UrbQueue, //
};

use super::{
    control::Control,
    State,
    Work, //
};

/// Bytes that are moved at a time: interrupts are off meanwhile.
const SLICE: usize = 64 << 10;

/// How long an endpoint may be disabled before the host notices. Whoever enables it again at once may be held up in
/// between, as its requests are given back and threads are on a busy machine.
const ABSENCE_NS: u64 = 10_000_000;

impl State {
    /// Moves what can move until something is to be done without the lock.
    pub(crate) fn advance(&mut self, now: u64) -> Work {
        let mut wake = None;
        self.turns.resume();
        let mut moved = 0;
        while let Some(endpoint) = self.turns.next().and_then(Endpoint::new) {
            if endpoint.is_control() && !self.ended.is_empty() {
                // These go first: what the control endpoint wants done may depend on them.
                break;
            }
            self.turns.pass(endpoint.index());
            let progress = match self.endpoint(endpoint).and_then(|state| state.config()) {
                None if endpoint.is_control() => match self.control() {
                    Control::Work(work) => return work,
                    Control::Progress(progress) => progress,
                },
                None => self.absent(endpoint, now),
                Some(config) if config.kind.is_isochronous() => {
                    self.isochronous(endpoint, config, now, &mut moved)
                }
                Some(config) => self.plain(endpoint, config, &mut moved),
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
        if !self.ended.is_empty() || !self.turns.is_empty() {
            return Work::More;
        }
        Work::Wait(wake)
    }

    /// Ends the transfers for an endpoint that stays disabled.
    fn absent(&mut self, endpoint: Endpoint, now: u64) -> Progress {
        let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
            return Progress::Blocked;
        };
        let lost_at = *state.lost_at.get_or_insert(now.saturating_add(ABSENCE_NS));
        if now < lost_at {
            return Progress::At(lost_at);
        }
        lose(&mut self.outbox, &mut state.urbs);
        Progress::Blocked
    }

    /// Moves data of a bulk or interrupt endpoint.
    fn plain(&mut self, endpoint: Endpoint, config: EndpointConfig, moved: &mut usize) -> Progress {
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
                state.retire();
                self.ended.insert(endpoint.index());
            }
            if let Host::Ended(status) = step.host {
                if let Some(urb) = state.urbs.pop() {
                    finish(&mut self.outbox, urb, status);
                }
            }
        }
        Progress::Enough
    }

    /// Moves the packets of an isochronous endpoint that are due.
    fn isochronous(
        &mut self,
        endpoint: Endpoint,
        config: EndpointConfig,
        now: u64,
        moved: &mut usize,
    ) -> Progress {
        let direction = config.direction();
        let Some(state) = self.endpoints.get_mut(endpoint.index()) else {
            return Progress::Blocked;
        };
        while *moved < SLICE {
            let Some(urb) = state.urbs.front() else {
                return Progress::Blocked;
            };
            let Some(place) = urb.next_packet() else {
                if let Some(urb) = state.urbs.pop() {
                    finish(&mut self.outbox, urb, Status::OK);
                }
                continue;
            };
            if state.requests.is_empty() && !state.ended.is_empty() {
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
            *moved = moved.saturating_add(step.bytes);
            state.retire();
            self.ended.insert(endpoint.index());
        }
        Progress::Enough
    }
}

/// How far an endpoint has come.
pub(super) enum Progress {
    /// Nothing more can move.
    Blocked,
    /// Nothing more moves before that time.
    At(u64),
    /// More may move, later.
    Enough,
}

/// Ends a transfer.
pub(super) fn finish(outbox: &mut UrbQueue, mut urb: KBox<Urb>, status: Status) {
    urb.end(status);
    outbox.push(urb);
}

/// Ends transfers that nobody answers any more, as on a bus.
pub(super) fn lose(outbox: &mut UrbQueue, urbs: &mut UrbQueue) {
    while let Some(urb) = urbs.pop() {
        finish(outbox, urb, Status::PROTO);
    }
}

/// Lets a transfer and the first request carry each other one step further, and notes how the request ends. `None`
/// if there is no request.
pub(super) fn meet(
    urb: &mut Urb,
    requests: &mut RequestQueue,
    direction: Direction,
    max_packet: usize,
) -> Option<Step> {
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
fn carry(direction: Direction, host: &mut [u8], request: &mut Front<'_>, count: usize) {
    let Some(host) = host.get_mut(..count) else {
        return;
    };
    match direction {
        Direction::In => request.send(host),
        Direction::Out => request.receive(host),
    };
}
