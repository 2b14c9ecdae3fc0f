// SPDX-License-Identifier: GPL-2.0-or-later

//! The table of requests, the names to share and the budget, each against a simple model of itself.

#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use usbip_logic::{
    budget::Budget,
    busid::{
        BusIdTable,
        Release, //
    },
    seqmap::{
        SeqMap,
        Slot, //
    }, //
};
use usbip_proto::{
    sysfs_text::BusId,
    Seqnum, //
};

fuzz_target!(|data: &[u8]| {
    let mut map = SeqMap::<u32, Vec<Slot<u32>>>::new(Vec::new());
    let mut model = HashMap::new();
    let mut names = BusIdTable::new();
    let mut budget = Budget::new(1000, 10);
    let mut shares = Vec::new();
    for step in data.chunks_exact(4) {
        let (what, value) = (step[0], u16::from_be_bytes([step[2], step[3]]));
        // Numbers that are near each other, far apart, and that wrap.
        let seqnum = Seqnum::new(u32::from(value).wrapping_sub(u32::from(step[1]) << 12));
        let what = what % 12;
        match what {
            0..=3 => {
                if let Some(slots) = map.needs_room(1) {
                    map.grow((0..slots).map(|_| Slot::EMPTY).collect());
                }
                assert_eq!(map.needs_room(1), None);
                let fresh = !model.contains_key(&seqnum);
                // So few are never crowded.
                let inserted = match what {
                    0 | 1 => map.insert(seqnum, value.into()),
                    _ => map.insert_near(seqnum, value.into()),
                };
                assert_eq!(inserted.is_ok(), fresh);
                model.entry(seqnum).or_insert(u32::from(value));
            }
            4..=6 => assert_eq!(map.remove(seqnum), model.remove(&seqnum)),
            7 => {
                let popped = map.pop_any();
                assert_eq!(popped.is_some(), !model.is_empty());
                if let Some((seqnum, value)) = popped {
                    assert_eq!(model.remove(&seqnum), Some(value));
                }
            }
            8 | 9 => {
                let name = BusId::new(&[b'1', b'-', b'1' + step[1] % 20]).unwrap();
                match step[2] % 7 {
                    0 => drop(names.add(name)),
                    1 => drop(names.del(&name)),
                    2 => drop(names.claim(&name)),
                    3 => names.release(&name, Release::Unbound),
                    4 => drop(names.begin_rebind(&name)),
                    5 => names.end_rebind(&name),
                    _ => drop(names.pop()),
                }
                assert!(names.names().count() <= 16);
            }
            10 => shares.extend(budget.take(value.into())),
            _ => {
                if let Some(share) = shares.pop() {
                    budget.give(share);
                }
            }
        }
        assert_eq!(map.len(), model.len());
        for (seqnum, value) in &model {
            assert_eq!(map.get(*seqnum), Some(value));
        }
        let taken: usize = shares.iter().map(|share| share.bytes()).sum();
        assert_eq!(
            (budget.bytes() + taken, budget.requests() + shares.len()),
            (1000, 10)
        );
    }
});
