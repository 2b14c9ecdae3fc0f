// SPDX-License-Identifier: GPL-2.0

//! Writing a peer's answer into the URB that it is for.
//!
//! It must never believe the peer about the URB's memory: of a packet of an isochronous transfer only its result
//! is taken, and where its data go is said by the URB.

use usbip_hcd::Queued;
use usbip_logic::{
    iso::{
        self,
        ReplyCheck,
        Span, //
    },
    plan::ReplyPlan, //
};
use usbip_proto::{
    IsoPacket,
    Status, //
};

/// An answer that is being written.
pub(crate) struct Answer {
    plan: ReplyPlan,
    check: ReplyCheck,
}

impl Answer {
    /// Begins with what follows from the header.
    pub(crate) fn new(urb: &Queued, plan: ReplyPlan) -> Self {
        Self {
            check: ReplyCheck::new(urb.direction(), plan.actual_length),
            plan,
        }
    }

    /// What follows from the header.
    pub(crate) fn plan(&self) -> &ReplyPlan {
        &self.plan
    }

    /// The buffer turned out to hold only `count` bytes.
    pub(crate) fn cut(&mut self, count: u32) {
        self.plan.actual_length = count;
        if self.plan.status.is_ok() {
            self.plan.status = Status::OVERFLOW;
        }
    }

    /// Writes the result of one packet.
    pub(crate) fn packet(&mut self, urb: &mut Queued, index: u16, packet: &IsoPacket) {
        let requested = urb.packet(index).map_or(0, |packet| packet.length);
        let result = self.check.packet(packet, requested);
        urb.set_packet(index, result.actual_length, result.status);
    }

    /// Writes the rest; returns the status to give the URB back with.
    pub(crate) fn finish(self, urb: &mut Queued) -> Status {
        if !urb.kind().is_isochronous() {
            urb.set_result(self.plan.actual_length, 0, 0);
            return self.plan.status;
        }
        let checked = if self.plan.payload.keep_packets {
            self.check.finish().and_then(|errors| {
                self.spread(urb)?;
                Ok(errors)
            })
        } else {
            Err(self.plan.status)
        };
        match checked {
            Ok(errors) => {
                urb.set_result(
                    self.plan.actual_length,
                    self.plan.start_frame,
                    errors.into(),
                );
                self.plan.status
            }
            Err(status) => {
                fail(urb, status);
                let errors = i32::try_from(urb.packet_count()).unwrap_or(i32::MAX);
                urb.set_result(0, self.plan.start_frame, errors);
                status
            }
        }
    }

    /// Moves data that came without gaps to where their packets lie.
    fn spread(&self, urb: &mut Queued) -> Result<(), Status> {
        if !urb.direction().is_in() || self.plan.actual_length == urb.length() {
            return Ok(());
        }
        urb.with_packets(|packets, buffer| {
            let spans = packets.map(|packet| Span {
                offset: packet.offset,
                actual_length: packet.actual_length,
            });
            iso::spread(buffer, self.plan.actual_length, spans)
        })
    }
}

/// Lets all packets of an isochronous transfer fail.
fn fail(urb: &mut Queued, status: Status) {
    let packets = u16::try_from(urb.packet_count()).unwrap_or(u16::MAX);
    for index in 0..packets {
        urb.set_packet(index, 0, status);
    }
}
