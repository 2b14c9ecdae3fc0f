// SPDX-License-Identifier: GPL-2.0

//! Who is helped to another port, and who is not.

use usbip_logic::retry::Retries;

/// After how many refusals `what` is helped, asking every `step` milliseconds from `start` on.
fn asks(retries: &mut Retries<u32>, what: u32, start: u64, step: u64) -> Option<u64> {
    (0..1000).find(|round| retries.refused(what, start + round * step))
}

#[test]
fn one_who_never_looks_is_helped() {
    let mut retries = Retries::new();
    assert_eq!(asks(&mut retries, 1, 0, 1), Some(100));
    // And counted anew.
    assert_eq!(asks(&mut retries, 1, 200, 1), Some(100));
}

#[test]
fn one_who_pauses_is_told_the_truth() {
    let mut retries = Retries::new();
    assert_eq!(asks(&mut retries, 1, 0, 1001), None);
    assert_eq!(asks(&mut retries, 2, u64::MAX - 10, 0), Some(100));
}

#[test]
fn one_who_looks_is_told_the_truth() {
    let mut retries = Retries::new();
    for round in 0..1000 {
        assert!(!retries.refused(round, 5));
    }
}

#[test]
fn several_are_told_apart() {
    let mut retries = Retries::new();
    for round in 0..100 {
        for what in 0..8 {
            assert!(!retries.refused(what, round), "{what} in {round}");
        }
    }
    for what in 0..8 {
        assert!(retries.refused(what, 100));
    }
}

/// More than can be told apart do not crowd each other out for ever.
#[test]
fn a_crowd_gets_through() {
    let mut retries = Retries::new();
    let mut crowd: Vec<u32> = (0..12).collect();
    // As processors do it: each asks for a while before the next one has its turn.
    for now in 0..100 {
        crowd.retain(|what| !(0..150).any(|_| retries.refused(*what, now)));
    }
    assert_eq!(crowd, []);
}
