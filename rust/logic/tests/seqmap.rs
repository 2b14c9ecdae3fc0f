// SPDX-License-Identifier: GPL-2.0

//! The map of pending requests against the standard library's, and where its numbers wrap.

use std::{
    collections::HashMap,
    rc::Rc, //
};

use proptest::prelude::*;

use usbip_logic::seqmap::{
    InsertError,
    SeqMap,
    Slot,
    MAX_REACH, //
};
use usbip_proto::Seqnum;

type Map<T> = SeqMap<T, Vec<Slot<T>>>;

fn storage<T>(len: usize) -> Vec<Slot<T>> {
    (0..len).map(|_| Slot::EMPTY).collect()
}

fn map<T>(len: usize) -> Map<T> {
    Map::new(storage(len))
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32),
    Remove(u32),
    Change(u32),
    Pop,
    Grow,
}

/// Numbers of which many have the same low bits, some around the wrap.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        0_u32..20,
        (0_u32..6).prop_map(|n| n * 64),
        (0_u32..20).prop_map(|n| u32::MAX - n),
        (0_u32..20).prop_map(|n| 0x8000_0000 + n),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => number().prop_map(Step::Insert),
        3 => number().prop_map(Step::Remove),
        1 => number().prop_map(Step::Change),
        1 => Just(Step::Pop),
        1 => Just(Step::Grow),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_map(
        len in 0_usize..40,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut map = map(len);
        let mut model = HashMap::new();
        for (count, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(number) => match map.insert(Seqnum::new(number), count) {
                    Ok(()) => prop_assert_eq!(model.insert(number, count), None),
                    Err(InsertError::Duplicate(value)) => {
                        prop_assert_eq!(value, count);
                        prop_assert!(model.contains_key(&number));
                    }
                    Err(InsertError::Full(value)) => {
                        prop_assert_eq!(value, count);
                        prop_assert!(!model.contains_key(&number));
                        prop_assert!(map.needs_room(1).is_some());
                    }
                },
                Step::Remove(number) => {
                    prop_assert_eq!(map.remove(Seqnum::new(number)), model.remove(&number));
                }
                Step::Change(number) => {
                    if let Some(value) = map.get_mut(Seqnum::new(number)) {
                        *value = count;
                    }
                    if let Some(value) = model.get_mut(&number) {
                        *value = count;
                    }
                }
                Step::Pop => match map.pop_any() {
                    Some((seqnum, value)) => {
                        prop_assert_eq!(model.remove(&seqnum.get()), Some(value));
                    }
                    None => prop_assert!(model.is_empty()),
                },
                Step::Grow => {
                    if let Some(wanted) = map.needs_room(1) {
                        prop_assert!(wanted.is_power_of_two());
                        drop(map.grow(storage(wanted)));
                        prop_assert_eq!(map.needs_room(1), None);
                    }
                }
            }
            prop_assert_eq!(map.len(), model.len());
            for (number, value) in &model {
                prop_assert_eq!(map.get(Seqnum::new(*number)), Some(value));
            }
            prop_assert_eq!(map.iter().count(), model.len());
        }
        let mut drained = 0;
        while let Some((seqnum, value)) = map.pop_any() {
            prop_assert_eq!(model.remove(&seqnum.get()), Some(value));
            drained += 1;
        }
        prop_assert!(model.is_empty());
        prop_assert!(map.is_empty() || drained > 0);
    }
}

/// Numbers are unsigned, and after the last one comes 0.
#[test]
fn c10_numbers_above_2_31_and_the_wrap() {
    let mut map = map(64);
    for start in [0x7fff_fff0_u32, u32::MAX - 15] {
        let mut seqnum = Seqnum::new(start);
        for _ in 0..32 {
            map.insert(seqnum, seqnum.get()).unwrap();
            seqnum = seqnum.next();
        }
        let mut seqnum = Seqnum::new(start);
        for _ in 0..32 {
            assert_eq!(map.remove(seqnum), Some(seqnum.get()));
            seqnum = seqnum.next();
        }
        assert!(map.is_empty());
    }
}

/// A long time of traffic, with one request that never ends, as for a keyboard.
#[test]
fn one_request_stays_while_others_pass() {
    let mut map = map(16);
    map.insert(Seqnum::FIRST, 0).unwrap();
    let mut seqnum = Seqnum::FIRST.next();
    for count in 0..100_000 {
        map.insert(seqnum, count).unwrap();
        if count >= 8 {
            let done = Seqnum::new(seqnum.get() - 8);
            assert_eq!(map.remove(done), Some(count - 8));
        }
        assert_eq!(map.get(Seqnum::FIRST), Some(&0));
        seqnum = seqnum.next();
    }
}

