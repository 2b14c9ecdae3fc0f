// SPDX-License-Identifier: GPL-2.0

//! What an importing host makes of answers, above all of bad ones.

use proptest::prelude::*;

use usbip_logic::{
    plan::{
        plan_reply,
        Fault,
        Pending,
        ReplyPlan, //
    },
    receive::Payload,
};
use usbip_proto::{
    Direction,
    RetSubmit,
    Seqnum,
    Status,
    TransferKind, //
};

const BULK_IN: Pending = Pending {
    kind: TransferKind::Bulk,
    direction: Direction::In,
    length: 1024,
    packets: 0,
};

const BULK_OUT: Pending = Pending {
    direction: Direction::Out,
    ..BULK_IN
};

const ISO_IN: Pending = Pending {
    kind: TransferKind::Isochronous,
    packets: 8,
    ..BULK_IN
};

const ISO_OUT: Pending = Pending {
    direction: Direction::Out,
    ..ISO_IN
};

fn reply(status: Status, actual_length: i32, packets: i32) -> RetSubmit {
    RetSubmit {
        seqnum: Seqnum::new(9),
        status,
        actual_length,
        start_frame: 5,
        packets,
        error_count: 3,
    }
}

#[test]
fn bulk() {
    assert_eq!(
        plan_reply(&reply(Status::OK, 1000, 0), &BULK_IN),
        Ok(ReplyPlan {
            payload: Payload {
                data: 1000,
                keep: true,
                packets: 0,
                keep_packets: false,
            },
            status: Status::OK,
            actual_length: 1000,
            start_frame: 5,
        })
    );
    let out = plan_reply(&reply(Status::OK, 1024, -1), &BULK_OUT).unwrap();
    assert_eq!(out.payload, Payload::NONE);
    assert_eq!(out.actual_length, 1024);
}

/// Data may come with an error, too.
#[test]
fn data_before_an_error() {
    let plan = plan_reply(&reply(Status::OVERFLOW, 1024, 0), &BULK_IN).unwrap();
    assert_eq!(plan.status, Status::OVERFLOW);
    assert_eq!(plan.actual_length, 1024);
    assert!(plan.payload.keep);
}

/// A negative length was stored as an enormous one, and drivers sent what lay behind their buffer.
#[test]
fn c1_negative_actual_length() {
    for pending in [BULK_IN, BULK_OUT, ISO_IN, ISO_OUT] {
        for actual_length in [-1, i32::MIN] {
            assert_eq!(
                plan_reply(&reply(Status::OK, actual_length, 8), &pending),
                Err(Fault::NegativeLength(actual_length))
            );
        }
    }
}

#[test]
fn cve_2026_31607_more_data_than_buffer() {
    for actual_length in [1025, i32::MAX] {
        let plan = plan_reply(&reply(Status::OK, actual_length, 0), &BULK_IN).unwrap();
        assert_eq!(plan.payload.data, actual_length.unsigned_abs());
        assert!(!plan.payload.keep, "skipped, and the stream stays in step");
        assert_eq!(plan.status, Status::OVERFLOW);
        assert_eq!(plan.actual_length, 0);
    }
    let plan = plan_reply(&reply(Status::PIPE, 1025, 0), &BULK_IN).unwrap();
    assert_eq!(plan.status, Status::PIPE, "an error stays what it is");
}

#[test]
fn c2_actual_length_of_out() {
    for pending in [BULK_OUT, ISO_OUT] {
        let plan = plan_reply(&reply(Status::OK, 1025, 8), &pending).unwrap();
        assert_eq!(plan.payload.data, 0);
        assert_eq!(plan.status, Status::PROTO);
        assert_eq!(plan.actual_length, 0);
        assert!(!plan.payload.keep_packets);
    }
}

