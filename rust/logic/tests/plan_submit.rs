// SPDX-License-Identifier: GPL-2.0

//! What an exporting host makes of submissions, above all of bad ones.

use proptest::prelude::*;

use usbip_logic::{
    plan::{
        plan_submit,
        Fault,
        Limits,
        SubmitPlan,
        Transfer,
        Verdict, //
    },
    receive::Payload,
};
use usbip_proto::{
    CmdSubmit,
    DevId,
    Direction,
    Seqnum,
    Status,
    TransferFlags,
    TransferKind, //
};

const LIMITS: Limits = Limits {
    transfer: 0x0010_0000,
    polled: true,
};

const KINDS: [Option<TransferKind>; 5] = [
    None,
    Some(TransferKind::Control),
    Some(TransferKind::Isochronous),
    Some(TransferKind::Bulk),
    Some(TransferKind::Interrupt),
];

/// A bulk transfer of 512 bytes.
fn submit(direction: Direction) -> CmdSubmit {
    CmdSubmit {
        seqnum: Seqnum::new(7),
        devid: DevId::new(1, 2),
        direction,
        endpoint: 1,
        flags: TransferFlags::NONE,
        length: 512,
        start_frame: 0,
        packets: 0,
        interval: 0,
        setup: [0; 8],
    }
}

fn control(direction: Direction, setup: [u8; 8], length: i32) -> CmdSubmit {
    CmdSubmit {
        endpoint: 0,
        setup,
        length,
        ..submit(direction)
    }
}

fn plan(submit: &CmdSubmit, kind: TransferKind) -> SubmitPlan {
    plan_submit(submit, Some(kind), &LIMITS).unwrap()
}

fn accepted(submit: &CmdSubmit, kind: TransferKind) -> Transfer {
    match plan(submit, kind).verdict {
        Verdict::Accept(transfer) => transfer,
        Verdict::Refuse(status) => panic!("refused: {status:?}"),
    }
}

fn refused(submit: &CmdSubmit, kind: TransferKind) -> Status {
    match plan(submit, kind).verdict {
        Verdict::Accept(transfer) => panic!("accepted: {transfer:?}"),
        Verdict::Refuse(status) => status,
    }
}

#[test]
fn bulk() {
    let out = plan(&submit(Direction::Out), TransferKind::Bulk);
    assert_eq!(
        out,
        SubmitPlan {
            payload: Payload {
                data: 512,
                keep: true,
                packets: 0,
                keep_packets: false,
            },
            verdict: Verdict::Accept(Transfer {
                kind: TransferKind::Bulk,
                direction: Direction::Out,
                flags: TransferFlags::NONE,
                length: 512,
                packets: 0,
                interval: 0,
            }),
        }
    );
    let into = plan(&submit(Direction::In), TransferKind::Bulk);
    assert_eq!(into.payload, Payload::NONE);
    assert!(matches!(
        into.verdict,
        Verdict::Accept(transfer) if transfer.direction.is_in() && transfer.length == 512
    ));
}

#[test]
fn empty_transfers() {
    let empty = CmdSubmit {
        length: 0,
        flags: TransferFlags::DMA_MAP_SG.with(TransferFlags::ZERO_PACKET),
        ..submit(Direction::Out)
    };
    let plan = plan(&empty, TransferKind::Bulk);
    assert_eq!(plan.payload, Payload::NONE);
    let transfer = accepted(&empty, TransferKind::Bulk);
    assert_eq!(transfer.length, 0);
    assert_eq!(transfer.flags, TransferFlags::ZERO_PACKET);
}

/// Whatever non-isochronous transfers say about packets: Linux sends 0, the document says -1.
#[test]
fn packets_of_other_kinds_are_ignored() {
    for packets in [0, -1, 1, 1024, 1025, i32::MAX, i32::MIN] {
        for kind in [TransferKind::Bulk, TransferKind::Interrupt] {
            let submit = CmdSubmit {
                packets,
                interval: 1,
                ..submit(Direction::In)
            };
            assert_eq!(accepted(&submit, kind).packets, 0);
            let plan = plan(&submit, kind);
            assert_eq!(plan.payload, Payload::NONE);
            assert_eq!(plan.refusal(&submit, Status::PIPE).packets, packets, "echo");
        }
    }
}

