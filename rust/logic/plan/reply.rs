// SPDX-License-Identifier: GPL-2.0

//! The importing host's view of an answer.
//!
//! A server may report whatever it likes about a device, but nothing that the driver's buffer does
//! not hold. Which request it answers has been found out already.

use usbip_proto::{
    Direction,
    RetSubmit,
    Status,
    TransferKind, //
};

use super::Fault;
use crate::receive::Payload;

/// What is known of a request that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// The kind of the transfer.
    pub kind: TransferKind,
    /// Its direction.
    pub direction: Direction,
    /// The length of the buffer.
    pub length: u32,
    /// The number of packets of an isochronous transfer, else 0.
    pub packets: u16,
}

/// What to do about an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyPlan {
    /// What follows the header. If the packet descriptors of an isochronous transfer are not kept,
    /// each of its packets ended with [`ReplyPlan::status`] and no data.
    pub payload: Payload,
    /// The result to give back, safe for any driver.
    pub status: Status,
    /// The actual length to give back, never more than the buffer holds.
    pub actual_length: u32,
    /// The frame in which an isochronous transfer started.
    pub start_frame: i32,
}

impl ReplyPlan {
    /// Ends the transfer with an error of our own: nothing of what follows is wanted.
    const fn failed(self, status: Status) -> Self {
        Self {
            payload: self.payload.skipped(),
            status: if self.status.is_ok() {
                status
            } else {
                self.status
            },
            actual_length: 0,
            ..self
        }
    }
}

/// Judges an answer against the request that it answers.
///
/// What the packets of an isochronous transfer say is not known yet: [`ReplyCheck`] judges it.
///
/// # Errors
///
/// [`Fault`] if it is unknown how much follows the header, or it does not belong to the request.
///
/// [`ReplyCheck`]: crate::iso::ReplyCheck
#[inline]
pub fn plan_reply(reply: &RetSubmit, pending: &Pending) -> Result<ReplyPlan, Fault> {
    let actual_length = u32::try_from(reply.actual_length)
        .map_err(|_| Fault::NegativeLength(reply.actual_length))?;
    let status = reply.status.normalise();
    let packets = packets(reply, status, pending)?;
    let data = match pending.direction {
        Direction::In => actual_length,
        Direction::Out => 0,
    };
    let plan = ReplyPlan {
        payload: Payload {
            data,
            keep: data > 0,
            packets,
            keep_packets: packets > 0,
        },
        status,
        actual_length,
        start_frame: reply.start_frame,
    };
    Ok(if actual_length > pending.length {
        plan.failed(match pending.direction {
            Direction::In => Status::OVERFLOW,
            Direction::Out => Status::PROTO,
        })
    } else if pending.kind.is_isochronous() && packets == 0 {
        plan.failed(status)
    } else {
        plan
    })
}

/// Returns the number of packet descriptors that follow: as many as were submitted, or none if the
/// transfer failed as a whole.
#[inline]
fn packets(reply: &RetSubmit, status: Status, pending: &Pending) -> Result<u16, Fault> {
    if !pending.kind.is_isochronous() {
        return Ok(0);
    }
    if reply.packets == i32::from(pending.packets) {
        Ok(pending.packets)
    } else if reply.packets <= 0 && !status.is_ok() {
        Ok(0)
    } else {
        Err(Fault::PacketCount(reply.packets))
    }
}
