// SPDX-License-Identifier: GPL-2.0

//! The receiving side of a connection: from PDUs to transfers.
//!
//! [`plan_submit`] judges what is asked for. Whatever is wrong with one request only, its payload is taken off the
//! stream, and it is answered with an error; the connection goes on.

use kernel::{
    device,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use usbip_core::{
    usbip_dbg,
    Fault,
    Receive, //
};
use usbip_kernel::{
    iovec::ReadVec,
    ratelimit::RateLimit,
    trace, //
};
use usbip_logic::{
    iso::SubmitCheck,
    overtaken::Overtaken,
    plan::{
        plan_submit,
        Limits,
        SubmitPlan,
        Verdict, //
    },
    receive::{
        Payload,
        Sink, //
    }, //
};
use usbip_proto::{
    CmdSubmit,
    CmdUnlink,
    EndpointNumber,
    IsoPacket,
    Request,
    Seqnum,
    Status,
    TransferKind,
    HEADER_LEN, //
};

use crate::{
    charge::Charge,
    engine::Engine,
    params,
    role::Gadget,
    urb::{
        Answer,
        Shape,
        Urb, //
    }, //
};

/// The request that is being received.
enum Current {
    /// There is none.
    None,
    /// A transfer for the device.
    Submit { urb: KBox<Urb>, check: SubmitCheck },
    /// A transfer that is answered once it is complete.
    Refuse(KBox<Urb>, Status),
    /// An unlink.
    Unlink(CmdUnlink),
}

/// The receiving side of a connection.
pub(crate) struct Incoming {
    device: ARef<device::Device>,
    engine: Arc<Engine>,
    current: Current,
    overtaken: Overtaken,
    /// Bytes that one transfer may have.
    limit: u32,
    log: RateLimit,
}

impl Incoming {
    pub(crate) fn new(gadget: &Gadget) -> Self {
        Self {
            device: gadget.log().into(),
            engine: gadget.engine().clone(),
            current: Current::None,
            overtaken: Overtaken::new(),
            limit: u32::try_from(params::max_transfer()).unwrap_or(u32::MAX),
            log: RateLimit::new(),
        }
    }

    /// Judges a submission, and makes room for it.
    fn begin(&mut self, submit: &CmdSubmit) -> Result<Payload, Fault> {
        let kind = EndpointNumber::new(submit.endpoint)
            .and_then(|number| self.engine.kind(number.get(), submit.direction));
        let limits = Limits {
            transfer: self.limit,
            polled: false,
        };
        let plan =
            plan_submit(submit, kind, &limits).map_err(|fault| Fault::Peer(fault.reason()))?;
        trace::submit(
            trace::Role::Vudc,
            submit.devid.get(),
            submit.seqnum.get(),
            submit.endpoint,
            submit.direction.to_wire(),
            submit.length,
        );
        if let Some(unlink) = self.overtaken.arrived(submit.seqnum) {
            let answer = Answer::Unlink(unlink.seqnum);
            return self.refuse(submit, &plan, Status::CONNRESET, answer);
        }
        while let Some(unlink) = self.overtaken.stale() {
            self.answer_unlink(&unlink)?;
        }
        match plan.verdict {
            Verdict::Accept(transfer) => {
                let shape = Shape {
                    kind: transfer.kind,
                    direction: transfer.direction,
                    length: transfer.length,
                    packets: transfer.packets,
                };
                let Some(urb) = self.allocate(submit, &shape) else {
                    return self.refuse(submit, &plan, Status::NOMEM, Answer::Submit);
                };
                let length = u32::try_from(transfer.length).unwrap_or(u32::MAX);
                let check = SubmitCheck::new(submit.direction, length);
                self.current = Current::Submit { urb, check };
                Ok(plan.payload)
            }
            Verdict::Refuse(status) => self.refuse(submit, &plan, status, Answer::Submit),
        }
    }

    /// Makes room for a transfer, if the connection may take up so much.
    fn allocate(&self, submit: &CmdSubmit, shape: &Shape) -> Option<KBox<Urb>> {
        let charge = self.engine.charge_transfer(shape.cost())?;
        Urb::new(submit, shape, charge)
            .map_err(|charge| self.engine.refund(charge))
            .ok()
    }

    /// Makes the answer of a transfer that the device never sees.
    fn refuse(
        &mut self,
        submit: &CmdSubmit,
        plan: &SubmitPlan,
        status: Status,
        answer: Answer,
    ) -> Result<Payload, Fault> {
        let shape = Shape {
            kind: match plan.payload.packets {
                0 => TransferKind::Control,
                _ => TransferKind::Isochronous,
            },
            direction: submit.direction,
            length: 0,
            packets: plan.payload.packets,
        };
        let mut urb = self.make_answer(&shape, |charge| Urb::new(submit, &shape, charge))?;
        urb.set_answer(answer);
        if answer == Answer::Submit && self.log.allows() {
            dev_err!(
                self.device,
                "CMD_SUBMIT: refused for epnum {}, error {}\n",
                submit.endpoint,
                status.get()
            );
        }
        self.current = Current::Refuse(urb, status);
        Ok(plan.refused(status).payload)
    }

    /// Makes an answer without a transfer, if the peer reads its answers.
    fn make_answer(
        &self,
        shape: &Shape,
        make: impl FnOnce(Charge) -> Result<KBox<Urb>, Charge>,
    ) -> Result<KBox<Urb>, Fault> {
        let charge = self
            .engine
            .charge_answer(shape.cost())
            .ok_or(Fault::Peer("too many answers were not read"))?;
        make(charge).map_err(|charge| {
            self.engine.refund(charge);
            Fault::NoMemory
        })
    }

    /// Carries out an unlink.
    fn unlink(&mut self, unlink: &CmdUnlink) -> Result<(), Fault> {
        trace::unlink(
            trace::Role::Vudc,
            unlink.devid.get(),
            unlink.seqnum.get(),
            unlink.target.get(),
            0,
        );
        if self.engine.unlink(unlink.target, unlink.seqnum) || self.overtaken.keep(unlink) {
            return Ok(());
        }
        self.answer_unlink(unlink)
    }

    /// Answers an unlink that found nothing.
    fn answer_unlink(&self, unlink: &CmdUnlink) -> Result<(), Fault> {
        let seqnum: Seqnum = unlink.seqnum;
        let urb = self.make_answer(&Shape::NOTHING, |charge| Urb::unlinked(seqnum, charge))?;
        self.engine.answer(urb);
        Ok(())
    }
}

impl Sink for Incoming {
    type Error = Fault;

    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Result<Payload, Fault> {
        let request = Request::decode(header).map_err(|error| Fault::Peer(error.reason()))?;
        usbip_dbg!(Rx, "{:?}\n", request);
        // The devid is not looked at: the device is on no bus, and tools make one up.
        match request {
            Request::Submit(submit) => self.begin(&submit),
            Request::Unlink(unlink) => {
                self.current = Current::Unlink(unlink);
                Ok(Payload::NONE)
            }
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Current::Submit { urb, .. } = &mut self.current {
            if let Some(space) = urb.unreceived().get_mut(..bytes.len()) {
                space.copy_from_slice(bytes);
            }
            urb.received(bytes.len());
        }
        Ok(())
    }

    fn advanced(&mut self, count: usize) -> Result<(), Fault> {
        if let Current::Submit { urb, .. } = &mut self.current {
            urb.received(count);
        }
        Ok(())
    }

    fn packet(&mut self, _index: u16, packet: IsoPacket) -> Result<(), Fault> {
        match &mut self.current {
            Current::Submit { urb, check } => {
                let packet = check.packet(&packet);
                urb.add_packet(packet).map_err(Fault::Transport)
            }
            Current::Refuse(urb, _) => urb
                .add_packet(IsoPacket {
                    actual_length: 0,
                    ..packet
                })
                .map_err(Fault::Transport),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        match core::mem::replace(&mut self.current, Current::None) {
            Current::None => Ok(()),
            Current::Submit { mut urb, check } => {
                match check.finish() {
                    Ok(()) => self.engine.submit(urb),
                    Err(status) => {
                        urb.complete();
                        urb.end(status);
                        self.engine.answer(urb);
                    }
                }
                Ok(())
            }
            Current::Refuse(mut urb, status) => {
                urb.end(status);
                self.engine.answer(urb);
                Ok(())
            }
            Current::Unlink(unlink) => self.unlink(&unlink),
        }
    }
}

impl Receive for Incoming {
    fn space<'a>(&'a mut self, parts: &mut ReadVec<'a>, want: usize) -> Result<usize, Fault> {
        let Current::Submit { urb, .. } = &mut self.current else {
            return Ok(0);
        };
        let space = urb.unreceived();
        let count = want.min(space.len());
        if let Some(space) = space.get_mut(..count) {
            parts.push(space).map_err(|_| Fault::NoMemory)?;
        }
        Ok(count)
    }
}
