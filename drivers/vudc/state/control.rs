// SPDX-License-Identifier: GPL-2.0

//! The control endpoint: what the controller answers itself, and what it leaves to the gadget driver.

use usbip_gadget::Endpoint;
use usbip_logic::gadget::{
    decide,
    Answer,
    Device,
    Feature,
    Host, //
};
use usbip_proto::{
    Direction,
    Status, //
};

use crate::urb::Stage;

use super::{
    advance::{
        finish,
        meet,
        Progress, //
    },
    State,
    Work, //
};

/// How far the control endpoint has come.
pub(super) enum Control {
    Progress(Progress),
    Work(Work),
}

impl Control {
    const BLOCKED: Self = Self::Progress(Progress::Blocked);
}

impl State {
    /// Goes on with a control transfer.
    pub(super) fn control(&mut self) -> Control {
        let super_speed = self.is_super_speed();
        let Some(state) = self.endpoints.first_mut() else {
            return Control::BLOCKED;
        };
        let Some(stage) = state.urbs.front().map(|urb| urb.stage()) else {
            return Control::BLOCKED;
        };
        if stage == Stage::Setup {
            // What is still queued answers an earlier request, which is gone.
            while let Some(mut request) = state.requests.front() {
                request.end(Status::OVERFLOW);
                state.retire();
            }
            if !state.ended.is_empty() {
                self.ended.insert(Endpoint::CONTROL.index());
                return Control::Progress(Progress::Enough);
            }
            let Some(urb) = state.urbs.front() else {
                return Control::BLOCKED;
            };
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
        let Some(urb) = state.urbs.front() else {
            return Control::BLOCKED;
        };
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
            if step.device == Device::Open {
                if let Some(mut request) = state.requests.front() {
                    request.end(Status::OK);
                }
            }
            state.retire();
            self.ended.insert(Endpoint::CONTROL.index());
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
                .and_then(|endpoint| self.endpoint(endpoint))
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

    /// The endpoint that a descriptor's address names, if it is set up; the control endpoint always is.
    fn by_address(&self, address: u8) -> Option<Endpoint> {
        let direction = if address & 0x80 != 0 {
            Direction::In
        } else {
            Direction::Out
        };
        let (endpoint, _) = self.find(address & 0x0f, direction)?;
        let state = self.endpoints.get(endpoint.index())?;
        (endpoint.is_control() || state.config().is_some()).then_some(endpoint)
    }

    /// The host halts an endpoint, or ends its halt; says whether there is such an endpoint.
    fn host_halts(&mut self, address: u8, halt: bool) -> bool {
        let Some(endpoint) = self.by_address(address) else {
            return false;
        };
        if let Some(state) = self.endpoint(endpoint) {
            state.halted = halt || state.wedged;
        }
        self.wake(endpoint);
        true
    }
}
