// SPDX-License-Identifier: GPL-2.0

//! The packets of isochronous transfers: whether they fit their buffer, and where their data go.
//!
//! Data of packets that the device sends travel without the gaps between them; data that go to the
//! device travel with them. Never lets a peer choose where in a buffer a packet lies, except for
//! the buffer that is made for that peer alone, and never outside of it.

use usbip_proto::{
    Direction,
    IsoPacket,
    Status, //
};

/// Checks that a packet lies within a buffer.
///
/// # Errors
///
/// [`Status::INVAL`] if it does not.
pub fn check_submit(packet: &IsoPacket, buffer: u32) -> Result<(), Status> {
    match packet.offset.checked_add(packet.length) {
        Some(end) if end <= buffer => Ok(()),
        _ => Err(Status::INVAL),
    }
}

/// Checks the packets of a submission, one after the other, on the exporting host.
#[derive(Clone, Copy, Debug)]
pub struct SubmitCheck {
    direction: Direction,
    buffer: u32,
    /// The bytes that the packets may take together; saturates.
    requested: u32,
    result: Result<(), Status>,
}

impl SubmitCheck {
    /// Starts before the first packet of a transfer with a buffer of that length.
    pub const fn new(direction: Direction, buffer: u32) -> Self {
        Self {
            direction,
            buffer,
            requested: 0,
            result: Ok(()),
        }
    }

    /// Checks the next packet. Returns it as it may be submitted: without the client's results.
    pub fn packet(&mut self, packet: &IsoPacket) -> IsoPacket {
        self.requested = self.requested.saturating_add(packet.length);
        self.result = self.result.and(check_submit(packet, self.buffer));
        IsoPacket {
            actual_length: 0,
            status: Status::OK,
            ..*packet
        }
    }

    /// Returns the verdict, after the last packet.
    ///
    /// # Errors
    ///
    /// [`Status::INVAL`] if a packet is not within the buffer, or if packets that the device sends
    /// overlap so much that the answer could be longer than the buffer.
    pub fn finish(self) -> Result<(), Status> {
        if self.direction.is_in() && self.requested > self.buffer {
            return Err(Status::INVAL);
        }
        self.result
    }
}

/// The part of a packet descriptor that an importing host takes from the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketResult {
    /// The bytes that were moved, never more than were asked for.
    pub actual_length: u32,
    /// How the packet ended, safe for any driver.
    pub status: Status,
}

/// Checks the packets of an answer, one after the other, on the importing host.
#[derive(Clone, Copy, Debug)]
pub struct ReplyCheck {
    direction: Direction,
    actual_length: u32,
    /// The bytes that the packets moved together; saturates.
    moved: u32,
    errors: u16,
    too_long: bool,
}

impl ReplyCheck {
    /// Starts before the first packet of an answer with that actual length.
    pub const fn new(direction: Direction, actual_length: u32) -> Self {
        Self {
            direction,
            actual_length,
            moved: 0,
            errors: 0,
            too_long: false,
        }
    }

    /// Checks the next packet, of which `requested` bytes were asked for. Offset and length of the
    /// packet are not looked at: those of the driver stay.
    pub fn packet(&mut self, packet: &IsoPacket, requested: u32) -> PacketResult {
        let mut result = PacketResult {
            actual_length: packet.actual_length,
            status: packet.status.normalise(),
        };
        if packet.actual_length > requested {
            self.too_long = true;
            result = PacketResult {
                actual_length: 0,
                status: Status::PROTO,
            };
        }
        if !result.status.is_ok() {
            self.errors = self.errors.saturating_add(1);
        }
        self.moved = self.moved.saturating_add(result.actual_length);
        result
    }

    /// Returns the number of packets that failed, after the last packet.
    ///
    /// # Errors
    ///
    /// [`Status::PROTO`] if a packet claims more than was asked for, or the packets that came in
    /// are not all of the data. Then no packet has any data, and the transfer failed.
    pub fn finish(self) -> Result<u16, Status> {
        if self.too_long || (self.direction.is_in() && self.moved != self.actual_length) {
            return Err(Status::PROTO);
        }
        Ok(self.errors)
    }
}

/// Where a packet lies in its buffer, and how much of it there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Where it starts.
    pub offset: u32,
    /// How many bytes there are.
    pub actual_length: u32,
}

/// A move of data within a buffer. Source and destination may overlap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// Where the data are.
    pub from: usize,
    /// Where they belong.
    pub to: usize,
    /// How many bytes there are.
    pub len: usize,
}

/// Works out how to move data that came without gaps to the places of their packets.
///
/// `data` is the length of the data, which lie at the start of a buffer of `buffer` bytes; the
/// packets together must have exactly that length. Calls `apply` for each move, in an order in
/// which none overwrites what another still has to move.
///
/// # Errors
///
/// [`Status::PROTO`] if lengths do not add up, or a packet is not within the buffer, or lies in
/// front of its data. No driver lays out its packets so that this could happen with honest lengths:
/// they are in order, and do not overlap.
pub fn spread_with<I>(
    packets: I,
    data: u32,
    buffer: u32,
    mut apply: impl FnMut(Move),
) -> Result<(), Status>
where
    I: IntoIterator<Item = Span>,
    I::IntoIter: DoubleEndedIterator,
{
    let mut end = data;
    // From the last to the first: a packet moves up or stays, where later ones have left.
    for packet in packets.into_iter().rev() {
        let start = end.checked_sub(packet.actual_length).ok_or(Status::PROTO)?;
        if packet.actual_length > 0 {
            let fits = packet
                .offset
                .checked_add(packet.actual_length)
                .is_some_and(|end| end <= buffer);
            if !fits || packet.offset < start {
                return Err(Status::PROTO);
            }
            if packet.offset > start {
                apply(Move {
                    from: usize::try_from(start).map_err(|_| Status::PROTO)?,
                    to: usize::try_from(packet.offset).map_err(|_| Status::PROTO)?,
                    len: usize::try_from(packet.actual_length).map_err(|_| Status::PROTO)?,
                });
            }
        }
        end = start;
    }
    if end == 0 {
        Ok(())
    } else {
        Err(Status::PROTO)
    }
}

/// Moves data that came without gaps to the places of their packets, as [`spread_with`] says.
///
/// # Errors
///
/// [`Status::PROTO`] as for [`spread_with`]; the buffer may have been changed in part.
pub fn spread<I>(buffer: &mut [u8], data: u32, packets: I) -> Result<(), Status>
where
    I: IntoIterator<Item = Span>,
    I::IntoIter: DoubleEndedIterator,
{
    let len = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    if data > len {
        return Err(Status::PROTO);
    }
    spread_with(packets, data, len, |m| {
        // Both ranges were checked against the length of the buffer: `from` is below `to`.
        let end = m.from.saturating_add(m.len);
        buffer.copy_within(m.from..end, m.to);
    })
}

/// Returns the bytes of a packet that are sent to the importing host; `None` if they are not within
/// the buffer.
pub fn packed(buffer: &[u8], span: Span) -> Option<&[u8]> {
    let start = usize::try_from(span.offset).ok()?;
    let end = start.checked_add(usize::try_from(span.actual_length).ok()?)?;
    buffer.get(start..end)
}
