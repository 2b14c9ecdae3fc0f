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
                Step::Insert(number) => match map.insert_near(Seqnum::new(number), count) {
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
                    Err(InsertError::Crowded(_)) => prop_assert!(false, "of so few"),
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

/// Many requests stay, as those of a program that queues hundreds to read, while others pass: whichever number comes
/// round to them, it finds its place.
#[test]
fn many_requests_stay_while_others_pass() {
    let mut map = map(512);
    for number in 1..=300 {
        map.insert_near(Seqnum::new(number), number).unwrap();
    }
    for number in 301..100_000 {
        map.insert_near(Seqnum::new(number), number).unwrap();
        if number > 350 {
            assert_eq!(map.remove(Seqnum::new(number - 50)), Some(number - 50));
        }
    }
    for number in 1..=300 {
        assert_eq!(map.remove(Seqnum::new(number)), Some(number));
    }
}

/// Numbers with any step between them, and without any rule, fill a table.
#[test]
fn numbers_that_nobody_chose_to_crowd_find_a_place() {
    const SLOTS: u32 = 1 << 14;
    let fill = |numbers: &mut dyn Iterator<Item = u32>| {
        let mut map = map(1 << 14);
        let mut taken = 0;
        for number in numbers {
            match map.insert_near(Seqnum::new(number), ()) {
                Ok(()) => taken += 1,
                Err(InsertError::Duplicate(())) => {}
                Err(InsertError::Full(())) => break,
                Err(InsertError::Crowded(())) => panic!("{number} after {taken}"),
            }
        }
        assert_eq!(taken, SLOTS - SLOTS / 4);
    };
    for bits in 0..18 {
        fill(&mut (0..).map(|count: u32| count << bits));
        fill(&mut (0..).map(|count: u32| count.wrapping_mul((1 << bits) + 1)));
    }
    for seed in 1..=20_u32 {
        let mut state = seed;
        fill(&mut std::iter::repeat_with(|| {
            // xorshift, of period 2^32 - 1
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        }));
    }
}

/// A number that the table puts into its first slot, whatever its size; `count` is less than 2^32 divided by that.
fn crowding(count: u32) -> u32 {
    // The inverse of what numbers are multiplied with.
    count.wrapping_mul(0x0e8b_2f51)
}

/// A peer that chooses its numbers so that all want one slot made each operation as long as the table, with interrupts
/// off.
#[test]
fn numbers_that_want_one_slot_are_refused_before_they_cost() {
    const SLOTS: u32 = 1 << 14;
    let mut map = map(1 << 14);
    let mut taken = 0;
    let refused = loop {
        match map.insert_near(Seqnum::new(crowding(taken)), taken) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, InsertError::Crowded(taken));
    assert_eq!(usize::try_from(taken), Ok(MAX_REACH + 1));
    assert_eq!(map.needs_room(1), None);
    // What was given out here is taken all the same.
    map.insert(Seqnum::new(crowding(taken)), taken).unwrap();
    // Others find their place, behind them too.
    for number in 1..=5 {
        map.insert_near(Seqnum::new(number), number).unwrap();
    }
    drop(map.grow(storage(2 << 14)));
    for count in (0..=taken).rev() {
        assert_eq!(map.remove(Seqnum::new(crowding(count))), Some(count));
    }
    assert_eq!(map.len(), 5);
    // All is forgotten with the last one.
    while map.pop_any().is_some() {}
    for number in 0..3 * SLOTS / 4 {
        map.insert_near(Seqnum::new(number), number).unwrap();
    }
    for number in 0..3 * SLOTS / 4 {
        assert_eq!(map.remove(Seqnum::new(number)), Some(number));
    }
}

/// A table that is full says so, however crowded it is: a larger one has room.
#[test]
fn a_full_table_is_not_called_crowded() {
    let mut map = map(1024);
    for count in 0..768 {
        map.insert(Seqnum::new(crowding(count)), ()).unwrap();
    }
    let refused = map.insert_near(Seqnum::new(crowding(768)), ());
    assert_eq!(refused, Err(InsertError::Full(())));
    assert!(map.needs_room(1).is_some());
}
