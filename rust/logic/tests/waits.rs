// SPDX-License-Identifier: GPL-2.0

//! What is waited for for too long.

use proptest::prelude::*;
use usbip_logic::waits::{
    Waits,
    PERIODS, //
};

#[test]
fn nothing_is_never_too_long() {
    let mut waits = Waits::new();
    assert!(!waits.any());
    assert!((0..100).all(|_| !waits.tick()));
}

#[test]
fn too_long_is_after_that_many_whole_periods() {
    let mut waits = Waits::new();
    // Neither the first tick nor the last one ends a whole period of it.
    assert!(!waits.tick());
    let since = waits.begin();
    assert!(waits.any());
    for _ in 0..PERIODS {
        assert!(!waits.tick());
    }
    assert!(waits.tick());
    // It is still waited for.
    assert!(waits.tick());
    waits.end(since);
    assert!(!waits.any());
    assert!(!waits.tick());
}

#[test]
fn other_waits_that_end_in_time_change_nothing() {
    let mut waits = Waits::new();
    let stuck = waits.begin();
    let mut ticks = 0;
    loop {
        let other = waits.begin();
        let too_long = waits.tick();
        ticks += 1;
        waits.end(other);
        if too_long {
            break;
        }
    }
    assert_eq!(ticks, u32::from(PERIODS) + 1);
    waits.end(stuck);
    assert!(!waits.any());
}

#[test]
fn busy_and_in_time_is_never_too_long() {
    let mut waits = Waits::new();
    let mut before = waits.begin();
    for _ in 0..1000 {
        for _ in 0..PERIODS - 1 {
            assert!(!waits.tick());
        }
        let next = waits.begin();
        waits.end(before);
        before = next;
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    End(usize),
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Begin),
        (0..100_usize).prop_map(Step::End),
        Just(Step::Tick),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// As a list of the periods in which they began says.
    #[test]
    fn like_a_list(steps in steps()) {
        let mut waits = Waits::new();
        let mut list = Vec::new();
        let mut period = 0;
        for step in steps {
            match step {
                Step::Begin => list.push((period, waits.begin())),
                Step::End(index) if !list.is_empty() => {
                    let (_, since) = list.swap_remove(index % list.len());
                    waits.end(since);
                }
                Step::End(_) => {}
                Step::Tick => {
                    let too_long = list.iter().any(|(began, _)| period - began >= u32::from(PERIODS));
                    prop_assert_eq!(waits.tick(), too_long);
                    period += 1;
                }
            }
            prop_assert_eq!(waits.any(), !list.is_empty());
        }
    }
}
