// SPDX-License-Identifier: GPL-2.0

//! Answers that come after their requests have ended.

use usbip_logic::{
    late::Late,
    plan::Pending, //
};
use usbip_proto::{
    Direction,
    Seqnum,
    TransferKind, //
};

fn pending(length: u32) -> Pending {
    Pending {
        kind: TransferKind::Bulk,
        direction: Direction::In,
        length,
        packets: 0,
    }
}

#[test]
fn known_once() {
    let mut late = Late::new();
    assert_eq!(late.take(Seqnum::new(1)), None);
    late.keep(Seqnum::new(1), pending(512));
    late.keep(Seqnum::new(u32::MAX), pending(64));
    assert_eq!(late.take(Seqnum::new(2)), None);
    assert_eq!(late.take(Seqnum::new(1)), Some(pending(512)));
    assert_eq!(late.take(Seqnum::new(1)), None);
    assert_eq!(late.take(Seqnum::new(u32::MAX)), Some(pending(64)));
}

#[test]
fn the_oldest_makes_room() {
    let mut late = Late::new();
    for number in 0..100 {
        late.keep(Seqnum::new(number), pending(number));
    }
    let known: Vec<_> = (0..100)
        .filter(|number| late.take(Seqnum::new(*number)) == Some(pending(*number)))
        .collect();
    assert_eq!(known, (92..100).collect::<Vec<_>>());
}
