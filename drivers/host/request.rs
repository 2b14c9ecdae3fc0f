// SPDX-License-Identifier: GPL-2.0

//! What goes along with the URB of a request, and becomes its answer.

use usbip_proto::{
    CmdSubmit,
    RetSubmit,
    RetUnlink,
    Seqnum,
    HEADER_LEN, //
};
use usbip_usb::{
    Completed,
    Urb, //
};

use crate::wire::WireRef;

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With its own result and data.
    Submit,
    /// Not at all: with its result the request to unlink it is answered.
    Unlink(Seqnum),
}

/// What goes along with an URB.
pub(crate) struct Request {
    seqnum: Seqnum,
    answer: Answer,
    /// What the request said about packets, which an answer without packets repeats.
    packets: i32,
    /// What it counts in the memory of its connection.
    cost: usize,
    /// Where it goes when it is completed; taken then.
    wire: Option<WireRef>,
}

impl Request {
    /// Goes along with a submission.
    pub(crate) fn submit(submit: &CmdSubmit, cost: usize, wire: Option<WireRef>) -> Self {
        Self {
            seqnum: submit.seqnum,
            answer: Answer::Submit,
            packets: submit.packets,
            cost,
            wire,
        }
    }

    /// Answers an unlink that found nothing.
    pub(crate) fn unlink(seqnum: Seqnum, cost: usize) -> Self {
        Self {
            seqnum,
            answer: Answer::Unlink(seqnum),
            packets: 0,
            cost,
            wire: None,
        }
    }

    pub(crate) fn seqnum(&self) -> Seqnum {
        self.seqnum
    }

    /// Whether it is about a transfer, and not only the answer to an unlink.
    pub(crate) fn is_transfer(&self) -> bool {
        self.answer != Answer::Unlink(self.seqnum)
    }

    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    pub(crate) fn answer(&self) -> Answer {
        self.answer
    }

    pub(crate) fn set_answer(&mut self, answer: Answer) {
        self.answer = answer;
    }

    pub(crate) fn take_wire(&mut self) -> Option<WireRef> {
        self.wire.take()
    }
}

/// The header of the answer to a request.
pub(crate) fn header(urb: &Urb<Completed, Request>) -> [u8; HEADER_LEN] {
    let request = urb.context();
    match request.answer {
        Answer::Unlink(seqnum) => RetUnlink {
            seqnum,
            status: urb.status(),
        }
        .encode(),
        Answer::Submit => RetSubmit {
            seqnum: request.seqnum,
            status: urb.status(),
            actual_length: i32::try_from(urb.actual_length()).unwrap_or(i32::MAX),
            start_frame: urb.start_frame(),
            packets: match urb.packet_count() {
                0 => request.packets,
                count => count.into(),
            },
            error_count: urb.error_count(),
        }
        .encode(),
    }
}
