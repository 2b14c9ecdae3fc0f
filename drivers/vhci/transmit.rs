// SPDX-License-Identifier: GPL-2.0

//! What the sending thread takes: all requests in the line, as one frame.
//!
//! What is small is copied while the port is locked. Data that go to the device are sent from where they lie; the
//! URB is then held here until they have left, so that nobody gives it back meanwhile. Transfers of an endpoint end in
//! the order in which they were answered: what is held must not be overtaken by what is not.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_core::{
    usbip_dbg,
    Fault,
    Fill,
    Session,
    Transmit, //
};
use usbip_hcd::{
    Detached,
    Queued, //
};
use usbip_kernel::{
    iovec::WriteVec,
    irqlock::SpinLockIrqGuard,
    trace, //
};
use usbip_logic::requests::PutBack;
use usbip_proto::{
    CmdSubmit,
    CmdUnlink,
    DevId,
    Direction,
    IsoPacket,
    Seqnum,
    Status,
    TransferFlags,
    TransferKind,
    HEADER_LEN,
    ISO_DESC_LEN, //
};

use crate::{
    port::{
        Inner,
        Port, //
    },
    receive::{
        apply_early,
        trace_return, //
    },
    requests::{
        Entry,
        Submission, //
    }, //
};

/// Bytes of headers and packet descriptors in a frame; the buffer grows if a single request has more.
const SMALL: usize = 64 * HEADER_LEN;

/// Requests with data in a frame.
const WITH_DATA: usize = 32;

/// Bytes of data in a frame from which on no more are added.
const ENOUGH: usize = 256 * 1024;

/// What data are filled up with if a scatter-gather list is shorter than its transfer.
static ZEROES: [u8; 512] = [0; 512];

/// A part of a frame.
enum Part {
    /// So many bytes of the buffer.
    Small(usize),
    /// The data of the next URB that is held.
    Data,
}

/// The sending side of a port's connection.
pub(crate) struct Transmitter {
    session: Arc<Session<Port>>,
    /// Headers and packet descriptors of a frame, in order.
    small: KVVec<u8>,
    parts: KVec<Part>,
    /// The URBs whose data are being sent.
    sending: KVec<(Seqnum, Queued)>,
    /// Those of them that turned out to be answered already.
    answered: KVec<(Detached, Status)>,
    /// Whether usbcore waits for transfers that it gives up.
    is_awaited: bool,
}

/// What came of a look at the line.
enum Gathered {
    /// All that there was.
    All,
    /// As much as fits.
    Part,
    /// The first request alone needs a buffer of that size.
    Needs(usize),
}

