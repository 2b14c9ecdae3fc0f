// SPDX-License-Identifier: GPL-2.0

//! The receiver against streams cut at any place, read in any way.

use proptest::prelude::*;

use usbip_logic::receive::{
    Payload,
    Receiver,
    Sink, //
};
use usbip_proto::{
    IsoPacket,
    Status,
    HEADER_LEN, //
};

/// One PDU: what the sink is to say about its header, and what follows it.
#[derive(Clone, Debug)]
struct Pdu {
    payload: Payload,
    data: Vec<u8>,
    packets: Vec<IsoPacket>,
}

impl Pdu {
    fn header(&self) -> [u8; HEADER_LEN] {
        let mut header = [0x5a; HEADER_LEN];
        header[..4].copy_from_slice(&self.payload.data.to_be_bytes());
        header[4] = u8::from(self.payload.keep);
        header[5..7].copy_from_slice(&self.payload.packets.to_be_bytes());
        header[7] = u8::from(self.payload.keep_packets);
        header
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header().to_vec();
        bytes.extend(&self.data);
        for packet in &self.packets {
            bytes.extend(packet.encode());
        }
        bytes
    }
}

/// What a sink has got of one PDU.
#[derive(Debug, Default, PartialEq)]
struct Got {
    header: Vec<u8>,
    data: Vec<u8>,
    packets: Vec<IsoPacket>,
}

impl From<&Pdu> for Got {
    fn from(pdu: &Pdu) -> Self {
        let payload = pdu.payload;
        Self {
            header: pdu.header().to_vec(),
            data: if payload.keep {
                pdu.data.clone()
            } else {
                Vec::new()
            },
            packets: if payload.keep_packets {
                pdu.packets.clone()
            } else {
                Vec::new()
            },
        }
    }
}

#[derive(Debug, Default)]
struct Recorder {
    open: Option<Got>,
    done: Vec<Got>,
    /// What a direct read put into place, until the sink is told.
    direct: Vec<u8>,
}

impl Sink for Recorder {
    type Error = &'static str;

    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Result<Payload, Self::Error> {
        assert!(self.open.is_none(), "a header within a PDU");
        if header[8] != 0x5a {
            return Err("bad header");
        }
        self.open = Some(Got {
            header: header.to_vec(),
            ..Got::default()
        });
        Ok(Payload {
            data: u32::from_be_bytes(header[..4].try_into().unwrap()),
            keep: header[4] != 0,
            packets: u16::from_be_bytes([header[5], header[6]]),
            keep_packets: header[7] != 0,
        })
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        assert!(!bytes.is_empty());
        self.open.as_mut().unwrap().data.extend(bytes);
        Ok(())
    }

    fn advanced(&mut self, count: usize) -> Result<(), Self::Error> {
        assert_eq!(count, self.direct.len());
        self.open.as_mut().unwrap().data.append(&mut self.direct);
        Ok(())
    }

    fn packet(&mut self, index: u16, packet: IsoPacket) -> Result<(), Self::Error> {
        let packets = &mut self.open.as_mut().unwrap().packets;
        assert_eq!(usize::from(index), packets.len());
        packets.push(packet);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Self::Error> {
        self.done.push(self.open.take().expect("no PDU to finish"));
        Ok(())
    }
}

fn pdu() -> impl Strategy<Value = Pdu> {
    let packet = (any::<[u32; 3]>(), any::<i32>()).prop_map(|(n, status)| IsoPacket {
        offset: n[0],
        length: n[1],
        actual_length: n[2],
        status: Status::from_raw(status),
    });
    let data = prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..300)
    ];
    let packets = prop_oneof![Just(Vec::new()), proptest::collection::vec(packet, 0..12)];
    (data, any::<bool>(), packets, any::<bool>()).prop_map(|(data, keep, packets, keep_packets)| {
        Pdu {
            payload: Payload {
                data: u32::try_from(data.len()).unwrap(),
                keep,
                packets: u16::try_from(packets.len()).unwrap(),
                keep_packets,
            },
            data,
            packets,
        }
    })
}

proptest! {
    #[test]
    fn any_cut(
        pdus in proptest::collection::vec(pdu(), 1..8),
        cuts in proptest::collection::vec((1_usize..400, any::<bool>()), 1..50),
    ) {
        let bytes: Vec<u8> = pdus.iter().flat_map(Pdu::bytes).collect();
        let mut receiver = Receiver::new();
        let mut sink = Recorder::default();
        let mut rest = bytes.as_slice();
        // A read as the rx thread does it: as much as may be to its place, the rest aside.
        for (size, direct) in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (read, left) = rest.split_at(rest.len().min(*size));
            let space = if *direct { receiver.direct() } else { 0 };
            let (straight, aside) = read.split_at(read.len().min(space));
            sink.direct.extend(straight);
            receiver.advance(straight.len(), &mut sink).unwrap();
            receiver.feed(aside, &mut sink).unwrap();
            rest = left;
        }
        prop_assert!(receiver.at_boundary());
        prop_assert_eq!(receiver.direct(), 0);
        let expected: Vec<Got> = pdus.iter().map(Got::from).collect();
        prop_assert_eq!(sink.done, expected);
    }

    /// However little has come of a PDU, the receiver knows that it is in one.
    #[test]
    fn boundaries(pdu in pdu()) {
        let bytes = pdu.bytes();
        for cut in 0..=bytes.len() {
            let mut receiver = Receiver::new();
            let mut sink = Recorder::default();
            receiver.feed(&bytes[..cut], &mut sink).unwrap();
            prop_assert_eq!(receiver.at_boundary(), cut == 0 || cut == bytes.len());
            prop_assert_eq!(sink.done.len(), usize::from(cut == bytes.len()));
            let wanted = if pdu.payload.keep && cut >= HEADER_LEN { pdu.data.len() } else { 0 };
            prop_assert_eq!(receiver.wanted(), wanted);
        }
    }
}