#[test]
fn no_storage() {
    let mut map = map(0);
    assert_eq!(map.capacity(), 0);
    assert_eq!(map.insert(Seqnum::FIRST, 'a'), Err(InsertError::Full('a')));
    assert_eq!(map.get(Seqnum::FIRST), None);
    assert_eq!(map.remove(Seqnum::FIRST), None);
    assert_eq!(map.pop_any(), None);
    assert_eq!(map.needs_room(0), None);
    let wanted = map.needs_room(1).unwrap();
    assert!(map.grow(storage(wanted)).is_empty());
    assert_eq!(map.insert(Seqnum::FIRST, 'a'), Ok(()));
    assert_eq!(
        map.insert(Seqnum::FIRST, 'b'),
        Err(InsertError::Duplicate('b'))
    );
    assert_eq!(InsertError::Full('c').into_inner(), 'c');
}

#[test]
fn odd_storage() {
    for len in 1..=100 {
        let mut map = map(len);
        let capacity = map.capacity();
        assert!(capacity.is_power_of_two() && capacity <= len && len < 2 * capacity);
        let mut seqnum = Seqnum::new(u32::MAX);
        while map.insert(seqnum, ()).is_ok() {
            seqnum = seqnum.next();
        }
        assert_eq!(map.len(), capacity - capacity / 4);
        for (found, ()) in map.iter_mut() {
            assert!(found.get() <= 100 || found.get() == u32::MAX);
        }
    }
}

#[test]
fn a_storage_that_is_too_small_is_given_back() {
    let mut map = map(16);
    for number in 0..10 {
        map.insert(Seqnum::new(number), number).unwrap();
    }
    assert_eq!(map.grow(storage(8)).len(), 8);
    assert_eq!(map.capacity(), 16);
    assert_eq!(map.get(Seqnum::new(9)), Some(&9));
    assert_eq!(map.grow(storage(64)).len(), 16);
    assert_eq!(map.capacity(), 64);
    assert_eq!(map.needs_room(usize::MAX), Some(usize::MAX), "never enough");
}

/// What goes in comes out or is dropped, once.
#[test]
fn nothing_is_lost() {
    let token = Rc::new(());
    let mut map = map(8);
    for number in 0..6 {
        map.insert(Seqnum::new(number * 8), Rc::clone(&token))
            .unwrap();
    }
    assert!(map.insert(Seqnum::new(7), Rc::clone(&token)).is_err());
    assert_eq!(Rc::strong_count(&token), 7);
    drop(map.grow(storage(32)));
    assert_eq!(Rc::strong_count(&token), 7);
    drop(map.remove(Seqnum::new(8)));
    drop(map.pop_any());
    assert_eq!(Rc::strong_count(&token), 5);
    drop(map);
    assert_eq!(Rc::strong_count(&token), 1);
}

/// A peer that chooses its numbers so that all want one slot made each operation as long as the table, with interrupts
/// off.
#[test]
fn numbers_that_want_one_slot_are_refused_before_they_cost() {
    const SLOTS: u32 = 1 << 14;
    let mut map = map(1 << 14);
    let mut taken = 0;
    while map.insert(Seqnum::new(taken * SLOTS), taken).is_ok() {
        taken += 1;
    }
    assert_eq!(usize::try_from(taken), Ok(MAX_REACH + 1));
    assert_eq!(map.needs_room(1), None);
    // Others find their place, behind them too.
    let reach = u32::try_from(MAX_REACH).unwrap();
    for number in [1, 7, reach, 5000, SLOTS - 1] {
        map.insert(Seqnum::new(number), number).unwrap();
    }
    drop(map.grow(storage(2 << 14)));
    for number in (0..taken).rev() {
        assert_eq!(map.remove(Seqnum::new(number * SLOTS)), Some(number));
    }
    assert_eq!(map.len(), 5);
    // All is forgotten with the last one.
    while map.pop_any().is_some() {}
    for number in 0..3 * SLOTS / 4 {
        map.insert(Seqnum::new(number), number).unwrap();
    }
    for number in 0..3 * SLOTS / 4 {
        assert_eq!(map.remove(Seqnum::new(number)), Some(number));
    }
}