/// An answer with more packets than were submitted wrote past the URB; one with fewer shrank it for
/// good.
#[test]
fn cve_2026_31607_c4_number_of_packets() {
    for packets in [9, 7, 1, 1024, i32::MAX] {
        for pending in [ISO_IN, ISO_OUT] {
            for status in [Status::OK, Status::NODEV] {
                assert_eq!(
                    plan_reply(&reply(status, 0, packets), &pending),
                    Err(Fault::PacketCount(packets))
                );
            }
        }
    }
    for packets in [0, -1] {
        assert_eq!(
            plan_reply(&reply(Status::OK, 0, packets), &ISO_IN),
            Err(Fault::PacketCount(packets))
        );
    }
}

/// A server that could not even start the transfer may leave the packets out.
#[test]
fn failed_isochronous_without_packets() {
    for packets in [0, -1] {
        for actual_length in [0, 10] {
            let plan = plan_reply(&reply(Status::NOSPC, actual_length, packets), &ISO_IN).unwrap();
            assert_eq!(plan.payload.packets, 0);
            assert!(!plan.payload.keep && !plan.payload.keep_packets);
            assert_eq!(plan.payload.data, actual_length.unsigned_abs());
            assert_eq!(plan.status, Status::NOSPC);
            assert_eq!(plan.actual_length, 0);
        }
    }
}

#[test]
fn isochronous() {
    let into = plan_reply(&reply(Status::OK, 600, 8), &ISO_IN).unwrap();
    assert_eq!(
        into.payload,
        Payload {
            data: 600,
            keep: true,
            packets: 8,
            keep_packets: true,
        }
    );
    let out = plan_reply(&reply(Status::OK, 600, 8), &ISO_OUT).unwrap();
    assert_eq!(
        out.payload,
        Payload {
            data: 0,
            keep: false,
            packets: 8,
            keep_packets: true,
        }
    );
    assert_eq!(out.actual_length, 600);
}

/// All packets of an answer that is too long are skipped with its data.
#[test]
fn isochronous_overflow() {
    let plan = plan_reply(&reply(Status::OK, 1025, 8), &ISO_IN).unwrap();
    assert_eq!(
        plan.payload,
        Payload {
            data: 1025,
            keep: false,
            packets: 8,
            keep_packets: false,
        }
    );
    assert_eq!(plan.status, Status::OVERFLOW);
}

#[test]
fn c13_status() {
    for (wire, status) in [(1, -71), (-115, -71), (-5000, -71), (-32, -32), (0, 0)] {
        let reply = reply(Status::from_raw(wire), 0, 0);
        let plan = plan_reply(&reply, &BULK_IN).unwrap();
        assert_eq!(plan.status.get(), status);
    }
}

proptest! {
    #[test]
    fn any_answer(
        status: i32,
        ok: bool,
        actual_length in prop_oneof![any::<i32>(), -2_i32..5000],
        packets in prop_oneof![any::<i32>(), -2_i32..1030],
        length in 0_u32..4096,
        submitted in 1_u16..=1024,
        is_in: bool,
        iso: bool,
    ) {
        let pending = Pending {
            kind: if iso { TransferKind::Isochronous } else { TransferKind::Bulk },
            direction: if is_in { Direction::In } else { Direction::Out },
            length,
            packets: if iso { submitted } else { 0 },
        };
        let status = Status::from_raw(if ok { 0 } else { status });
        let reply = reply(status, actual_length, packets);
        match plan_reply(&reply, &pending) {
            Err(Fault::NegativeLength(_)) => prop_assert!(actual_length < 0),
            Err(Fault::PacketCount(_)) => {
                prop_assert!(iso && packets != i32::from(submitted));
            }
            Ok(plan) => {
                prop_assert!(plan.actual_length <= length);
                prop_assert_eq!(plan.status.normalise(), plan.status);
                prop_assert!(!plan.payload.keep || plan.payload.data == plan.actual_length);
                prop_assert!(plan.payload.packets <= pending.packets);
                prop_assert!(!plan.payload.keep_packets || plan.payload.packets == submitted);
                let data = if is_in { actual_length.unsigned_abs() } else { 0 };
                prop_assert_eq!(plan.payload.data, data);
            }
        }
    }
}
