// SPDX-License-Identifier: GPL-2.0

//! The packets of isochronous transfers, honest and otherwise.

use proptest::prelude::*;

use usbip_logic::iso::{
    check_submit,
    packed,
    spread,
    spread_with,
    Move,
    PacketResult,
    ReplyCheck,
    Span,
    SubmitCheck, //
};
use usbip_proto::{
    Direction,
    IsoPacket,
    Status, //
};

fn packet(offset: u32, length: u32) -> IsoPacket {
    IsoPacket {
        offset,
        length,
        ..IsoPacket::default()
    }
}

fn result(actual_length: u32, status: Status) -> IsoPacket {
    IsoPacket {
        actual_length,
        status,
        ..IsoPacket::default()
    }
}

fn span(offset: u32, actual_length: u32) -> Span {
    Span {
        offset,
        actual_length,
    }
}

/// Offsets were not checked at all: controllers read and wrote up to 4 GiB behind the buffer.
#[test]
fn s2_packets_lie_within_the_buffer() {
    for (offset, length, buffer, fits) in [
        (0, 0, 0, true),
        (0, 100, 100, true),
        (99, 1, 100, true),
        (100, 0, 100, true),
        (100, 1, 100, false),
        (0, 101, 100, false),
        (101, 0, 100, false),
        (u32::MAX, 1, 100, false),
        (u32::MAX, u32::MAX, u32::MAX, false),
        (1, u32::MAX, 100, false),
    ] {
        assert_eq!(
            check_submit(&packet(offset, length), buffer).is_ok(),
            fits,
            "{offset} {length} {buffer}"
        );
    }
}

#[test]
fn s2_one_bad_packet_is_enough() {
    for bad in 0..4 {
        let mut check = SubmitCheck::new(Direction::Out, 400);
        for index in 0..4 {
            let length = if index == bad { 401 } else { 100 };
            check.packet(&packet(index * 100, length));
        }
        assert_eq!(check.finish(), Err(Status::INVAL));
    }
}

/// Results in a submission are the client's to send, but not to be believed.
#[test]
fn submitted_results_are_dropped() {
    let mut check = SubmitCheck::new(Direction::In, 400);
    let clean = check.packet(&IsoPacket {
        offset: 8,
        length: 16,
        actual_length: 4000,
        status: Status::from_raw(55),
    });
    assert_eq!(clean, packet(8, 16));
    assert_eq!(check.finish(), Ok(()));
}

/// With packets on top of each other an answer could be far longer than the buffer.
#[test]
fn s2_answers_are_no_longer_than_the_buffer() {
    let overlapping = |direction| {
        let mut check = SubmitCheck::new(direction, 100);
        for _ in 0..1024 {
            check.packet(&packet(0, 100));
        }
        check.finish()
    };
    assert_eq!(overlapping(Direction::In), Err(Status::INVAL));
    assert_eq!(overlapping(Direction::Out), Ok(()), "harmless silence");
    // The sum does not wrap around to something small.
    let most = u32::MAX - 1;
    let mut check = SubmitCheck::new(Direction::In, most);
    for _ in 0..3 {
        check.packet(&packet(0, most));
    }
    assert_eq!(check.finish(), Err(Status::INVAL));
}

#[test]
fn results() {
    let mut check = ReplyCheck::new(Direction::In, 150);
    let good = check.packet(&result(100, Status::OK), 100);
    assert_eq!(
        good,
        PacketResult {
            actual_length: 100,
            status: Status::OK,
        }
    );
    let short = check.packet(&result(50, Status::XDEV), 100);
    assert_eq!(short.status, Status::XDEV);
    check.packet(&result(0, Status::OK), 100);
    assert_eq!(check.finish(), Ok(1), "errors are counted here");
}

/// The C client took offsets and lengths from the server, and drivers then read elsewhere.
#[test]
fn c3_no_packet_is_longer_than_asked_for() {
    for direction in [Direction::In, Direction::Out] {
        for actual_length in [101, u32::MAX] {
            let mut check = ReplyCheck::new(direction, 100);
            let result = check.packet(&result(actual_length, Status::OK), 100);
            assert_eq!(result.actual_length, 0);
            assert_eq!(result.status, Status::PROTO);
            assert_eq!(check.finish(), Err(Status::PROTO));
        }
    }
}

#[test]
fn c3_packets_are_all_of_the_data() {
    for (total, direction, fine) in [
        (200, Direction::In, true),
        (199, Direction::In, false),
        (201, Direction::In, false),
        (0, Direction::In, false),
        (199, Direction::Out, true),
    ] {
        let mut check = ReplyCheck::new(direction, total);
        check.packet(&result(100, Status::OK), 100);
        check.packet(&result(100, Status::OK), 100);
        assert_eq!(check.finish().is_ok(), fine, "{total}");
    }
}

#[test]
fn c13_status_of_packets() {
    let mut check = ReplyCheck::new(Direction::Out, 0);
    for raw in [1, -115, -4096] {
        assert_eq!(
            check.packet(&result(0, Status::from_raw(raw)), 10).status,
            Status::PROTO
        );
    }
    assert_eq!(check.finish(), Ok(3));
}

