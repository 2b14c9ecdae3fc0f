// SPDX-License-Identifier: GPL-2.0

//! The sending side of a connection: from completed URBs to PDUs, many at a time.
//!
//! Headers and packet descriptors are written to a buffer that is kept; data are sent from where
//! the controller put them. Memory is freed here too, once it is sent, with no lock held.

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
    Fill,
    Transmit, //
};
use usbip_kernel::{
    iovec::WriteVec,
    ratelimit::RateLimit,
    trace, //
};
use usbip_proto::{
    DevId,
    Direction,
    Status,
    HEADER_LEN,
    ISO_DESC_LEN, //
};
use usbip_usb::{
    Completed,
    Device,
    Urb,
    UrbQueue, //
};

use crate::{
    device::Stub,
    request::{
        self,
        Answer,
        Request, //
    },
    wire::Wire, //
};

/// The most answers that are sent at a time.
const MAX_ANSWERS: usize = 64;

/// Bytes of data and packet descriptors after which no further answer is added to what is sent.
const ENOUGH_DATA: usize = 256 << 10;

/// The sending side of a connection.
pub(crate) struct Outgoing {
    device: ARef<Device>,
    id: DevId,
    wire: Arc<Wire>,
    /// What was taken from the outbox, and is still to be sent.
    backlog: UrbQueue<Request>,
    /// What is being sent.
    sending: UrbQueue<Request>,
    /// The headers and packet descriptors of what is being sent, one behind the other.
    headers: KVVec<u8>,
    /// What memory of transfers is kept that have been answered.
    spares: Kept,
    log: RateLimit,
}

/// Memory of answered transfers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// There is none.
    None,
    /// There is some, and nothing was answered since the last tick.
    Unused,
    /// Something was answered since the last tick.
    Used,
}

impl Outgoing {
    pub(crate) fn new(stub: &Stub) -> Self {
        Self {
            device: stub.device().clone(),
            id: stub.id(),
            wire: stub.wire().clone(),
            backlog: UrbQueue::default(),
            sending: UrbQueue::default(),
            headers: KVVec::new(),
            spares: Kept::None,
            log: RateLimit::new(),
        }
    }

    /// Writes the header and the packet descriptors of an answer.
    fn encode(&mut self, urb: &Urb<Completed, Request>) -> Result {
        self.headers
            .extend_from_slice(&request::header(urb), GFP_KERNEL)?;
        if urb.context().answer() == Answer::Submit {
            for packet in urb.packets() {
                self.headers
                    .extend_from_slice(&packet.encode(), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// Traces an answer, and says what users look for in the log, unless there is too much of it.
    fn report(&self, urb: &Urb<Completed, Request>) {
        let status = urb.status();
        let endpoint = urb.endpoint();
        if urb.context().is_transfer() {
            trace::returned(
                trace::Role::Host,
                self.id.get(),
                urb.context().seqnum().get(),
                endpoint.number().into(),
                endpoint.direction().to_wire(),
                i32::try_from(urb.actual_length()).unwrap_or(i32::MAX),
                status.get(),
            );
        }
        let quiet = matches!(status, Status::OK | Status::CONNRESET)
            || urb.context().answer() != Answer::Submit;
        if quiet || !self.log.allows() {
            return;
        }
        let device: &kernel::device::Device = (*self.device).as_ref();
        match status {
            Status::PIPE => dev_info!(device, "endpoint {} is stalled\n", endpoint.number()),
            Status::SHUTDOWN => dev_info!(device, "device removed?\n"),
            _ => dev_info!(
                device,
                "urb completion with non-zero status {}\n",
                status.get()
            ),
        }
    }
}

/// Whether the data of an URB go to the peer.
fn sends_data(urb: &Urb<Completed, Request>) -> bool {
    urb.context().answer() == Answer::Submit && urb.endpoint().direction() == Direction::In
}

impl Transmit for Outgoing {
    fn gather(&mut self) -> Result<Fill, Fault> {
        if self.backlog.is_empty() {
            self.backlog = self.wire.take_output();
        }
        self.headers.clear();
        let mut answers = 0_usize;
        let mut data = 0_usize;
        while answers < MAX_ANSWERS && data < ENOUGH_DATA {
            let Some(urb) = self.backlog.pop() else { break };
            self.report(&urb);
            if urb.status() == Status::HOSTUNREACH {
                // Drivers on the importing side do not ask again after an error of the kind, and nobody tells them when
                // the device is awake: the peer had better import it anew.
                return Err(Fault::Asleep);
            }
            usbip_dbg!(
                Tx,
                "answer {}, status {}, {} bytes\n",
                urb.context().seqnum().get(),
                urb.status().get(),
                urb.actual_length()
            );
            self.encode(&urb).map_err(|_| Fault::NoMemory)?;
            answers = answers.saturating_add(1);
            if sends_data(&urb) {
                data = data.saturating_add(urb.actual_length());
            }
            let packets = usize::from(urb.packet_count());
            data = data.saturating_add(packets.saturating_mul(ISO_DESC_LEN));
            self.sending.push(urb);
        }
        Ok(match answers {
            0 => Fill::Empty,
            _ if self.backlog.is_empty() => Fill::All,
            _ => Fill::Part,
        })
    }

    fn frame<'a>(&'a self, frame: &mut WriteVec<'a>) -> Result<(), Fault> {
        // Headers that follow one another without data between them are one piece.
        let mut from = 0;
        let mut to = 0_usize;
        for urb in self.sending.iter() {
            to = to.saturating_add(HEADER_LEN);
            if sends_data(&urb) {
                let piece = self.headers.get(from..to).unwrap_or_default();
                frame.push(piece).map_err(|_| Fault::NoMemory)?;
                urb.put_data(frame).map_err(|_| Fault::NoMemory)?;
                from = to;
            }
            if urb.context().answer() == Answer::Submit {
                let packets = usize::from(urb.packet_count());
                to = to.saturating_add(packets.saturating_mul(ISO_DESC_LEN));
            }
        }
        let piece = self.headers.get(from..to).unwrap_or_default();
        frame.push(piece).map_err(|_| Fault::NoMemory)
    }

    fn sent(&mut self) -> Result<(), Fault> {
        let mut bytes = 0_usize;
        while let Some(urb) = self.sending.pop() {
            bytes = bytes.wrapping_add(urb.context().cost());
            self.wire.spares().keep(urb);
            self.spares = Kept::Used;
        }
        self.wire.release(bytes);
        Ok(())
    }

    fn needs_ticks(&self) -> bool {
        self.spares != Kept::None
    }

    /// Nobody waits for a client. A device that is not used keeps no memory; that of a stream must not be given up in
    /// the middle of it, since pieces so large may not be had again.
    fn tick(&mut self) -> bool {
        self.spares = match self.spares {
            Kept::Used => Kept::Unused,
            Kept::Unused | Kept::None => {
                self.wire.spares().clear();
                Kept::None
            }
        };
        false
    }
}
