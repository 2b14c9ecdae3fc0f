// SPDX-License-Identifier: GPL-2.0

//! The table of names: what the tools rely on, and what broke the C module.

use std::collections::HashSet;

use proptest::prelude::*;

use usbip_logic::busid::{
    BusIdTable,
    Full,
    NotListed,
    Rebind,
    Release,
    State,
    SLOTS, //
};
use usbip_proto::sysfs_text::BusId;

fn name(text: &str) -> BusId {
    BusId::new(text.as_bytes()).unwrap()
}

fn names(table: &BusIdTable) -> Vec<String> {
    table.names().map(BusId::to_string).collect()
}

/// What `usbip bind` and `usbip unbind` do, step by step.
#[test]
fn bind_and_unbind() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert_eq!(table.state(&busid), Some(State::Listed));
    assert!(table.claim(&busid));
    assert_eq!(table.state(&busid), Some(State::Claimed));

    table.release(&busid, Release::Unbound);
    assert_eq!(table.state(&busid), Some(State::Listed));
    table.del(&busid).unwrap();
    assert_eq!(names(&table), ["1-1"], "del leaves it for rebind");
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::Attach));
    assert!(!table.claim(&busid), "it goes to its own driver now");
    table.end_rebind(&busid);
    assert_eq!(table.state(&busid), None);
    assert_eq!(table.pop(), None, "nothing is left behind");
}

#[test]
fn sixteen_names() {
    let mut table = BusIdTable::default();
    for slot in 0..SLOTS {
        table.add(name(&format!("1-{slot}"))).unwrap();
    }
    assert_eq!(table.add(name("2-1")), Err(Full));
    assert_eq!(table.add(name("1-3")), Ok(()), "listed already");
    let third = name("1-3");
    assert_eq!(table.begin_rebind(&third), Ok(Rebind::Attach));
    table.end_rebind(&third);
    assert_eq!(table.add(name("2-1")), Ok(()));
    assert_eq!(names(&table)[3], "2-1", "in the order of slots");
    assert_eq!(names(&table).len(), SLOTS);
}

#[test]
fn unknown_names() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    assert_eq!(table.del(&busid), Err(NotListed));
    assert_eq!(table.begin_rebind(&busid), Err(NotListed));
    table.end_rebind(&busid);
    table.release(&busid, Release::Unbound);
    assert!(!table.claim(&busid));
    assert_eq!(table.state(&busid), None);
    assert!(table.pop().is_none());
}

/// A second `add` undoes a `del`; for C it was a success without effect.
#[test]
fn add_after_del() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
    table.del(&busid).unwrap();
    assert_eq!(table.state(&busid), Some(State::Leaving));
    table.add(busid).unwrap();
    assert_eq!(table.state(&busid), Some(State::Claimed));
    table.del(&busid).unwrap();
    table.release(&busid, Release::Unbound);
    assert_eq!(table.state(&busid), Some(State::Removed));
    assert!(!table.claim(&busid));
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
}

/// A device that found no driver could not be bound again either, until a `rebind` succeeded.
#[test]
fn rebind_that_failed_can_be_repeated_or_undone() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
    table.release(&busid, Release::Unbound);
    assert!(table.begin_rebind(&busid).is_ok());
    table.fail_rebind(&busid);
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::Attach));
    table.fail_rebind(&busid);
    assert!(!table.claim(&busid));
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
    table.fail_rebind(&busid);
    assert_eq!(table.state(&busid), Some(State::Claimed));
}

/// `rebind` of a name whose device was never bound followed a null pointer.
#[test]
fn s18_rebind_of_what_was_never_bound() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::Attach));
    table.end_rebind(&busid);
    assert_eq!(table.state(&busid), None);
}

/// `rebind` while bound emptied the slot, and the next unbind was a BUG.
#[test]
fn s19_rebind_while_bound() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::StillBound));
    table.end_rebind(&busid);
    assert_eq!(
        table.state(&busid),
        Some(State::Leaving),
        "nothing was started"
    );
    table.release(&busid, Release::Unbound);
    assert_eq!(table.state(&busid), Some(State::Removed));
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::Attach));
}