/// The padding between packets comes back where it was.
#[test]
fn spreading() {
    let mut buffer = *b"aabcccc.........";
    spread(
        &mut buffer,
        7,
        [span(0, 2), span(4, 1), span(8, 0), span(12, 4)],
    )
    .unwrap();
    assert_eq!(&buffer[..2], b"aa");
    assert_eq!(buffer[4], b'b');
    assert_eq!(&buffer[12..], b"cccc");
}

/// C never moved the first packet.
#[test]
fn c3_the_first_packet_moves_too() {
    let mut buffer = *b"abcd....";
    spread(&mut buffer, 4, [span(2, 2), span(4, 2)]).unwrap();
    assert_eq!(&buffer[2..6], b"abcd");
}

#[test]
fn packed_data_stays() {
    let mut moves = Vec::new();
    spread_with([span(0, 2), span(2, 3), span(5, 1)], 6, 6, |m| {
        moves.push(m);
    })
    .unwrap();
    assert_eq!(moves, []);
    spread_with([span(0, 2), span(8, 3)], 5, 16, |m| moves.push(m)).unwrap();
    assert_eq!(
        moves,
        [Move {
            from: 2,
            to: 8,
            len: 3,
        }]
    );
}

#[test]
fn c3_spreading_never_leaves_the_buffer() {
    for (packets, data) in [
        ([span(0, 4), span(13, 4)], 8),
        ([span(0, 4), span(u32::MAX, 4)], 8),
        ([span(0, 4), span(2, 4)], 8),
        ([span(0, 4), span(8, 4)], 9),
        ([span(0, 4), span(8, 4)], 7),
        ([span(0, u32::MAX), span(8, 4)], 8),
        ([span(0, 4), span(8, 4)], 17),
    ] {
        let mut buffer = [0; 16];
        assert_eq!(
            spread(&mut buffer, data, packets),
            Err(Status::PROTO),
            "{packets:?} {data}"
        );
    }
    // Nothing lies at the place of an empty packet.
    assert_eq!(spread(&mut [], 0, [span(u32::MAX, 0)]), Ok(()));
}

#[test]
fn packed_parts() {
    let buffer = b"0123456789";
    assert_eq!(packed(buffer, span(3, 4)), Some(&b"3456"[..]));
    assert_eq!(packed(buffer, span(10, 0)), Some(&b""[..]));
    assert_eq!(packed(buffer, span(7, 4)), None);
    assert_eq!(packed(buffer, span(u32::MAX, u32::MAX)), None);
}

/// Packets in order, with gaps between them, that moved less than they might.
fn layout() -> impl Strategy<Value = (Vec<(u32, u32, u32)>, u32)> {
    let packet =
        (0_u32..20, 0_u32..50).prop_flat_map(|(gap, length)| (Just(gap), Just(length), 0..=length));
    proptest::collection::vec(packet, 1..40).prop_map(|packets| {
        let mut end = 0;
        let mut spans = Vec::new();
        for (gap, length, actual_length) in packets {
            let offset = end + gap;
            end = offset + length;
            spans.push((offset, length, actual_length));
        }
        (spans, end)
    })
}

proptest! {
    /// From one host to the other and back: what a server packs, a client spreads.
    #[test]
    fn packing_and_spreading((packets, len) in layout(), seed: u8) {
        let buffer: Vec<u8> = (0..len)
            .map(|at| seed.wrapping_add(u8::try_from(at % 251).unwrap()))
            .collect();
        let mut check = SubmitCheck::new(Direction::In, len);
        for (offset, length, _) in &packets {
            check.packet(&packet(*offset, *length));
        }
        prop_assert_eq!(check.finish(), Ok(()));

        let mut received = Vec::new();
        for (offset, _, actual_length) in &packets {
            received.extend(packed(&buffer, span(*offset, *actual_length)).unwrap());
        }
        let data = u32::try_from(received.len()).unwrap();
        received.resize(buffer.len(), 0);

        let mut check = ReplyCheck::new(Direction::In, data);
        for (_, length, actual_length) in &packets {
            check.packet(&result(*actual_length, Status::OK), *length);
        }
        prop_assert_eq!(check.finish(), Ok(0));

        let spans = packets.iter().map(|(offset, _, actual)| span(*offset, *actual));
        spread(&mut received, data, spans.clone()).unwrap();
        for span in spans {
            prop_assert_eq!(packed(&received, span), packed(&buffer, span));
        }
    }

    /// Whatever the numbers are, nothing is moved from or to anywhere but the buffer.
    #[test]
    fn moves_stay_within(
        packets in proptest::collection::vec((0_u32..300, 0_u32..80), 0..20),
        slack in -3_i64..4,
        len in 0_u32..300,
    ) {
        let total: i64 = packets.iter().map(|(_, actual)| i64::from(*actual)).sum();
        let data = u32::try_from((total + slack).max(0)).unwrap();
        let spans = packets.iter().map(|(offset, actual)| span(*offset, *actual));
        let limit = usize::try_from(len).unwrap();
        let done = spread_with(spans, data, len, |m| {
            assert!(m.from < m.to && m.to + m.len <= limit);
        });
        prop_assert!(done.is_err() || i64::from(data) == total);
        let mut buffer = vec![0; limit];
        let spans = packets.iter().map(|(offset, actual)| span(*offset, *actual));
        let _ = spread(&mut buffer, data, spans);
    }
}