/// Every legal number of packets is taken: checks that were too strict broke webcams before.
#[test]
fn qo3628_every_legal_number_of_packets() {
    for packets in 1..=1024_u16 {
        for direction in [Direction::In, Direction::Out] {
            let submit = CmdSubmit {
                packets: i32::from(packets),
                interval: 1,
                length: 1,
                ..submit(direction)
            };
            let plan = plan(&submit, TransferKind::Isochronous);
            assert_eq!(plan.payload.packets, packets);
            assert!(plan.payload.keep_packets);
            assert_eq!(plan.payload.data, u32::from(!direction.is_in()));
            assert_eq!(
                accepted(&submit, TransferKind::Isochronous).packets,
                packets
            );
        }
    }
}

#[test]
fn other_numbers_of_packets() {
    let iso = |packets| CmdSubmit {
        packets,
        interval: 1,
        ..submit(Direction::In)
    };
    for packets in [0, -1, i32::MIN] {
        let plan = plan(&iso(packets), TransferKind::Isochronous);
        assert_eq!(plan.payload, Payload::NONE);
        assert_eq!(plan.verdict, Verdict::Refuse(Status::INVAL));
    }
    for packets in [1025, 65_536, 65_537, i32::MAX] {
        for endpoint in [None, Some(TransferKind::Isochronous)] {
            assert_eq!(
                plan_submit(&iso(packets), endpoint, &LIMITS),
                Err(Fault::PacketCount(packets))
            );
        }
    }
}

#[test]
fn intervals() {
    for kind in [TransferKind::Interrupt, TransferKind::Isochronous] {
        for interval in [i32::MIN, -1, 0] {
            let submit = CmdSubmit {
                interval,
                packets: 1,
                ..submit(Direction::In)
            };
            assert_eq!(refused(&submit, kind), Status::INVAL);
        }
        for interval in [1, 8, i32::MAX] {
            let submit = CmdSubmit {
                interval,
                packets: 1,
                ..submit(Direction::In)
            };
            assert_eq!(accepted(&submit, kind).interval, interval);
        }
    }
    let bulk = CmdSubmit {
        interval: -5,
        ..submit(Direction::In)
    };
    assert_eq!(accepted(&bulk, TransferKind::Bulk).interval, 0);
}

/// A gadget's host does not poll, and some clients never fill the interval in.
#[test]
fn an_interval_that_nobody_uses_may_be_anything() {
    let limits = Limits {
        polled: false,
        ..LIMITS
    };
    for kind in [TransferKind::Interrupt, TransferKind::Isochronous] {
        for interval in [i32::MIN, -1, 0, 1, i32::MAX] {
            let submit = CmdSubmit {
                interval,
                packets: 1,
                ..submit(Direction::In)
            };
            let verdict = plan_submit(&submit, Some(kind), &limits).unwrap().verdict;
            let Verdict::Accept(transfer) = verdict else {
                panic!("{kind:?} with an interval of {interval}: {verdict:?}");
            };
            assert_eq!(transfer.interval, 0);
        }
    }
}

/// Flags about memory never reach the host's controller.
#[test]
fn s1_s8_flags_are_masked() {
    for kind in KINDS.into_iter().flatten() {
        for direction in [Direction::In, Direction::Out] {
            let submit = CmdSubmit {
                flags: TransferFlags::from_wire(u32::MAX),
                packets: 1,
                interval: 1,
                length: 0,
                ..submit(direction)
            };
            let flags = accepted(&submit, kind).flags;
            assert_eq!(flags.get() & !0x00c3, 0, "{kind:?} {direction:?}");
        }
    }
}

