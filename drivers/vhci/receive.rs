// SPDX-License-Identifier: GPL-2.0

//! What the receiving thread does with the peer's answers.
//!
//! Whoever has taken an URB out of the table owns it, and gives it back: this does so while data are coming in,
//! so that a connection that breaks in between loses nothing.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_core::{
    usbip_dbg,
    Fault,
    Receive,
    Session, //
};
use usbip_hcd::{
    Incoming,
    Queued, //
};
use usbip_kernel::{
    iovec::ReadVec,
    irqlock::SpinLockIrqGuard,
    trace, //
};
use usbip_logic::{
    plan::plan_reply,
    receive::{
        Payload,
        Sink, //
    },
    requests::Answered, //
};
use usbip_proto::{
    IsoPacket,
    Reply,
    RetSubmit,
    RetUnlink,
    Seqnum,
    Status,
    HEADER_LEN, //
};

use crate::{
    answer::Answer,
    port::{
        Inner,
        Port, //
    },
    requests::Early, //
};

/// What is being received.
enum Current {
    /// Nothing that belongs to a transfer.
    Nothing,
    /// The answer to a transfer.
    Whole {
        seqnum: Seqnum,
        urb: Incoming,
        answer: Answer,
        received: u32,
        /// Whether no other request waited when it came.
        last: bool,
    },
    /// The answer to a transfer whose data are still being sent.
    Early { seqnum: Seqnum, early: Early },
}

/// The receiving side of a port's connection.
pub(crate) struct Receiver {
    session: Arc<Session<Port>>,
    current: Current,
}

impl Receiver {
    pub(crate) fn new(session: Arc<Session<Port>>) -> Self {
        Self {
            session,
            current: Current::Nothing,
        }
    }

    fn port(&self) -> &Port {
        self.session.role()
    }

    fn submitted(&mut self, reply: &RetSubmit) -> Result<Payload, Fault> {
        let seqnum = reply.seqnum;
        let mut inner = self.session.role().lock();
        let answered = inner.requests.answer(seqnum, |pending| {
            plan_reply(reply, pending).map_err(|fault| fault.reason())
        });
        match answered {
            Ok(Answered::Whole(mut urb, plan)) => {
                let answer = Answer::new(&urb, plan);
                if plan.payload.data == 0 && plan.payload.packets == 0 {
                    // Nothing follows, so this is all: one round of the lock.
                    let status = answer.finish(&mut urb);
                    end(inner, seqnum, urb, status);
                    return Ok(Payload::NONE);
                }
                self.current = Current::Whole {
                    seqnum,
                    urb: urb.into_incoming(),
                    answer,
                    received: 0,
                    last: inner.requests.is_empty(),
                };
                Ok(plan.payload)
            }
            Ok(Answered::Early(plan)) => {
                let early = Early {
                    plan,
                    packets: KVec::new(),
                };
                self.current = Current::Early { seqnum, early };
                Ok(plan.payload)
            }
            Ok(Answered::Late(plan)) => Ok(plan.payload.skipped()),
            Err(reason) => {
                let newest = inner.requests.newest();
                drop(inner);
                pr_err!(
                    "cannot find a urb of seqnum {} max seqnum {}\n",
                    seqnum.get(),
                    newest.get()
                );
                Err(Fault::Peer(reason))
            }
        }
    }

    fn unlinked(&mut self, reply: &RetUnlink) -> Result<Payload, Fault> {
        let mut inner = self.port().lock();
        let urb = inner
            .requests
            .unlinked(reply.seqnum, reply.status)
            .map_err(Fault::Peer)?;
        if let Some(mut urb) = urb {
            urb.set_result(0, 0, 0);
            end(inner, reply.seqnum, urb, reply.status.normalise());
        }
        Ok(Payload::NONE)
    }

    /// Gives back the URB whose answer is being received, without the rest of it, which is skipped.
    fn cut_short(&mut self, status: Status) {
        if let Current::Whole { seqnum, urb, .. } =
            core::mem::replace(&mut self.current, Current::Nothing)
        {
            let mut urb = urb.into_queued();
            urb.set_result(0, 0, 0);
            end(self.port().lock(), seqnum, urb, status);
        }
    }

