// SPDX-License-Identifier: GPL-2.0

//! The sending side of a connection: moves what can move, and turns what has ended into PDUs, many at a time.
//!
//! Headers and packet descriptors are written to a buffer that is kept; data are sent from where they lie. Memory is
//! freed here too, once it is sent, with no lock held.

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
    Fill,
    Transmit, //
};
use usbip_kernel::{
    iovec::WriteVec,
    ratelimit::RateLimit,
    time::now_ns,
    trace, //
};
use usbip_proto::{
    Status,
    HEADER_LEN, //
};

use crate::{
    alarm::Alarm,
    engine::Engine,
    role::Gadget,
    urb::{
        Answer,
        Urb,
        UrbQueue, //
    }, //
};

/// The most answers that are sent at a time.
const MAX_ANSWERS: usize = 64;

/// Bytes of data and packet descriptors after which no further answer is added to what is sent.
const ENOUGH_DATA: usize = 256 << 10;

/// The sending side of a connection.
pub(crate) struct Outgoing {
    device: ARef<device::Device>,
    engine: Arc<Engine>,
    /// Ends the thread's sleep when packets are due.
    alarm: Alarm,
    /// What was taken from the outbox, and is still to be sent.
    backlog: UrbQueue,
    /// What is being sent.
    sending: UrbQueue,
    /// The headers and packet descriptors of what is being sent, one behind the other.
    headers: KVVec<u8>,
    log: RateLimit,
}

impl Outgoing {
    pub(crate) fn new(gadget: &Gadget) -> Result<Self> {
        Ok(Self {
            device: gadget.log().into(),
            engine: gadget.engine().clone(),
            alarm: Alarm::new(gadget.engine().clone())?,
            backlog: UrbQueue::new(),
            sending: UrbQueue::new(),
            headers: KVVec::new(),
            log: RateLimit::new(),
        })
    }

    /// Moves what can move.
    fn advance(&mut self) {
        if let Some(time) = self.engine.run() {
            self.alarm.set(time.saturating_sub(now_ns()));
        }
    }

    /// Traces an answer, and says what users look for in the log, unless there is too much of it.
    fn report(&self, urb: &Urb) {
        let status = urb.status();
        if urb.is_transfer() {
            trace::returned(
                trace::Role::Vudc,
                0,
                urb.seqnum().get(),
                urb.endpoint().into(),
                urb.direction().to_wire(),
                i32::try_from(urb.moved()).unwrap_or(i32::MAX),
                status.get(),
            );
        }
        let quiet = matches!(status, Status::OK | Status::PIPE | Status::CONNRESET)
            || urb.answer() != Answer::Submit;
        if !quiet && self.log.allows() {
            dev_info!(
                self.device,
                "urb completion with non-zero status {}\n",
                status.get()
            );
        }
    }
}

impl Transmit for Outgoing {
    fn gather(&mut self) -> Result<Fill, Fault> {
        if self.backlog.is_empty() {
            self.advance();
            self.backlog = self.engine.take_output();
        }
        self.headers.clear();
        let mut answers = 0_usize;
        let mut data = 0_usize;
        while answers < MAX_ANSWERS && data < ENOUGH_DATA {
            let Some(urb) = self.backlog.pop() else { break };
            self.report(&urb);
            usbip_dbg!(
                Tx,
                "answer {}, status {}, {} bytes\n",
                urb.seqnum().get(),
                urb.status().get(),
                urb.moved()
            );
            urb.encode(&mut self.headers).map_err(|_| Fault::NoMemory)?;
            answers = answers.saturating_add(1);
            if urb.sends_data() {
                data = data.saturating_add(urb.moved());
            }
            data = data.saturating_add(urb.descriptor_bytes());
            self.sending.push(urb);
        }
        self.sending.arrange();
        Ok(match answers {
            0 => Fill::Empty,
            // What could not move before may be able to, now that something has ended.
            _ => Fill::Part,
        })
    }

    fn frame<'a>(&'a self, frame: &mut WriteVec<'a>) -> Result<(), Fault> {
        // Headers that follow one another without data between them are one piece.
        let mut from = 0;
        let mut to = 0_usize;
        for urb in self.sending.iter() {
            to = to.saturating_add(HEADER_LEN);
            if urb.sends_data() {
                let piece = self.headers.get(from..to).unwrap_or_default();
                frame.push(piece).map_err(|_| Fault::NoMemory)?;
                urb.put_data(frame).map_err(|_| Fault::NoMemory)?;
                from = to;
            }
            to = to.saturating_add(urb.descriptor_bytes());
        }
        let piece = self.headers.get(from..to).unwrap_or_default();
        frame.push(piece).map_err(|_| Fault::NoMemory)
    }

    fn sent(&mut self) -> Result<(), Fault> {
        while let Some(mut urb) = self.sending.pop() {
            if let Some(charge) = urb.take_charge() {
                self.engine.refund(charge);
            }
            drop(urb);
        }
        Ok(())
    }
}
