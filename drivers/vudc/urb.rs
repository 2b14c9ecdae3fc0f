// SPDX-License-Identifier: GPL-2.0

//! A transfer that the importing machine asks for, and what becomes its answer.
//!
//! Not the kernel's `struct urb`: there is no bus that one could be submitted to.

use kernel::{
    prelude::*, //
};

use usbip_kernel::{
    iovec::WriteVec,
    mem::zeroes, //
};
use usbip_logic::gadget::Side;
use usbip_proto::{
    CmdSubmit,
    Direction,
    IsoPacket,
    RetSubmit,
    RetUnlink,
    Seqnum,
    Status,
    TransferFlags,
    TransferKind,
    HEADER_LEN,
    ISO_DESC_LEN, //
};

use crate::charge::Charge;

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With its own result and data.
    Submit,
    /// Not at all: with its result the request to unlink it is answered.
    Unlink(Seqnum),
}

/// How far a control transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody has seen the setup packet.
    Setup,
    /// The gadget driver has, and answers.
    Data,
}

/// What is to be made room for.
pub(crate) struct Shape {
    /// The kind of the transfer.
    pub(crate) kind: TransferKind,
    /// Its direction.
    pub(crate) direction: Direction,
    /// Bytes of data.
    pub(crate) length: usize,
    /// Isochronous packets.
    pub(crate) packets: u16,
}

impl Shape {
    /// Of an answer without data.
    pub(crate) const NOTHING: Self = Self {
        kind: TransferKind::Control,
        direction: Direction::Out,
        length: 0,
        packets: 0,
    };

    /// The bytes that it takes up.
    pub(crate) fn cost(&self) -> usize {
        usize::from(self.packets)
            .saturating_mul(size_of::<IsoPacket>())
            .saturating_add(self.length)
            .saturating_add(size_of::<Urb>())
    }
}

/// A transfer.
pub(crate) struct Urb {
    seqnum: Seqnum,
    endpoint: u8,
    kind: TransferKind,
    direction: Direction,
    flags: TransferFlags,
    setup: [u8; 8],
    /// The buffer, all of it.
    data: KVVec<u8>,
    /// How much of it the peer has sent, or the device has moved.
    moved: usize,
    packets: KVec<IsoPacket>,
    /// The packets of which it is known what became of them; to the others the same happened as to all of it.
    packets_done: usize,
    /// What the request said about packets, which an answer without packets repeats.
    packets_field: i32,
    start_frame: i32,
    stage: Stage,
    status: Status,
    answer: Answer,
    charge: Option<Charge>,
    /// The next one in a queue.
    next: Option<KBox<Urb>>,
}

impl Urb {
    /// Makes room for the transfer of a submission.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the charge is given back.
    pub(crate) fn new(
        submit: &CmdSubmit,
        shape: &Shape,
        charge: Charge,
    ) -> Result<KBox<Self>, Charge> {
        match Self::buffers(shape) {
            Ok((data, packets)) => {
                let urb = Self {
                    seqnum: submit.seqnum,
                    endpoint: u8::try_from(submit.endpoint).unwrap_or(0),
                    kind: shape.kind,
                    direction: shape.direction,
                    flags: submit.flags.receive_mask(shape.kind, shape.direction),
                    setup: submit.setup,
                    data,
                    moved: 0,
                    packets,
                    packets_done: 0,
                    packets_field: submit.packets,
                    start_frame: submit.start_frame,
                    stage: Stage::Setup,
                    status: Status::OK,
                    answer: Answer::Submit,
                    charge: None,
                    next: None,
                };
                match KBox::new(urb, GFP_KERNEL) {
                    Ok(mut urb) => {
                        urb.charge = Some(charge);
                        Ok(urb)
                    }
                    Err(_) => Err(charge),
                }
            }
            Err(_) => Err(charge),
        }
    }

    fn buffers(shape: &Shape) -> Result<(KVVec<u8>, KVec<IsoPacket>)> {
        // Zeros: what the device does not fill must not be somebody else's.
        let data = zeroes(shape.length)?;
        let packets = KVec::with_capacity(usize::from(shape.packets), GFP_KERNEL)?;
        Ok((data, packets))
    }

