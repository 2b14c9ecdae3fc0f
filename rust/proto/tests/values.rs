// SPDX-License-Identifier: GPL-2.0

//! The small types: every value that they may hold, and none that they may not.

use proptest::prelude::*;

use usbip_proto::{
    Direction,
    EndpointNumber,
    Seqnum,
    Speed,
    Status,
    TransferFlags,
    TransferKind, //
};

const KINDS: [TransferKind; 4] = [
    TransferKind::Control,
    TransferKind::Isochronous,
    TransferKind::Bulk,
    TransferKind::Interrupt,
];
const DIRECTIONS: [Direction; 2] = [Direction::In, Direction::Out];

#[test]
fn seqnum_wraps_to_zero() {
    assert_eq!(Seqnum::FIRST.get(), 1);
    assert_eq!(Seqnum::new(0x7fff_ffff).next(), Seqnum::new(0x8000_0000));
    assert_eq!(Seqnum::new(u32::MAX).next(), Seqnum::new(0));
}

/// Above 2^31 the C client compared a sign-extended number with one that was not.
#[test]
fn c10_seqnum_has_no_sign() {
    let high = Seqnum::new(0x8000_0001);
    assert_eq!(high.to_string(), "2147483649");
    assert!(high > Seqnum::new(0x7fff_ffff));
}

#[test]
fn directions() {
    for direction in DIRECTIONS {
        assert_eq!(Direction::from_wire(direction.to_wire()), Some(direction));
    }
    assert_eq!(Direction::from_wire(2), None);
    assert_eq!(Direction::from_wire(u32::MAX), None);
}

#[test]
fn endpoint_numbers() {
    for number in 0..=15 {
        let endpoint = EndpointNumber::new(number).unwrap();
        assert_eq!(u32::from(endpoint.get()), number);
    }
    for number in [16, 127, 128, 256, 0x0001_0001, 0x0100_0000, u32::MAX] {
        assert_eq!(EndpointNumber::new(number), None);
    }
}

#[test]
fn kinds_from_descriptors() {
    for attributes in 0..=u8::MAX {
        let kind = match attributes % 4 {
            0 => TransferKind::Control,
            1 => TransferKind::Isochronous,
            2 => TransferKind::Bulk,
            _ => TransferKind::Interrupt,
        };
        assert_eq!(TransferKind::from_attributes(attributes), kind);
    }
}

#[test]
fn speeds() {
    let table = [
        (1, "1.5", Speed::Low, false),
        (2, "12", Speed::Full, false),
        (3, "480", Speed::High, false),
        (4, "53.3-480", Speed::Wireless, false),
        (5, "5000", Speed::Super, true),
        (6, "10000", Speed::SuperPlus, true),
    ];
    for (number, text, speed, is_super) in table {
        assert_eq!(Speed::from_number(number), Some(speed));
        assert_eq!(speed.number(), number);
        assert_eq!(Speed::from_sysfs(text), Some(speed));
        assert_eq!(speed.is_super(), is_super);
    }
    for number in [0, 7, 256, u32::MAX] {
        assert_eq!(Speed::from_number(number), None);
    }
    assert_eq!(Speed::from_sysfs("unknown"), None);
}

/// SuperSpeedPlus was taken for an unknown speed until 2026.
#[test]
fn superspeedplus_is_a_speed() {
    assert_eq!(Speed::from_sysfs("20000"), Some(Speed::SuperPlus));
    assert_eq!(Speed::SuperPlus.name(), "super-speed-plus");
}

#[test]
fn c13_status_from_the_wire() {
    let table = [
        (0, 0),
        (-32, -32),
        (-4095, -4095),
        (-4096, -71),
        (i32::MIN, -71),
        (1, -71),
        (i32::MAX, -71),
        (-115, -71),
    ];
    for (wire, normal) in table {
        assert_eq!(Status::from_raw(wire).normalise().get(), normal, "{wire}");
    }
    assert_eq!(Status::PIPE.name(), Some("PIPE"));
    assert_eq!(Status::from_raw(-1234).name(), None);
}

/// For every kind and direction, what usbcore's own check of flags allows and no more.
#[test]
fn flags_that_a_server_believes() {
    let ok = TransferFlags::NO_INTERRUPT;
    for direction in DIRECTIONS {
        for kind in KINDS {
            let mask = match (kind, direction) {
                (TransferKind::Isochronous, _) => ok.with(TransferFlags::ISO_ASAP),
                (_, Direction::In) => ok.with(TransferFlags::SHORT_NOT_OK),
                (TransferKind::Control, Direction::Out) => ok,
                (_, Direction::Out) => ok.with(TransferFlags::ZERO_PACKET),
            };
            let all = TransferFlags::from_wire(u32::MAX);
            assert_eq!(all.receive_mask(kind, direction), mask);
            assert_eq!(
                TransferFlags::NONE.receive_mask(kind, direction),
                TransferFlags::NONE
            );
        }
    }
}

/// A client's DMA address, or its order to free a buffer, was followed by the C server.
#[test]
fn s1_s8_no_flag_about_memory_is_believed() {
    let poison = 0x0000_0104 | 0x00ff_0000;
    for direction in DIRECTIONS {
        for kind in KINDS {
            for bit in (0..32)
                .map(|bit| 1_u32 << bit)
                .filter(|bit| bit & poison != 0)
            {
                let believed = TransferFlags::from_wire(bit).receive_mask(kind, direction);
                assert_eq!(believed, TransferFlags::NONE, "{bit:#x}");
            }
        }
    }
}

proptest! {
    /// What is sent of an URB's flags never speaks of memory, but for the hint about its layout.
    #[test]
    fn flags_that_a_client_sends(urb_flags: u32, scattered: bool) {
        let sent = TransferFlags::from_urb(urb_flags, scattered);
        prop_assert_eq!(sent.wants_sg(), scattered);
        let sent = sent.get() & !TransferFlags::DMA_MAP_SG.get();
        prop_assert_eq!(sent, urb_flags & 0x02c3);
    }

    #[test]
    fn statuses_are_safe(raw: i32) {
        let status = Status::from_raw(raw).normalise();
        prop_assert!((-4095..=0).contains(&status.get()));
        prop_assert!(status != Status::INPROGRESS);
        prop_assert_eq!(status.normalise(), status);
    }
}
