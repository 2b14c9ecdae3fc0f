// SPDX-License-Identifier: GPL-2.0

//! Cutting the stream of a peer into PDUs.
//!
//! Knows the framing (header, data, packet descriptors) and nothing else: how much follows a header
//! is said by the [`Sink`], which also keeps the data. Never holds on to more than one header.

use usbip_proto::{
    IsoPacket,
    HEADER_LEN,
    ISO_DESC_LEN, //
};

/// What follows a header, and what of it is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Payload {
    /// The bytes of data after the header.
    pub data: u32,
    /// Whether the sink takes the data; else they are skipped.
    pub keep: bool,
    /// The packet descriptors after the data.
    pub packets: u16,
    /// Whether the sink takes the descriptors; else they are skipped.
    pub keep_packets: bool,
}

impl Payload {
    /// Nothing follows the header.
    pub const NONE: Self = Self {
        data: 0,
        keep: false,
        packets: 0,
        keep_packets: false,
    };

    /// Returns the same amount, none of which is wanted.
    #[must_use]
    pub const fn skipped(self) -> Self {
        Self {
            keep: false,
            keep_packets: false,
            ..self
        }
    }
}

/// Who understands the PDUs.
///
/// For each PDU comes one `header`, then as much data and as many packets as its answer asked for
/// and wants to keep, then one `finish`. After an error nothing may be fed any more: the stream can
/// no longer be followed.
pub trait Sink {
    /// Why the stream cannot be followed any further.
    type Error;

    /// Judges a header, and says what follows it.
    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Result<Payload, Self::Error>;

    /// Takes data, to be put behind what came before.
    fn data(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Learns that `count` bytes of data were put where [`Sink::data`] would put them, by someone
    /// who read them straight to their place.
    fn advanced(&mut self, count: usize) -> Result<(), Self::Error>;

    /// Takes a packet descriptor. `index` counts from 0 for each PDU.
    fn packet(&mut self, index: u16, packet: IsoPacket) -> Result<(), Self::Error>;

    /// Learns that the PDU is complete.
    fn finish(&mut self) -> Result<(), Self::Error>;
}

/// Where in a PDU the stream stands.
#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Data { left: u32, payload: Payload },
    Packets { index: u16, payload: Payload },
}

/// The receiving side of a connection.
#[derive(Debug)]
pub struct Receiver {
    state: State,
    /// How many bytes of data of the last PDU were wanted.
    wanted: u32,
    /// The front part of a header or descriptor that came in pieces.
    partial: [u8; HEADER_LEN],
    filled: usize,
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// Starts before the first PDU.
    pub const fn new() -> Self {
        Self {
            state: State::Header,
            wanted: 0,
            partial: [0; HEADER_LEN],
            filled: 0,
        }
    }

    /// Returns whether no PDU is begun, so that the peer may end the stream here.
    pub const fn at_boundary(&self) -> bool {
        matches!(self.state, State::Header) && self.filled == 0
    }

    /// Returns how many bytes of data the sink wanted of the last PDU of which the header is complete.
    pub fn wanted(&self) -> usize {
        usize::try_from(self.wanted).unwrap_or(usize::MAX)
    }