impl Transmitter {
    /// Allocates the buffers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(session: Arc<Session<Port>>) -> Result<Self> {
        Ok(Self {
            session,
            small: KVVec::with_capacity(SMALL, GFP_KERNEL)?,
            parts: KVec::with_capacity(2 * WITH_DATA + 1, GFP_KERNEL)?,
            sending: KVec::with_capacity(WITH_DATA, GFP_KERNEL)?,
            answered: KVec::with_capacity(WITH_DATA, GFP_KERNEL)?,
            is_awaited: false,
        })
    }

    /// Takes requests from the line into the buffers.
    fn take(&mut self) -> Gathered {
        let Self {
            session,
            small,
            parts,
            sending,
            is_awaited,
            ..
        } = self;
        let mut inner = session.role().lock();
        let mut gathered = Gathered::All;
        let devid = inner.devid();
        let mut data = 0_usize;
        // The bytes of the buffer that are not in a part yet.
        let mut run = 0_usize;

        while let Some((seqnum, place)) = inner.requests.first() {
            let Some(entry) = inner.requests.at(place) else {
                break;
            };
            let needs = small_len(entry);
            if needs > small.capacity().saturating_sub(small.len()) {
                if small.is_empty() {
                    return Gathered::Needs(needs);
                }
                gathered = Gathered::Part;
                break;
            }
            let mut with_data = 0;
            match entry {
                Entry::Submit(submission) => {
                    with_data = data_len(submission);
                    let fits = match with_data {
                        0 => !overtakes(submission, sending),
                        _ => data < ENOUGH && sending.len() < sending.capacity(),
                    };
                    if !fits {
                        gathered = Gathered::Part;
                        break;
                    }
                    if let Some(urb) = submission.urb() {
                        let command = command(seqnum, devid, urb);
                        trace::submit(
                            trace::Role::Vhci,
                            devid.get(),
                            seqnum.get(),
                            command.endpoint,
                            command.direction.to_wire(),
                            command.length,
                        );
                        usbip_dbg!(Tx, "{:?}\n", command);
                        append(small, &command.encode());
                        if with_data == 0 {
                            append_packets(small, urb.packets());
                        }
                    }
                }
                Entry::Unlink(unlink) => {
                    let command = CmdUnlink {
                        seqnum,
                        devid,
                        target: unlink.target,
                    };
                    usbip_dbg!(Tx, "{:?}\n", command);
                    append(small, &command.encode());
                }
            }
            let urb = inner.requests.send(seqnum, place, with_data > 0);
            if let Some(urb) = urb {
                // Header, data, and then the descriptors, if there are any.
                append_packets(small, urb.packets());
                hold(parts, Part::Small(run.saturating_add(HEADER_LEN)));
                hold(parts, Part::Data);
                run = needs.saturating_sub(HEADER_LEN);
                data = data.saturating_add(with_data);
                hold(sending, (seqnum, urb));
            } else {
                run = run.saturating_add(needs);
            }
            if inner.requests.is_sparse() {
                gathered = Gathered::Part;
                break;
            }
        }
        *is_awaited = inner.requests.is_awaited();
        drop(inner);
        if run > 0 {
            hold(parts, Part::Small(run));
        }
        gathered
    }

    /// Puts the URBs back whose data have been sent, and gives back those that are answered already.
    ///
    /// As long as there are some of these, the others are kept: the receiving thread, which gives back what was put
    /// back, would overtake.
    fn settle(&mut self) {
        while !self.sending.is_empty() {
            let mut inner = self.session.role().lock();
            let mut at = 0;
            while let Some((seqnum, _)) = self.sending.get(at) {
                if inner.requests.is_answered(*seqnum) {
                    if let Ok((seqnum, urb)) = self.sending.remove(at) {
                        put_back(&mut inner, seqnum, urb, &mut self.answered);
                    }
                } else {
                    at = at.saturating_add(1);
                }
            }
            if self.answered.is_empty() {
                for (seqnum, urb) in self.sending.drain_all() {
                    put_back(&mut inner, seqnum, urb, &mut self.answered);
                }
            }
            drop(inner);
            for (urb, status) in self.answered.drain_all() {
                urb.give_back(status);
            }
        }
    }
}

/// Puts an URB back whose data have been sent; if it does not wait for its answer, it is added to `ended`.
fn put_back(
    inner: &mut SpinLockIrqGuard<'_, Inner>,
    seqnum: Seqnum,
    urb: Queued,
    ended: &mut KVec<(Detached, Status)>,
) {
    let (urb, status) = match inner.requests.put_back(seqnum, urb) {
        Ok(PutBack::Waiting) => return,
        Ok(PutBack::Answered(mut urb, early)) => {
            let status = apply_early(&mut urb, &early);
            (urb, status)
        }
        Err(urb) => (urb, Status::SHUTDOWN),
    };
    trace_return(inner.devid().get(), seqnum, &urb, status);
    hold(ended, (urb.detach(inner), status));
}

impl Transmit for Transmitter {
    fn gather(&mut self) -> Result<Fill, Fault> {
        self.small.clear();
        self.parts.clear();
        let more = loop {
            match self.take() {
                Gathered::All => break Fill::All,
                Gathered::Part => break Fill::Part,
                Gathered::Needs(len) => {
                    self.small
                        .reserve(len, GFP_KERNEL)
                        .map_err(|_| Fault::NoMemory)?;
                }
            }
        };
        Ok(if self.parts.is_empty() {
            Fill::Empty
        } else {
            more
        })
    }

