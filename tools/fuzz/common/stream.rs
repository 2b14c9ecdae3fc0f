// SPDX-License-Identifier: GPL-2.0-or-later

//! Streams that are cut in different ways.

use usbip_logic::receive::{
    Payload,
    Receiver,
    Sink, //
};
use usbip_proto::{
    IsoPacket,
    HEADER_LEN, //
};

/// Judges PDUs, and checks its own judgement.
pub trait Judge {
    /// Nothing ends the stream.
    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Option<Payload>;
    fn packet(&mut self, packet: IsoPacket);
    fn finish(&mut self);
}

/// Remembers what came.
struct Recorder<J> {
    judge: J,
    payload: Payload,
    data: usize,
    packets: u16,
    seen: Vec<u8>,
}

impl<J: Judge> Sink for Recorder<J> {
    type Error = ();

    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Result<Payload, ()> {
        self.seen.extend(header);
        self.payload = self.judge.header(header).ok_or(())?;
        self.data = 0;
        self.packets = 0;
        Ok(self.payload)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), ()> {
        assert!(self.payload.keep);
        self.data += bytes.len();
        self.seen.extend(bytes);
        Ok(())
    }

    fn advanced(&mut self, _: usize) -> Result<(), ()> {
        // Nobody reads to its place here.
        Err(())
    }

    fn packet(&mut self, index: u16, packet: IsoPacket) -> Result<(), ()> {
        assert!(self.payload.keep_packets);
        assert_eq!(index, self.packets);
        self.packets += 1;
        self.seen.extend(packet.encode());
        self.judge.packet(packet);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ()> {
        assert_eq!(
            self.data,
            if self.payload.keep {
                self.payload.data as usize
            } else {
                0
            }
        );
        assert_eq!(
            self.packets,
            if self.payload.keep_packets {
                self.payload.packets
            } else {
                0
            }
        );
        self.judge.finish();
        Ok(())
    }
}

/// Feeds a stream in pieces of the given lengths, over and over; returns what was seen of it.
fn run<J: Judge>(judge: J, stream: &[u8], cuts: &[u8]) -> (Vec<u8>, bool, bool) {
    let mut sink = Recorder {
        judge,
        payload: Payload::NONE,
        data: 0,
        packets: 0,
        seen: Vec::new(),
    };
    let mut receiver = Receiver::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    let mut good = true;
    while good && !rest.is_empty() {
        let length = cuts.next().map_or(rest.len(), |cut| usize::from(*cut) + 1);
        let (piece, later) = rest.split_at(length.min(rest.len()));
        good = receiver.feed(piece, &mut sink).is_ok();
        rest = later;
    }
    (sink.seen, good, receiver.at_boundary())
}

/// The first bytes say how to cut the rest.
pub fn same_for_any_cut<J: Judge>(data: &[u8], judge: impl Fn() -> J) {
    let Some((cuts, stream)) = data.split_first_chunk::<4>() else {
        return;
    };
    let whole = run(judge(), stream, &[]);
    assert_eq!(run(judge(), stream, cuts), whole);
    assert_eq!(run(judge(), stream, &[0]), whole);
}