/// A negative length was taken for an enormous one, and put the device out of order for good.
#[test]
fn s9_lengths() {
    for kind in KINDS {
        for length in [-1, -5, i32::MIN] {
            let out = CmdSubmit {
                length,
                ..submit(Direction::Out)
            };
            assert_eq!(
                plan_submit(&out, kind, &LIMITS),
                Err(Fault::NegativeLength(length))
            );
            let into = CmdSubmit {
                length,
                interval: 1,
                packets: 1,
                ..submit(Direction::In)
            };
            let plan = plan_submit(&into, kind, &LIMITS).unwrap();
            assert_eq!(plan.payload.data, 0);
            assert!(matches!(plan.verdict, Verdict::Refuse(_)));
        }
    }
    let limit = i32::try_from(LIMITS.transfer).unwrap();
    for (length, taken) in [(limit, true), (limit + 1, false), (i32::MAX, false)] {
        for direction in [Direction::In, Direction::Out] {
            let submit = CmdSubmit {
                length,
                ..submit(direction)
            };
            let plan = plan(&submit, TransferKind::Bulk);
            let data = if direction.is_in() {
                0
            } else {
                length.unsigned_abs()
            };
            assert_eq!(plan.payload.data, data, "the stream stays in step");
            assert_eq!(plan.payload.keep, taken && !direction.is_in());
            if !taken {
                assert_eq!(plan.verdict, Verdict::Refuse(Status::MSGSIZE));
            }
        }
    }
}

/// usbcore warns about directions that differ, and refuses lengths that differ.
#[test]
fn s10_control() {
    let get = [0x80, 6, 0, 1, 0, 0, 18, 0];
    let set = [0x21, 9, 0, 2, 0, 0, 3, 0];
    let kind = TransferKind::Control;
    assert_eq!(
        accepted(&control(Direction::In, get, 18), kind).direction,
        Direction::In
    );
    assert_eq!(
        accepted(&control(Direction::Out, set, 3), kind).direction,
        Direction::Out
    );
    assert_eq!(
        refused(&control(Direction::Out, get, 18), kind),
        Status::INVAL
    );
    assert_eq!(
        refused(&control(Direction::In, set, 3), kind),
        Status::INVAL
    );
    for length in [0, 1, 17, 19, 0x12_00, 65_554, -18] {
        assert_eq!(
            refused(&control(Direction::In, get, length), kind),
            Status::BADR
        );
    }
    let wide = [0xc0, 1, 0, 0, 0, 0, 0x34, 0x12];
    assert_eq!(
        accepted(&control(Direction::In, wide, 0x1234), kind).length,
        0x1234
    );
}

/// Without data there is only one direction for usbcore, whatever the setup packet says.
#[test]
fn control_without_data_goes_out() {
    for request_type in [0x00, 0x80] {
        for direction in [Direction::In, Direction::Out] {
            let submit = control(direction, [request_type, 9, 1, 0, 0, 0, 0, 0], 0);
            let plan = plan(&submit, TransferKind::Control);
            assert_eq!(plan.payload, Payload::NONE);
            let transfer = accepted(&submit, TransferKind::Control);
            assert_eq!(transfer.direction, Direction::Out);
        }
    }
}

/// A submission to an endpoint that is not there was never answered, and its data were taken for
/// the next header.
#[test]
fn s11_no_such_endpoint() {
    let into = plan_submit(&submit(Direction::In), None, &LIMITS).unwrap();
    assert_eq!(into.payload, Payload::NONE);
    assert_eq!(into.verdict, Verdict::Refuse(Status::PIPE));
    let out = plan_submit(&submit(Direction::Out), None, &LIMITS).unwrap();
    assert_eq!(out.payload.data, 512);
    assert!(!out.payload.keep);
    assert_eq!(out.verdict, Verdict::Refuse(Status::PIPE));
    for (packets, follow) in [(-1, 0), (0, 0), (1, 1), (1024, 1024)] {
        let iso = CmdSubmit {
            packets,
            ..submit(Direction::Out)
        };
        let plan = plan_submit(&iso, None, &LIMITS).unwrap();
        assert_eq!(plan.payload.packets, follow);
        assert_eq!(plan.payload.data, 512);
        assert_eq!(plan.verdict, Verdict::Refuse(Status::PIPE));
    }
}