    /// Returns how many of the next bytes of the stream are data that the sink keeps, and that may
    /// therefore be read straight to where it wants them. See [`Receiver::advance`].
    pub fn direct(&self) -> usize {
        match self.state {
            State::Data { left, payload } if payload.keep => {
                usize::try_from(left).unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }

    /// Returns how many bytes there are from here to the end of the next header, without the data in between: those
    /// that can be read ahead without reading any data of the PDU behind it.
    #[inline]
    pub fn ahead(&self) -> usize {
        let packets = match self.state {
            State::Header => 0,
            State::Data { payload, .. } => payload.packets,
            State::Packets { index, payload } => payload.packets.saturating_sub(index),
        };
        usize::from(packets)
            .saturating_mul(ISO_DESC_LEN)
            .saturating_add(HEADER_LEN)
            .saturating_sub(self.filled)
    }

    /// Goes on by `count` bytes that were read straight to their place, at most
    /// [`Receiver::direct`] of them; more are not counted.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    pub fn advance<S: Sink>(&mut self, count: usize, sink: &mut S) -> Result<(), S::Error> {
        let count = count.min(self.direct());
        if let State::Data { left, payload } = self.state {
            if count > 0 {
                sink.advanced(count)?;
                self.consumed(left, count, payload, sink)?;
            }
        }
        Ok(())
    }

    /// Takes the next bytes of the stream, all of them.
    ///
    /// # Errors
    ///
    /// Those of the sink. What follows the error in `bytes` is lost.
    pub fn feed<S: Sink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.state {
                State::Header => self.feed_header(rest, sink)?,
                State::Data { left, payload } => self.feed_data(rest, left, payload, sink)?,
                State::Packets { index, payload } => {
                    self.feed_packet(rest, index, payload, sink)?
                }
            };
        }
        Ok(())
    }

    fn feed_header<'a, S: Sink>(
        &mut self,
        bytes: &'a [u8],
        sink: &mut S,
    ) -> Result<&'a [u8], S::Error> {
        if self.filled == 0 {
            if let Some((header, rest)) = bytes.split_first_chunk() {
                self.begin(header, sink)?;
                return Ok(rest);
            }
        }
        let (complete, rest) = self.collect::<HEADER_LEN>(bytes);
        if let Some(header) = complete {
            self.begin(&header, sink)?;
        }
        Ok(rest)
    }

    fn begin<S: Sink>(&mut self, header: &[u8; HEADER_LEN], sink: &mut S) -> Result<(), S::Error> {
        let payload = sink.header(header)?;
        self.wanted = if payload.keep { payload.data } else { 0 };
        self.enter_data(payload.data, payload, sink)
    }

    fn feed_data<'a, S: Sink>(
        &mut self,
        bytes: &'a [u8],
        left: u32,
        payload: Payload,
        sink: &mut S,
    ) -> Result<&'a [u8], S::Error> {
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        let (data, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
        if payload.keep {
            sink.data(data)?;
        }
        self.consumed(left, data.len(), payload, sink)?;
        Ok(rest)
    }

    fn feed_packet<'a, S: Sink>(
        &mut self,
        bytes: &'a [u8],
        index: u16,
        payload: Payload,
        sink: &mut S,
    ) -> Result<&'a [u8], S::Error> {
        if self.filled == 0 {
            if let Some((descriptor, rest)) = bytes.split_first_chunk() {
                self.packet(descriptor, index, payload, sink)?;
                return Ok(rest);
            }
        }
        let (complete, rest) = self.collect::<ISO_DESC_LEN>(bytes);
        if let Some(descriptor) = complete {
            self.packet(&descriptor, index, payload, sink)?;
        }
        Ok(rest)
    }

    fn packet<S: Sink>(
        &mut self,
        descriptor: &[u8; ISO_DESC_LEN],
        index: u16,
        payload: Payload,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        if payload.keep_packets {
            sink.packet(index, IsoPacket::decode(descriptor))?;
        }
        self.enter_packets(index.saturating_add(1), payload, sink)
    }

    /// Takes `count` of the `left` bytes of data off.
    fn consumed<S: Sink>(
        &mut self,
        left: u32,
        count: usize,
        payload: Payload,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.enter_data(left.saturating_sub(count), payload, sink)
    }

    fn enter_data<S: Sink>(
        &mut self,
        left: u32,
        payload: Payload,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        if left > 0 {
            self.state = State::Data { left, payload };
            Ok(())
        } else {
            self.enter_packets(0, payload, sink)
        }
    }

    fn enter_packets<S: Sink>(
        &mut self,
        index: u16,
        payload: Payload,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        if index < payload.packets {
            self.state = State::Packets { index, payload };
            Ok(())
        } else {
            self.state = State::Header;
            sink.finish()
        }
    }

    /// Collects a header or descriptor that comes in pieces. Returns it once it is complete, and
    /// what follows it.
    fn collect<'a, const N: usize>(&mut self, bytes: &'a [u8]) -> (Option<[u8; N]>, &'a [u8]) {
        let missing = N.saturating_sub(self.filled);
        let (piece, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        let end = self.filled.saturating_add(piece.len());
        if let Some(space) = self.partial.get_mut(self.filled..end) {
            space.copy_from_slice(piece);
        }
        self.filled = end;
        if self.filled < N {
            return (None, rest);
        }
        self.filled = 0;
        (self.partial.first_chunk().copied(), rest)
    }
}