    fn frame<'a>(&'a self, frame: &mut WriteVec<'a>) -> Result<(), Fault> {
        let mut small: &'a [u8] = &self.small;
        let mut sending = self.sending.iter();
        for part in &self.parts {
            match part {
                Part::Small(len) => {
                    let (now, later) = small.split_at_checked(*len).unwrap_or((small, &[]));
                    small = later;
                    push(frame, now)?;
                }
                Part::Data => {
                    if let Some((_, urb)) = sending.next() {
                        push_data(frame, urb)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn sent(&mut self) -> Result<(), Fault> {
        self.settle();
        Ok(())
    }

    fn needs_ticks(&self) -> bool {
        self.is_awaited
    }

    fn tick(&mut self) -> bool {
        let mut inner = self.session.role().lock();
        let is_too_long = inner.requests.tick();
        self.is_awaited = inner.requests.is_awaited();
        is_too_long
    }
}

impl Drop for Transmitter {
    fn drop(&mut self) {
        // Sending has failed: the URBs go back to the table, for the session to give back.
        self.settle();
    }
}

/// The bytes of header and packet descriptors of a request.
fn small_len(entry: &Entry) -> usize {
    let packets = match entry {
        Entry::Submit(submission) => usize::from(submission.pending.packets),
        Entry::Unlink(_) => 0,
    };
    HEADER_LEN.saturating_add(packets.saturating_mul(ISO_DESC_LEN))
}

/// The bytes of data that go to the device.
fn data_len(submission: &Submission) -> usize {
    match submission.pending.direction {
        Direction::Out => usize::try_from(submission.pending.length).unwrap_or(0),
        Direction::In => 0,
    }
}

/// Whether a transfer without data may be answered before one of its endpoint whose data are in the same frame.
fn overtakes(submission: &Submission, sending: &[(Seqnum, Queued)]) -> bool {
    let pending = &submission.pending;
    if pending.direction == Direction::In && pending.kind != TransferKind::Control {
        return false;
    }
    submission.urb().is_some_and(|urb| {
        let number = urb.endpoint();
        sending.iter().any(|(_, held)| held.endpoint() == number)
    })
}

/// The header of a submission.
fn command(seqnum: Seqnum, devid: DevId, urb: &Queued) -> CmdSubmit {
    CmdSubmit {
        seqnum,
        devid,
        direction: urb.direction(),
        endpoint: urb.endpoint(),
        flags: TransferFlags::from_urb(urb.flags(), urb.is_scattered()),
        // Both were checked when the URB was taken over.
        length: i32::try_from(urb.length()).unwrap_or(0),
        start_frame: urb.start_frame(),
        packets: i32::try_from(urb.packet_count()).unwrap_or(0),
        interval: urb.interval(),
        setup: urb.setup().unwrap_or_default(),
    }
}

/// Appends to the buffer, in which there is room.
#[inline]
fn append(small: &mut KVVec<u8>, bytes: &[u8]) {
    // There is room, so nothing is allocated.
    if small.extend_from_slice(bytes, GFP_ATOMIC).is_err() {
        pr_err!("BUG: a frame is too long\n");
    }
}

fn append_packets(small: &mut KVVec<u8>, packets: impl Iterator<Item = IsoPacket>) {
    for packet in packets {
        append(small, &packet.encode());
    }
}

/// Appends to a vector, in which there is room.
fn hold<T>(vec: &mut KVec<T>, value: T) {
    if vec.push_within_capacity(value).is_err() {
        pr_err!("BUG: a frame is too long\n");
    }
}

fn push<'a>(frame: &mut WriteVec<'a>, bytes: &'a [u8]) -> Result<(), Fault> {
    frame.push(bytes).map_err(|_| Fault::NoMemory)
}

/// Appends the data of an URB, exactly as many as its header says.
fn push_data<'a>(frame: &mut WriteVec<'a>, urb: &'a Queued) -> Result<(), Fault> {
    let len = usize::try_from(urb.length()).unwrap_or(0);
    let pushed = urb.push_payload(frame).map_err(|_| Fault::NoMemory)?;
    let mut missing = len.saturating_sub(pushed);
    while missing > 0 {
        let part = ZEROES.get(..missing).unwrap_or(&ZEROES);
        push(frame, part)?;
        missing = missing.saturating_sub(part.len());
    }
    Ok(())
}