/// An isochronous submission that is refused is answered with all of its packets.
#[test]
fn s12_refused_isochronous() {
    let submit = CmdSubmit {
        packets: 8,
        interval: 0,
        start_frame: 77,
        ..submit(Direction::Out)
    };
    let plan = plan(&submit, TransferKind::Isochronous);
    assert_eq!(
        plan.payload,
        Payload {
            data: 512,
            keep: false,
            packets: 8,
            keep_packets: true,
        }
    );
    let answer = plan.refusal(&submit, Status::INVAL);
    assert_eq!(answer.seqnum, submit.seqnum);
    assert_eq!(answer.status, Status::INVAL);
    assert_eq!((answer.packets, answer.error_count), (8, 8));
    assert_eq!((answer.actual_length, answer.start_frame), (0, 77));
}

#[test]
fn refusing_for_own_reasons() {
    let plan = plan(&submit(Direction::Out), TransferKind::Bulk).refused(Status::NOMEM);
    assert_eq!(plan.verdict, Verdict::Refuse(Status::NOMEM));
    assert_eq!(plan.payload.data, 512);
    assert!(!plan.payload.keep);
}

#[test]
fn faults_have_names() {
    assert_eq!(Fault::NegativeLength(-5).to_string(), "negative length -5");
    assert_eq!(
        Fault::PacketCount(1025).to_string(),
        "bad number of packets 1025"
    );
}

proptest! {
    /// Whatever a client sends, what is accepted is within all bounds, and what follows the header
    /// depends on nothing but the header and whether the endpoint is isochronous.
    #[test]
    fn any_submission(
        is_in: bool,
        flags: u32,
        numbers: [i32; 4],
        setup: [u8; 8],
        small: bool,
        kind in proptest::sample::select(KINDS.to_vec()),
        limit in 0_u32..0x0200_0000,
    ) {
        let [mut length, start_frame, packets, interval] = numbers;
        if small {
            length = i32::from(u16::from_le_bytes([setup[6], setup[7]]));
        }
        let direction = if is_in { Direction::In } else { Direction::Out };
        let submit = CmdSubmit {
            flags: TransferFlags::from_wire(flags),
            length,
            start_frame,
            packets,
            interval,
            setup,
            ..submit(direction)
        };
        let limits = Limits {
            transfer: limit,
            polled: true,
        };
        let Ok(plan) = plan_submit(&submit, kind, &limits) else {
            prop_assert!(packets > 1024 || (length < 0 && !is_in));
            return Ok(());
        };
        let data = if is_in { 0 } else { length };
        prop_assert_eq!(i32::try_from(plan.payload.data), Ok(data));
        prop_assert!(plan.payload.packets <= 1024);
        prop_assert_eq!(plan.payload.keep_packets, plan.payload.packets > 0);
        match plan.verdict {
            Verdict::Accept(transfer) => {
                prop_assert_eq!(Some(transfer.kind), kind);
                prop_assert_eq!(i32::try_from(transfer.length), Ok(length));
                prop_assert!(transfer.length <= usize::try_from(limit).unwrap());
                prop_assert_eq!(plan.payload.keep, plan.payload.data > 0);
                prop_assert_eq!(transfer.packets, plan.payload.packets);
                prop_assert_eq!(transfer.kind.is_isochronous(), transfer.packets > 0);
                prop_assert_eq!(transfer.flags.get() & !0x00c3, 0);
                if transfer.kind == TransferKind::Control {
                    prop_assert_eq!(
                        transfer.direction.is_in(),
                        setup[0] & 0x80 != 0 && length > 0
                    );
                } else {
                    prop_assert_eq!(transfer.direction, direction);
                }
            }
            Verdict::Refuse(status) => {
                prop_assert!(!plan.payload.keep);
                prop_assert!(!status.is_ok());
                prop_assert_eq!(status.normalise(), status);
                let answer = plan.refusal(&submit, status);
                prop_assert_eq!(answer.actual_length, 0);
            }
        }
    }
}