    /// Answers an unlink that found nothing.
    pub(crate) fn unlinked(seqnum: Seqnum, charge: Charge) -> Result<KBox<Self>, Charge> {
        let submit = CmdSubmit {
            seqnum,
            devid: usbip_proto::DevId::from_wire(0),
            direction: Direction::Out,
            endpoint: 0,
            flags: TransferFlags::NONE,
            length: 0,
            start_frame: 0,
            packets: 0,
            interval: 0,
            setup: [0; 8],
        };
        let mut urb = Self::new(&submit, &Shape::NOTHING, charge)?;
        urb.answer = Answer::Unlink(seqnum);
        Ok(urb)
    }

    pub(crate) fn seqnum(&self) -> Seqnum {
        self.seqnum
    }

    pub(crate) fn endpoint(&self) -> u8 {
        self.endpoint
    }

    pub(crate) fn kind(&self) -> TransferKind {
        self.kind
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    pub(crate) fn setup(&self) -> &[u8; 8] {
        &self.setup
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// The gadget driver gets the setup packet.
    pub(crate) fn begin_data(&mut self) {
        self.stage = Stage::Data;
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    pub(crate) fn answer(&self) -> Answer {
        self.answer
    }

    pub(crate) fn set_answer(&mut self, answer: Answer) {
        self.answer = answer;
    }

    /// Whether it is about a transfer, and not only the answer to an unlink.
    pub(crate) fn is_transfer(&self) -> bool {
        self.answer != Answer::Unlink(self.seqnum)
    }

    /// Takes what was counted for it from it.
    pub(crate) fn take_charge(&mut self) -> Option<Charge> {
        self.charge.take()
    }

    /// The bytes that the device has moved.
    pub(crate) fn moved(&self) -> usize {
        self.moved
    }

    /// Where the peer's next bytes belong.
    pub(crate) fn unreceived(&mut self) -> &mut [u8] {
        self.data.get_mut(self.moved..).unwrap_or_default()
    }

    /// Counts bytes that the peer has sent.
    pub(crate) fn received(&mut self, count: usize) {
        self.moved = self.moved.saturating_add(count).min(self.data.len());
    }

    /// Adds the description of a packet; there is room for as many as were said.
    pub(crate) fn add_packet(&mut self, packet: IsoPacket) -> Result {
        self.packets
            .push_within_capacity(packet)
            .map_err(|_| EINVAL)
    }

    /// All of it is here: from now on it counts what the device moves.
    pub(crate) fn complete(&mut self) {
        self.moved = 0;
    }

    /// What is left to move.
    pub(crate) fn side(&self) -> Side {
        Side {
            left: self.data.len().saturating_sub(self.moved),
            zero: self.flags.contains(TransferFlags::ZERO_PACKET),
        }
    }

    /// The buffer from where the device has come to.
    pub(crate) fn rest(&mut self) -> &mut [u8] {
        self.data.get_mut(self.moved..).unwrap_or_default()
    }

    /// Counts bytes that the device has moved.
    pub(crate) fn advance(&mut self, count: usize) {
        self.moved = self.moved.saturating_add(count).min(self.data.len());
    }

    /// Ends it, without data if it failed before there could be any.
    pub(crate) fn end(&mut self, status: Status) {
        self.status = status;
    }

    /// Puts an answer that the controller itself gives into the buffer.
    pub(crate) fn fill(&mut self, answer: &[u8]) {
        let count = answer.len().min(self.data.len());
        if let (Some(space), Some(answer)) = (self.data.get_mut(..count), answer.get(..count)) {
            space.copy_from_slice(answer);
        }
        self.moved = count;
    }

    /// All data count as moved.
    pub(crate) fn take_all(&mut self) {
        self.moved = self.data.len();
    }

    /// The next packet of which nothing is known yet, with its place in the buffer.
    pub(crate) fn next_packet(&mut self) -> Option<&mut [u8]> {
        let packet = self.packets.get(self.packets_done)?;
        let place = place(packet, packet.length)?;
        Some(self.data.get_mut(place).unwrap_or_default())
    }

    /// Notes what became of that packet.
    pub(crate) fn end_packet(&mut self, moved: usize, status: Status) {
        if let Some(packet) = self.packets.get_mut(self.packets_done) {
            packet.actual_length = u32::try_from(moved).unwrap_or(0);
            packet.status = status;
        }
        self.moved = self.moved.saturating_add(moved);
        self.packets_done = self.packets_done.saturating_add(1);
    }

    /// Whether data follow the header of the answer.
    pub(crate) fn sends_data(&self) -> bool {
        self.answer == Answer::Submit && self.direction == Direction::In
    }

    /// Bytes of descriptors that follow the answer.
    pub(crate) fn descriptor_bytes(&self) -> usize {
        match self.answer {
            Answer::Submit => self.packets.len().saturating_mul(ISO_DESC_LEN),
            Answer::Unlink(_) => 0,
        }
    }

    /// The packets as they ended.
    fn results(&self) -> impl Iterator<Item = IsoPacket> + '_ {
        self.packets.iter().enumerate().map(|(index, packet)| {
            let mut packet = *packet;
            if index >= self.packets_done {
                packet.status = self.status;
            }
            packet
        })
    }

    /// Writes the header and the descriptors of the answer.
    pub(crate) fn encode(&self, out: &mut KVVec<u8>) -> Result {
        out.extend_from_slice(&self.header(), GFP_KERNEL)?;
        if self.answer == Answer::Submit {
            for packet in self.results() {
                out.extend_from_slice(&packet.encode(), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    fn header(&self) -> [u8; HEADER_LEN] {
        let failed = self.results().filter(|p| !p.status.is_ok()).count();
        match self.answer {
            Answer::Unlink(seqnum) => RetUnlink {
                seqnum,
                status: self.status,
            }
            .encode(),
            Answer::Submit => RetSubmit {
                seqnum: self.seqnum,
                status: self.status,
                actual_length: i32::try_from(self.moved).unwrap_or(i32::MAX),
                start_frame: self.start_frame,
                packets: match self.packets.len() {
                    0 => self.packets_field,
                    count => i32::try_from(count).unwrap_or(i32::MAX),
                },
                error_count: i32::try_from(failed).unwrap_or(i32::MAX),
            }
            .encode(),
        }
    }

    /// Puts the data of the answer into a frame, without what lies between packets.
    pub(crate) fn put_data<'a>(&'a self, frame: &mut WriteVec<'a>) -> Result {
        if self.packets.is_empty() {
            return frame.push(self.data.get(..self.moved).unwrap_or_default());
        }
        for packet in &self.packets {
            let piece = place(packet, packet.actual_length).and_then(|place| self.data.get(place));
            frame.push(piece.unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Where so many bytes of a packet lie.
fn place(packet: &IsoPacket, length: u32) -> Option<core::ops::Range<usize>> {
    let start = usize::try_from(packet.offset).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    Some(start..end)
}

/// Transfers, first in, first out, without memory of its own.
///
/// Two stacks: what is pushed to one is taken from the other, which gets all of it when it is empty.
#[derive(Default)]
pub(crate) struct UrbQueue {
    front: Option<KBox<Urb>>,
    back: Option<KBox<Urb>>,
}

impl UrbQueue {
    pub(crate) const fn new() -> Self {
        Self {
            front: None,
            back: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_none() && self.back.is_none()
    }

    pub(crate) fn push(&mut self, mut urb: KBox<Urb>) {
        urb.next = self.back.take();
        self.back = Some(urb);
    }

    fn settle(&mut self) {
        if self.front.is_some() {
            return;
        }
        while let Some(mut urb) = self.back.take() {
            self.back = urb.next.take();
            urb.next = self.front.take();
            self.front = Some(urb);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<KBox<Urb>> {
        self.settle();
        let mut urb = self.front.take()?;
        self.front = urb.next.take();
        Some(urb)
    }

    pub(crate) fn front(&mut self) -> Option<&mut Urb> {
        self.settle();
        self.front.as_deref_mut()
    }

    /// Takes out the one with that number.
    pub(crate) fn remove(&mut self, seqnum: Seqnum) -> Option<KBox<Urb>> {
        cut(&mut self.front, seqnum).or_else(|| cut(&mut self.back, seqnum))
    }

    /// All in order, once none has been pushed since the last [`Self::arrange`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Urb> {
        core::iter::successors(self.front.as_deref(), |urb| urb.next.as_deref())
    }

    /// Puts all into the order that [`Self::iter`] shows; the queue must have been empty before what was pushed.
    pub(crate) fn arrange(&mut self) {
        self.settle();
    }
}

fn cut(list: &mut Option<KBox<Urb>>, seqnum: Seqnum) -> Option<KBox<Urb>> {
    let mut at = list;
    while at.as_ref()?.seqnum != seqnum {
        at = &mut at.as_mut()?.next;
    }
    let mut found = at.take()?;
    *at = found.next.take();
    Some(found)
}

impl Drop for UrbQueue {
    fn drop(&mut self) {
        // One by one: dropping a chain at once would need a stack as deep as the chain is long.
        while let Some(urb) = self.pop() {
            drop(urb);
        }
    }
}