fn plain(data: &[u8], keep: bool) -> Pdu {
    Pdu {
        payload: Payload {
            data: u32::try_from(data.len()).unwrap(),
            keep,
            packets: 0,
            keep_packets: false,
        },
        data: data.to_vec(),
        packets: Vec::new(),
    }
}

#[test]
fn direct_is_what_is_left_of_kept_data() {
    let mut receiver = Receiver::new();
    let mut sink = Recorder::default();
    assert_eq!(receiver.direct(), 0);
    receiver
        .feed(&plain(b"0123456789", true).header(), &mut sink)
        .unwrap();
    assert_eq!(receiver.direct(), 10);
    receiver.feed(b"012", &mut sink).unwrap();
    assert_eq!(receiver.direct(), 7);
    sink.direct.extend(b"3456");
    receiver.advance(4, &mut sink).unwrap();
    assert_eq!(receiver.direct(), 3);
    // More than there is to come is not counted.
    sink.direct.extend(b"789");
    receiver.advance(100, &mut sink).unwrap();
    assert!(receiver.at_boundary());
    assert_eq!(sink.done[0].data, b"0123456789");
    receiver.advance(5, &mut sink).unwrap();
    assert_eq!(sink.done.len(), 1);
}

/// What a large transfer is read with: its data to their place, and with them all up to the end of the next header.
#[test]
fn ahead_ends_with_the_next_header() {
    let mut pdu = plain(&[7; 10], true);
    pdu.payload.packets = 3;
    pdu.payload.keep_packets = true;
    pdu.packets = vec![IsoPacket::default(); 3];
    let bytes = pdu.bytes();
    let mut receiver = Receiver::new();
    let mut recorder = Recorder::default();
    let mut at = 0;
    for (len, ahead) in [
        (0, HEADER_LEN),
        (40, 8),
        (8, 3 * 16 + HEADER_LEN),
        (7, 3 * 16 + HEADER_LEN),
        (3, 3 * 16 + HEADER_LEN),
        (5, 43 + HEADER_LEN),
        (11, 2 * 16 + HEADER_LEN),
        (16, 16 + HEADER_LEN),
        (16, HEADER_LEN),
    ] {
        receiver.feed(&bytes[at..at + len], &mut recorder).unwrap();
        at += len;
        assert_eq!(receiver.ahead(), ahead, "at byte {at}");
    }
    assert_eq!(at, bytes.len());
}

#[test]
fn skipped_data_is_not_read_direct() {
    let mut receiver = Receiver::new();
    let mut sink = Recorder::default();
    let pdu = plain(b"0123456789", false);
    receiver.feed(&pdu.header(), &mut sink).unwrap();
    assert_eq!(receiver.direct(), 0);
    receiver.advance(10, &mut sink).unwrap();
    assert!(!receiver.at_boundary());
    receiver.feed(b"0123456789", &mut sink).unwrap();
    assert!(receiver.at_boundary());
    assert!(sink.done[0].data.is_empty());
}

/// A transfer of 2 GiB that is refused is skipped piece by piece, and costs no memory.
#[test]
fn s9_much_can_be_skipped() {
    let mut receiver = Receiver::new();
    let mut sink = Recorder::default();
    let mut pdu = plain(b"", false);
    pdu.payload.data = 0x7fff_ffff;
    receiver.feed(&pdu.header(), &mut sink).unwrap();
    let chunk = vec![0; 0x0100_0000];
    for _ in 0..0x7f {
        receiver.feed(&chunk, &mut sink).unwrap();
    }
    receiver.feed(&chunk[1..], &mut sink).unwrap();
    assert!(receiver.at_boundary());
    assert_eq!(sink.done.len(), 1);
}

#[test]
fn errors_come_through() {
    let mut receiver = Receiver::new();
    let mut sink = Recorder::default();
    assert_eq!(
        receiver.feed(&[0; HEADER_LEN], &mut sink),
        Err("bad header")
    );
}

/// A timeout in the middle of a header lost what had come of it, and the stream was out of step.
#[test]
fn c14_a_partial_header_is_kept() {
    let bytes = plain(b"abc", true).bytes();
    let mut receiver = Receiver::new();
    let mut sink = Recorder::default();
    for byte in &bytes {
        receiver.feed(&[], &mut sink).unwrap();
        receiver.feed(&[*byte], &mut sink).unwrap();
    }
    assert_eq!(sink.done.len(), 1);
    assert_eq!(sink.done[0].data, b"abc");
}