/// The device of a name was remembered when it was long gone, and used when the module went.
#[test]
fn s20_unplugged_devices_are_forgotten() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
    table.release(&busid, Release::Unplugged);
    assert_eq!(table.state(&busid), Some(State::Listed), "for a replug");
    assert_eq!(table.pop(), Some((busid, false)));

    // The slot of a name that was leaving is free again.
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
    table.del(&busid).unwrap();
    table.release(&busid, Release::Unplugged);
    assert_eq!(table.state(&busid), None);
}

#[test]
fn a_new_device_replaces_the_old_one() {
    let mut table = BusIdTable::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert!(table.claim(&busid));
    table.release(&busid, Release::Unplugged);
    assert!(table.claim(&busid));
    table.release(&busid, Release::Unbound);
    assert!(table.claim(&busid));
    assert_eq!(table.pop(), Some((busid, true)));
}

/// When the driver goes away, every device that it had goes back to its own driver.
#[test]
fn leaving_for_good() {
    let mut table = BusIdTable::new();
    for text in ["1-1", "1-2", "1-3"] {
        table.add(name(text)).unwrap();
    }
    assert!(table.claim(&name("1-2")));
    table.release(&name("1-2"), Release::Unbound);
    let mut bound = Vec::new();
    while let Some((busid, was_bound)) = table.pop() {
        bound.extend(was_bound.then(|| busid.to_string()));
    }
    assert_eq!(bound, ["1-2"]);
    assert_eq!(table.names().count(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    Del(usize),
    Claim(usize),
    Release(usize, bool),
    Begin(usize),
    End(usize),
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0_usize..20;
    prop_oneof![
        4 => slot().prop_map(Step::Add),
        1 => slot().prop_map(Step::Del),
        3 => slot().prop_map(Step::Claim),
        2 => (slot(), any::<bool>()).prop_map(|(slot, gone)| Step::Release(slot, gone)),
        1 => slot().prop_map(Step::Begin),
        1 => slot().prop_map(Step::End),
        1 => Just(Step::Pop),
    ]
}

proptest! {
    /// In whatever order users and devices come and go: names are unique, there are at most 16 of
    /// them, and each knows whether its device was bound since it was plugged in.
    #[test]
    fn any_order(steps in proptest::collection::vec(step(), 0..200)) {
        let busid = |slot: usize| name(&format!("3-{slot}"));
        let mut bound = HashSet::new();
        let mut table = BusIdTable::new();
        for step in steps {
            match step {
                Step::Add(slot) => {
                    let known = table.state(&busid(slot)).is_some();
                    let full = table.names().count() == SLOTS;
                    prop_assert_eq!(table.add(busid(slot)).is_err(), full && !known);
                }
                Step::Del(slot) => {
                    let known = table.state(&busid(slot)).is_some();
                    prop_assert_eq!(table.del(&busid(slot)).is_ok(), known);
                    prop_assert_eq!(table.state(&busid(slot)).is_some(), known);
                }
                Step::Claim(slot) => {
                    let before = table.state(&busid(slot));
                    let claimed = table.claim(&busid(slot));
                    prop_assert_eq!(
                        claimed,
                        matches!(before, Some(State::Listed | State::Claimed))
                    );
                    if claimed {
                        bound.insert(busid(slot).to_string());
                    }
                }
                Step::Release(slot, gone) => {
                    let how = if gone { Release::Unplugged } else { Release::Unbound };
                    table.release(&busid(slot), how);
                    if gone {
                        bound.remove(&busid(slot).to_string());
                    }
                    prop_assert!(!matches!(
                        table.state(&busid(slot)),
                        Some(State::Claimed | State::Leaving)
                    ));
                }
                Step::Begin(slot) => {
                    let _ = table.begin_rebind(&busid(slot));
                }
                Step::End(slot) => {
                    table.end_rebind(&busid(slot));
                }
                Step::Pop => {
                    let popped = table.pop();
                    if let Some((busid, was_bound)) = popped {
                        prop_assert_eq!(was_bound, bound.contains(&busid.to_string()));
                    }
                }
            }
            let mut shown = names(&table);
            let count = shown.len();
            prop_assert!(count <= SLOTS);
            bound.retain(|name| shown.contains(name));
            shown.sort();
            shown.dedup();
            prop_assert_eq!(shown.len(), count);
        }
        while let Some((busid, was_bound)) = table.pop() {
            prop_assert_eq!(was_bound, bound.contains(&busid.to_string()));
        }
    }
}
