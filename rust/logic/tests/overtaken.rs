// SPDX-License-Identifier: GPL-2.0

//! Unlinks that arrive before what they unlink.

use usbip_logic::overtaken::Overtaken;
use usbip_proto::{
    CmdUnlink,
    DevId,
    Seqnum, //
};

fn unlink(seqnum: u32, target: u32) -> CmdUnlink {
    CmdUnlink {
        seqnum: Seqnum::new(seqnum),
        devid: DevId::from_wire(0),
        target: Seqnum::new(target),
    }
}

#[test]
fn kept_until_its_request_arrives() {
    let mut overtaken = Overtaken::new();
    assert_eq!(overtaken.arrived(Seqnum::new(5)), None);
    assert!(overtaken.keep(&unlink(8, 7)));
    assert_eq!(overtaken.arrived(Seqnum::new(6)), None);
    assert_eq!(overtaken.stale(), None);
    assert_eq!(overtaken.arrived(Seqnum::new(7)), Some(unlink(8, 7)));
    assert_eq!(overtaken.arrived(Seqnum::new(7)), None);
}

#[test]
fn not_kept_for_what_has_arrived() {
    let mut overtaken = Overtaken::new();
    assert!(!overtaken.keep(&unlink(8, 7)), "nothing has arrived yet");
    overtaken.arrived(Seqnum::new(7));
    assert!(!overtaken.keep(&unlink(8, 7)));
    assert!(!overtaken.keep(&unlink(8, 9)), "drawn after its unlink");
}

#[test]
fn given_up_when_later_ones_arrive() {
    let mut overtaken = Overtaken::new();
    overtaken.arrived(Seqnum::new(u32::MAX - 1));
    assert!(overtaken.keep(&unlink(2, u32::MAX)));
    overtaken.arrived(Seqnum::new(3));
    assert_eq!(overtaken.stale(), Some(unlink(2, u32::MAX)));
    assert_eq!(overtaken.stale(), None);
}

#[test]
fn bounded() {
    let mut overtaken = Overtaken::new();
    overtaken.arrived(Seqnum::new(1));
    let kept = (2..100)
        .filter(|target| overtaken.keep(&unlink(200, *target)))
        .count();
    assert_eq!(kept, 16);
}

/// A client with several threads sends 10, then 9: 10 has arrived, and its unlink waits for nothing.
#[test]
fn not_kept_for_what_has_arrived_before_an_older_one() {
    let mut overtaken = Overtaken::new();
    overtaken.arrived(Seqnum::new(8));
    overtaken.arrived(Seqnum::new(10));
    overtaken.arrived(Seqnum::new(9));
    assert!(!overtaken.keep(&unlink(11, 10)));
}
