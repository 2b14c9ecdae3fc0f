// SPDX-License-Identifier: GPL-2.0

//! The receiving side of a connection: from PDUs to URBs.
//!
//! [`plan_submit`] judges what is asked for. Whatever is wrong with one request only, its payload
//! is taken off the stream, and it is answered with an error; the connection goes on.

use kernel::{
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
    DevId,
    EndpointNumber,
    IsoPacket,
    Status,
    TransferFlags,
    TransferKind,
    HEADER_LEN, //
};
use usbip_usb::{
    Completed,
    Device,
    Endpoint,
    Idle,
    Rejected,
    Transfer,
    Urb, //
};

use crate::{
    device::Stub,
    params,
    request::{
        Answer,
        Request, //
    },
    tweak::{
        Outcome,
        Tweak, //
    },
    wire::{
        Unexpected,
        Wire, //
    }, //
};

/// Bytes that answers of errors may take up beyond what transfers may. A peer that does not read
/// its answers is disconnected.
const MAX_ANSWERS: usize = 4 << 20;

/// The request that is being received.
enum Current {
    /// There is none.
    None,
    /// A transfer that is submitted once it is complete.
    Submit {
        urb: Urb<Idle, Request>,
        check: SubmitCheck,
    },
    /// A transfer that is answered once it is complete.
    Refuse(Urb<Completed, Request>),
    /// An unlink.
    Unlink(CmdUnlink),
}

/// The receiving side of a connection.
pub(crate) struct Incoming {
    device: ARef<Device>,
    id: DevId,
    wire: Arc<Wire>,
    current: Current,
    pub(crate) overtaken: Overtaken,
    /// Bytes of all requests since the connection began, modulo the size of the counter.
    charged: usize,
    /// Bytes that the requests may take up.
    limit: usize,
    log: RateLimit,
}

