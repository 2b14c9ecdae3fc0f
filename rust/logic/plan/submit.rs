// SPDX-License-Identifier: GPL-2.0

//! The exporting host's view of a submission.
//!
//! Nothing that a client says is believed: not the kind of its endpoint, not its flags, not a
//! length. A transfer that the host's controller would stumble over is refused, with the errno that
//! submitting it would have given, and what follows its header is skipped.

use usbip_proto::{
    CmdSubmit,
    Direction,
    RetSubmit,
    Status,
    TransferFlags,
    TransferKind,
    MAX_ISO_PACKETS, //
};

use super::Fault;
use crate::receive::Payload;

/// The bit of `bmRequestType` that says that the device sends the data (USB 2.0 table 9-2).
const REQUEST_IS_IN: u8 = 0x80;

/// What the exporting host allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest buffer of a transfer, in bytes.
    pub transfer: u32,
    /// Whether a controller polls the endpoints, at the interval that the client says.
    pub polled: bool,
}

/// A transfer that may be submitted to the host's controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// The kind, which is that of the endpoint.
    pub kind: TransferKind,
    /// The direction to submit it in. That of the request, but for control transfers without data,
    /// which always are [`Direction::Out`].
    pub direction: Direction,
    /// The flags that are safe and make sense.
    pub flags: TransferFlags,
    /// The length of the buffer.
    pub length: usize,
    /// The number of packets: 1 to 1024 for isochronous transfers, else 0.
    pub packets: u16,
    /// The polling interval; positive for isochronous and interrupt transfers that are polled for,
    /// else 0.
    pub interval: i32,
}

/// Whether a transfer is submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is, once its payload is there.
    Accept(Transfer),
    /// It is not, and is answered with this status, once its payload is skipped.
    Refuse(Status),
}

/// What to do about a submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubmitPlan {
    /// What follows the header. Packet descriptors are always kept, if only to be sent back: a
    /// client takes offsets and lengths from the answer.
    pub payload: Payload,
    /// What is done then.
    pub verdict: Verdict,
}

impl SubmitPlan {
    /// Refuses the transfer for a reason of the host's own, such as a lack of memory. The payload
    /// is skipped, except for the packet descriptors.
    #[must_use]
    pub const fn refused(self, status: Status) -> Self {
        Self {
            payload: Payload {
                keep: false,
                ..self.payload
            },
            verdict: Verdict::Refuse(status),
        }
    }

    /// Makes the answer to a refused submission. As many packet descriptors must follow it as did
    /// follow the submission, each with no actual length and with `status`.
    pub fn refusal(&self, submit: &CmdSubmit, status: Status) -> RetSubmit {
        let packets = i32::from(self.payload.packets);
        RetSubmit {
            seqnum: submit.seqnum,
            status,
            actual_length: 0,
            start_frame: submit.start_frame,
            packets: if packets > 0 { packets } else { submit.packets },
            error_count: packets,
        }
    }
}

/// Judges a submission for an endpoint, of which `None` says that the device has no such one in
/// the direction of the submission.
///
/// The offsets of packets are not known yet: [`SubmitCheck`] judges them.
///
/// # Errors
///
/// [`Fault`] if it is unknown how much follows the header.
///
/// [`SubmitCheck`]: crate::iso::SubmitCheck
pub fn plan_submit(
    submit: &CmdSubmit,
    endpoint: Option<TransferKind>,
    limits: &Limits,
) -> Result<SubmitPlan, Fault> {
    let packets = packets(submit.packets, endpoint)?;
    let data = match submit.direction {
        Direction::In => 0,
        Direction::Out => {
            u32::try_from(submit.length).map_err(|_| Fault::NegativeLength(submit.length))?
        }
    };
    let verdict = match judge(submit, endpoint, packets, limits) {
        Ok(transfer) => Verdict::Accept(transfer),
        Err(status) => Verdict::Refuse(status),
    };
    Ok(SubmitPlan {
        payload: Payload {
            data,
            keep: data > 0 && matches!(verdict, Verdict::Accept(_)),
            packets,
            keep_packets: packets > 0,
        },
        verdict,
    })
}

/// Returns the number of packet descriptors that follow.
///
/// Clients send 0 or -1 for transfers without packets. Of an endpoint that is not there the number
/// itself has to tell what kind it was thought to be.
fn packets(packets: i32, endpoint: Option<TransferKind>) -> Result<u16, Fault> {
    if endpoint.is_some_and(|kind| !kind.is_isochronous()) || packets <= 0 {
        return Ok(0);
    }
    match u16::try_from(packets) {
        Ok(count) if count <= MAX_ISO_PACKETS => Ok(count),
        _ => Err(Fault::PacketCount(packets)),
    }
}

fn judge(
    submit: &CmdSubmit,
    endpoint: Option<TransferKind>,
    packets: u16,
    limits: &Limits,
) -> Result<Transfer, Status> {
    let kind = endpoint.ok_or(Status::PIPE)?;
    let mut direction = submit.direction;
    if kind == TransferKind::Control {
        direction = control_direction(submit)?;
    }
    if kind.is_isochronous() && packets == 0 {
        return Err(Status::INVAL);
    }
    let length = u32::try_from(submit.length).map_err(|_| Status::MSGSIZE)?;
    if length > limits.transfer {
        return Err(Status::MSGSIZE);
    }
    let interval = match kind {
        TransferKind::Control | TransferKind::Bulk => 0,
        TransferKind::Isochronous | TransferKind::Interrupt if !limits.polled => 0,
        TransferKind::Isochronous | TransferKind::Interrupt if submit.interval <= 0 => {
            return Err(Status::INVAL);
        }
        TransferKind::Isochronous | TransferKind::Interrupt => submit.interval,
    };
    Ok(Transfer {
        kind,
        direction,
        flags: submit.flags.receive_mask(kind, direction),
        length: usize::try_from(length).map_err(|_| Status::MSGSIZE)?,
        packets,
        interval,
    })
}

/// Returns the direction of a control transfer by its setup packet, if that agrees with the header.
fn control_direction(submit: &CmdSubmit) -> Result<Direction, Status> {
    let [request_type, _, _, _, _, _, low, high] = submit.setup;
    let length = u16::from_le_bytes([low, high]);
    if i32::from(length) != submit.length {
        return Err(Status::BADR);
    }
    let direction = if request_type & REQUEST_IS_IN != 0 {
        Direction::In
    } else {
        Direction::Out
    };
    if length == 0 {
        Ok(Direction::Out)
    } else if direction == submit.direction {
        Ok(direction)
    } else {
        Err(Status::INVAL)
    }
}
