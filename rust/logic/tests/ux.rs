// SPDX-License-Identifier: GPL-2.0

//! What user space may ask of the node.

use usbip_logic::ux::{
    name,
    Command,
    Phase,
    Unavailable, //
};

/// The numbers of include/uapi/linux/usbip_ux.h, as the C preprocessor computes them.
#[test]
fn numbers_are_those_of_the_header() {
    let ioc = |direction: u32, size: u32, number: u32| {
        (direction << 30) | (size << 16) | (u32::from(b'm') << 8) | number
    };
    assert_eq!(Command::from_number(ioc(1, 4, 1)), Some(Command::SetSocket));
    assert_eq!(Command::from_number(ioc(0, 0, 2)), Some(Command::Interrupt));
    assert_eq!(
        Command::from_number(ioc(0, 0, 3)),
        Some(Command::InterruptGroup)
    );
    assert_eq!(Command::from_number(ioc(2, 34, 4)), Some(Command::Names));
}

/// The original looked at the lowest byte only: a program made for its first version, whose
/// structure has 16 bytes, got 34 bytes written.
#[test]
fn f14_only_full_numbers_count() {
    assert_eq!(Command::from_number(0x8010_6d04), None);
    for lowest in 0..=255 {
        assert_eq!(Command::from_number(lowest), None);
    }
    assert_eq!(Command::from_number(0x0000_6d05), None);
}

/// In the original one node could be linked to two devices.
#[test]
fn f8_a_node_is_linked_once() {
    let mut phase = Phase::default();
    assert_eq!(phase.link(), Ok(()));
    assert_eq!(phase.link(), Err(Unavailable));
}

#[test]
fn a_port_that_was_busy_costs_nothing() {
    let mut phase = Phase::default();
    phase.link().unwrap();
    phase.unlink();
    assert_eq!(phase, Phase::Waiting);
    assert_eq!(phase.link(), Ok(()));
}

#[test]
fn an_end_is_for_good() {
    let mut phase = Phase::default();
    assert!(phase.end());
    assert!(!phase.end());
    assert_eq!(phase.link(), Err(Unavailable));
    phase.unlink();
    assert_eq!(phase, Phase::Ended);

    let mut phase = Phase::default();
    phase.link().unwrap();
    assert!(phase.end());
    phase.unlink();
    assert_eq!(phase, Phase::Ended);
}

#[test]
fn names_fill_their_field() {
    assert_eq!(&name(0), b"0000000000000000\0");
    assert_eq!(&name(0x1234_5678_9abc_def0), b"123456789abcdef0\0");
    assert_eq!(&name(u64::MAX), b"ffffffffffffffff\0");
}