impl Incoming {
    pub(crate) fn new(stub: &Stub) -> Self {
        Self {
            device: stub.device().clone(),
            id: stub.id(),
            wire: stub.wire().clone(),
            current: Current::None,
            overtaken: Overtaken::new(),
            charged: 0,
            limit: params::max_transfer(),
            log: RateLimit::new(),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Counts `bytes` towards `limit`; says whether there was so much left.
    fn charge(&mut self, bytes: usize, limit: usize) -> bool {
        let used = self.charged.wrapping_sub(self.wire.released());
        let fits = used
            .checked_add(bytes)
            .is_some_and(|used_then| used_then <= limit);
        if fits {
            self.charged = self.charged.wrapping_add(bytes);
        }
        fits
    }

    /// Counts `bytes` of an answer without a transfer.
    pub(crate) fn charge_answer(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.charge(bytes, self.limit.saturating_add(MAX_ANSWERS)) {
            Ok(())
        } else {
            Err(Fault::Peer("too many answers were not read"))
        }
    }

    /// Judges a submission, and makes its URB.
    fn begin(&mut self, submit: &CmdSubmit) -> Result<Payload, Fault> {
        let endpoint = EndpointNumber::new(submit.endpoint)
            .and_then(|number| self.device.endpoint(number.get(), submit.direction));
        let limits = Limits {
            polled: true,
            transfer: u32::try_from(self.limit).unwrap_or(u32::MAX),
        };
        let plan = plan_submit(submit, endpoint.map(|endpoint| endpoint.kind()), &limits)
            .map_err(|fault| Fault::Peer(fault.reason()))?;
        trace::submit(
            trace::Role::Host,
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
        match (plan.verdict, endpoint) {
            (Verdict::Accept(transfer), Some(endpoint)) => {
                let transfer = Transfer {
                    endpoint: endpoint.with_direction(transfer.direction),
                    flags: transfer.flags,
                    length: u32::try_from(transfer.length).unwrap_or(u32::MAX),
                    packets: transfer.packets,
                    interval: transfer.interval,
                    start_frame: submit.start_frame,
                    setup: submit.setup,
                };
                if let Some(urb) = self.allocate(submit, &transfer) {
                    let check = SubmitCheck::new(submit.direction, transfer.length);
                    self.current = Current::Submit { urb, check };
                    return Ok(plan.payload);
                }
                self.refuse(submit, &plan, Status::NOMEM, Answer::Submit)
            }
            (Verdict::Refuse(status), _) => self.refuse(submit, &plan, status, Answer::Submit),
            (Verdict::Accept(_), None) => self.refuse(submit, &plan, Status::PIPE, Answer::Submit),
        }
    }

    /// Makes the URB of a transfer, if the connection may take up so much memory.
    fn allocate(&mut self, submit: &CmdSubmit, transfer: &Transfer) -> Option<Urb<Idle, Request>> {
        let cost = transfer.cost();
        if !self.charge(cost, self.limit) {
            return None;
        }
        let request = Request::submit(submit, cost, Some(self.wire.clone()));
        let urb =
            Urb::<Idle, _>::new(&self.device, transfer, request, Some(self.wire.spares())).ok();
        if urb.is_none() {
            self.charged = self.charged.wrapping_sub(cost);
        }
        urb
    }

    /// Makes the answer of a transfer that is not submitted.
    fn refuse(
        &mut self,
        submit: &CmdSubmit,
        plan: &SubmitPlan,
        status: Status,
        answer: Answer,
    ) -> Result<Payload, Fault> {
        let kind = match plan.payload.packets {
            0 => TransferKind::Control,
            _ => TransferKind::Isochronous,
        };
        // For what is said of it; there may be no endpoint of that number.
        let number = u8::try_from(submit.endpoint).unwrap_or(0);
        let transfer = Transfer {
            endpoint: Endpoint::assumed(number, submit.direction, kind),
            flags: TransferFlags::NONE,
            packets: plan.payload.packets,
            start_frame: submit.start_frame,
            ..Transfer::NOTHING
        };
        let cost = transfer.cost();
        self.charge_answer(cost)?;
        let mut request = Request::submit(submit, cost, None);
        request.set_answer(answer);
        let urb = Urb::<Idle, _>::new(&self.device, &transfer, request, None)
            .map_err(|_| Fault::NoMemory)?;
        if answer == Answer::Submit && self.log.allows() {
            dev_err!(
                AsRef::<kernel::device::Device>::as_ref(&*self.device),
                "CMD_SUBMIT: refused for epnum {}, error {}\n",
                submit.endpoint,
                status.get()
            );
        }
        self.current = Current::Refuse(urb.finish(status));
        Ok(plan.refused(status).payload)
    }

    /// Hands a complete transfer to the controller, or to the USB core.
    fn submit(&mut self, urb: Urb<Idle, Request>) -> Result<(), Fault> {
        if urb.endpoint().kind() == TransferKind::Control {
            if let Some(tweak) = Tweak::of(urb.setup()) {
                let leaving = || self.wire.is_leaving();
                match tweak.run(&self.device, &self.log, leaving) {
                    Outcome::Done => {
                        self.wire.answer(urb.finish(Status::OK));
                        return Ok(());
                    }
                    Outcome::Gone => {
                        self.wire.answer(urb.finish(Status::NODEV));
                        return Ok(());
                    }
                    Outcome::Refused(status) => {
                        self.wire.answer(urb.finish(status));
                        return Ok(());
                    }
                    Outcome::Failed => {}
                }
            }
        }
        let seqnum = urb.context().seqnum();
        usbip_dbg!(Urb, "submit {}\n", seqnum.get());
        match self.wire.expect(seqnum, urb.cancel_handle()) {
            Ok(()) => {}
            Err(Unexpected::Duplicate) => {
                return Err(Fault::Peer("the number of a pending request is used again"));
            }
            Err(Unexpected::NoRoom) => {
                self.wire.answer(urb.finish(Status::NOMEM));
                return Ok(());
            }
        }
        if let Err(Rejected { status, urb }) = urb.submit(&self.device) {
            self.wire.forget(seqnum);
            if self.log.allows() {
                dev_err!(
                    AsRef::<kernel::device::Device>::as_ref(&*self.device),
                    "submit_urb error, {}\n",
                    status.get()
                );
            }
            self.wire.answer(urb.finish(status));
        }
        Ok(())
    }
}

impl Sink for Incoming {
    type Error = Fault;

    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Result<Payload, Fault> {
        // Whoever waits for this thread need not wait for all that has been read ahead: each request may take
        // seconds, if the USB core carries it out and the device does not answer.
        if self.wire.is_leaving() {
            return Err(Fault::Local);
        }
        let request =
            usbip_proto::Request::decode(header).map_err(|error| Fault::Peer(error.reason()))?;
        usbip_dbg!(Rx, "{:?}\n", request);
        if request.devid() != self.id {
            return Err(Fault::Peer("recv invalid request"));
        }
        match request {
            usbip_proto::Request::Submit(submit) => self.begin(&submit),
            usbip_proto::Request::Unlink(unlink) => {
                self.current = Current::Unlink(unlink);
                Ok(Payload::NONE)
            }
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.current {
            Current::Submit { urb, .. } => urb.write(bytes).map_err(Fault::Transport),
            _ => Ok(()),
        }
    }

    fn advanced(&mut self, count: usize) -> Result<(), Fault> {
        match &mut self.current {
            Current::Submit { urb, .. } => urb.advance(count).map_err(Fault::Transport),
            _ => Ok(()),
        }
    }

    fn packet(&mut self, index: u16, packet: IsoPacket) -> Result<(), Fault> {
        let current = core::mem::replace(&mut self.current, Current::None);
        self.current = match current {
            Current::Submit { mut urb, mut check } => {
                check.packet(&packet);
                match urb.set_packet(index, packet.offset, packet.length) {
                    Ok(()) => Current::Submit { urb, check },
                    Err(_) => {
                        let mut urb = urb.finish(Status::INVAL);
                        urb.describe_packet(index, packet.offset, packet.length);
                        Current::Refuse(urb)
                    }
                }
            }
            Current::Refuse(mut urb) => {
                urb.describe_packet(index, packet.offset, packet.length);
                Current::Refuse(urb)
            }
            other => other,
        };
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        match core::mem::replace(&mut self.current, Current::None) {
            Current::None => Ok(()),
            Current::Submit { urb, check } => match check.finish() {
                Ok(()) => self.submit(urb),
                Err(status) => {
                    self.wire.answer(urb.finish(status));
                    Ok(())
                }
            },
            Current::Refuse(urb) => {
                self.wire.answer(urb);
                Ok(())
            }
            Current::Unlink(unlink) => self.unlink(&unlink),
        }
    }
}

impl Receive for Incoming {
    fn space<'a>(&'a mut self, parts: &mut ReadVec<'a>, want: usize) -> Result<usize, Fault> {
        match &mut self.current {
            Current::Submit { urb, .. } => urb.space(parts, want).map_err(|_| Fault::NoMemory),
            _ => Ok(0),
        }
    }
}