    /// Ends the transfer of an early answer, if its data have been sent meanwhile, or leaves the answer to the
    /// sending thread.
    fn finish_early(&self, seqnum: Seqnum, early: Early) -> Result<(), Fault> {
        let early = KBox::new(early, GFP_KERNEL).map_err(|_| Fault::NoMemory)?;
        let mut inner = self.port().lock();
        if let Some((mut urb, early)) = inner.requests.keep(seqnum, early) {
            let status = apply_early(&mut urb, &early);
            end(inner, seqnum, urb, status);
        }
        Ok(())
    }
}

/// Gives an URB back, with the lock held until it is off its endpoint.
fn end(mut inner: SpinLockIrqGuard<'_, Inner>, seqnum: Seqnum, urb: Queued, status: Status) {
    let devid = inner.devid().get();
    inner.requests.received();
    trace_return(devid, seqnum, &urb, status);
    let urb = urb.detach(&mut inner);
    drop(inner);
    urb.give_back(status);
}

/// Fires the tracepoint.
pub(crate) fn trace_return(devid: u32, seqnum: Seqnum, urb: &Queued, status: Status) {
    trace::returned(
        trace::Role::Vhci,
        devid,
        seqnum.get(),
        urb.endpoint(),
        urb.direction().to_wire(),
        i32::try_from(urb.actual_length()).unwrap_or(i32::MAX),
        status.get(),
    );
}

/// Writes an answer that came early; returns the status to give the URB back with.
pub(crate) fn apply_early(urb: &mut Queued, early: &Early) -> Status {
    let mut answer = Answer::new(urb, early.plan);
    for (index, packet) in (0..).zip(&early.packets) {
        answer.packet(urb, index, packet);
    }
    answer.finish(urb)
}

impl Sink for Receiver {
    type Error = Fault;

    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Result<Payload, Fault> {
        let reply = Reply::decode(header);
        usbip_dbg!(Rx, "{:?}\n", reply);
        match reply {
            Ok(Reply::Submit(reply)) => self.submitted(&reply),
            Ok(Reply::Unlink(reply)) => self.unlinked(&reply),
            Err(error) => {
                pr_err!("unknown pdu: {}\n", error.reason());
                Err(Fault::Peer(error.reason()))
            }
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Current::Whole { urb, received, .. } = &mut self.current {
            let written = urb.write(bytes);
            *received = received.saturating_add(u32::try_from(written).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    fn advanced(&mut self, count: usize) -> Result<(), Fault> {
        if let Current::Whole { urb, received, .. } = &mut self.current {
            urb.skip(count);
            *received = received.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    fn packet(&mut self, index: u16, packet: IsoPacket) -> Result<(), Fault> {
        match &mut self.current {
            Current::Whole { urb, answer, .. } => answer.packet(urb.urb_mut(), index, &packet),
            Current::Early { early, .. } => early
                .packets
                .push(packet, GFP_KERNEL)
                .map_err(|_| Fault::NoMemory)?,
            Current::Nothing => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        match core::mem::replace(&mut self.current, Current::Nothing) {
            Current::Nothing => {}
            Current::Whole {
                seqnum,
                urb,
                mut answer,
                received,
                ..
            } => {
                let mut urb = urb.into_queued();
                if answer.plan().payload.keep && received < answer.plan().payload.data {
                    answer.cut(received);
                }
                let status = answer.finish(&mut urb);
                end(self.port().lock(), seqnum, urb, status);
            }
            Current::Early { seqnum, early } => self.finish_early(seqnum, early)?,
        }
        Ok(())
    }
}

impl Receive for Receiver {
    fn space<'a>(&'a mut self, parts: &mut ReadVec<'a>, want: usize) -> Result<usize, Fault> {
        match &mut self.current {
            Current::Whole { urb, .. } => urb.space(parts, want).map_err(|_| Fault::NoMemory),
            _ => Ok(0),
        }
    }

    fn is_last(&self) -> bool {
        matches!(self.current, Current::Whole { last: true, .. })
    }

    fn tick(&mut self) {
        let is_wanted = self.port().lock().requests.is_receiving_wanted();
        // However slowly its data come, nobody has to wait for them who does not want them.
        if is_wanted {
            self.cut_short(Status::CONNRESET);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.cut_short(Status::SHUTDOWN);
    }
}
