// SPDX-License-Identifier: GPL-2.0

//! The table of names: what the tools rely on, and what broke the C module.

use std::rc::Rc;

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

type Device = Rc<&'static str>;
type Table = BusIdTable<Device>;

fn name(text: &str) -> BusId {
    BusId::new(text.as_bytes()).unwrap()
}

fn device() -> Device {
    Rc::new("device")
}

fn names(table: &Table) -> Vec<String> {
    table.names().map(BusId::to_string).collect()
}

/// What `usbip bind` and `usbip unbind` do, step by step.
#[test]
fn bind_and_unbind() {
    let mut table = Table::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert_eq!(table.state(&busid), Some(State::Listed));
    let device = device();
    assert_eq!(table.claim(&busid, Rc::clone(&device)), Ok(None));
    assert_eq!(table.state(&busid), Some(State::Claimed));

    assert_eq!(table.release(&busid, Release::Unbound), None);
    assert_eq!(table.state(&busid), Some(State::Listed));
    table.del(&busid).unwrap();
    assert_eq!(names(&table), ["1-1"], "del leaves it for rebind");
    assert_eq!(
        table.begin_rebind(&busid),
        Ok(Rebind::Attach(Some(Rc::clone(&device))))
    );
    assert_eq!(
        table.claim(&busid, Rc::clone(&device)),
        Err(Rc::clone(&device)),
        "it goes to its own driver now"
    );
    assert_eq!(table.end_rebind(&busid), Some(Rc::clone(&device)));
    assert_eq!(table.state(&busid), None);
    assert_eq!(Rc::strong_count(&device), 1, "no handle is left behind");
}

#[test]
fn sixteen_names() {
    let mut table = Table::default();
    for slot in 0..SLOTS {
        table.add(name(&format!("1-{slot}"))).unwrap();
    }
    assert_eq!(table.add(name("2-1")), Err(Full));
    assert_eq!(table.add(name("1-3")), Ok(()), "listed already");
    let third = name("1-3");
    assert_eq!(table.begin_rebind(&third), Ok(Rebind::Attach(None)));
    assert_eq!(table.end_rebind(&third), None);
    assert_eq!(table.add(name("2-1")), Ok(()));
    assert_eq!(names(&table)[3], "2-1", "in the order of slots");
    assert_eq!(names(&table).len(), SLOTS);
}

#[test]
fn unknown_names() {
    let mut table = Table::new();
    let busid = name("1-1");
    assert_eq!(table.del(&busid), Err(NotListed));
    assert_eq!(table.begin_rebind(&busid), Err(NotListed));
    assert_eq!(table.end_rebind(&busid), None);
    assert_eq!(table.release(&busid, Release::Unbound), None);
    let device = device();
    assert_eq!(table.claim(&busid, Rc::clone(&device)), Err(device));
    assert!(table.pop().is_none());
}

/// A second `add` undoes a `del`; for C it was a success without effect.
#[test]
fn add_after_del() {
    let mut table = Table::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    table.claim(&busid, device()).unwrap();
    table.del(&busid).unwrap();
    assert_eq!(table.state(&busid), Some(State::Leaving));
    table.add(busid).unwrap();
    assert_eq!(table.state(&busid), Some(State::Claimed));
    table.del(&busid).unwrap();
    table.release(&busid, Release::Unbound);
    assert_eq!(table.state(&busid), Some(State::Removed));
    let device = device();
    assert!(table.claim(&busid, Rc::clone(&device)).is_err());
    table.add(busid).unwrap();
    assert!(table.claim(&busid, device).is_ok());
}

/// A device that found no driver could not be bound again either, until a `rebind` succeeded.
#[test]
fn rebind_that_failed_can_be_repeated_or_undone() {
    let mut table = Table::new();
    let busid = name("1-1");
    let device = device();
    table.add(busid).unwrap();
    table.claim(&busid, Rc::clone(&device)).unwrap();
    table.release(&busid, Release::Unbound);
    assert!(table.begin_rebind(&busid).is_ok());
    table.fail_rebind(&busid);
    assert_eq!(
        table.begin_rebind(&busid),
        Ok(Rebind::Attach(Some(Rc::clone(&device))))
    );
    table.fail_rebind(&busid);
    assert!(table.claim(&busid, Rc::clone(&device)).is_err());
    table.add(busid).unwrap();
    assert!(table.claim(&busid, Rc::clone(&device)).is_ok());
    table.fail_rebind(&busid);
    assert_eq!(table.state(&busid), Some(State::Claimed));
}

/// `rebind` of a name whose device was never bound followed a null pointer.
#[test]
fn s18_rebind_of_what_was_never_bound() {
    let mut table = Table::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::Attach(None)));
    table.end_rebind(&busid);
    assert_eq!(table.state(&busid), None);
}

/// `rebind` while bound emptied the slot, and the next unbind was a BUG.
#[test]
fn s19_rebind_while_bound() {
    let mut table = Table::new();
    let busid = name("1-1");
    table.add(busid).unwrap();
    let device = device();
    table.claim(&busid, Rc::clone(&device)).unwrap();
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::StillBound));
    assert_eq!(table.end_rebind(&busid), None, "nothing was started");
    assert_eq!(table.state(&busid), Some(State::Leaving));
    assert_eq!(table.release(&busid, Release::Unbound), None);
    assert_eq!(table.state(&busid), Some(State::Removed));
    assert_eq!(table.begin_rebind(&busid), Ok(Rebind::Attach(Some(device))));
}

/// The device of a name was remembered when it was long gone, and used when the module went.
#[test]
fn s20_unplugged_devices_are_forgotten() {
    let mut table = Table::new();
    let busid = name("1-1");
    let device = device();
    table.add(busid).unwrap();
    table.claim(&busid, Rc::clone(&device)).unwrap();
    let handle = table.release(&busid, Release::Unplugged);
    assert_eq!(handle, Some(Rc::clone(&device)));
    drop(handle);
    assert_eq!(Rc::strong_count(&device), 1);
    assert_eq!(table.state(&busid), Some(State::Listed), "for a replug");
    assert_eq!(table.pop(), Some((busid, None)));

    // The slot of a name that was leaving is free again.
    table.add(busid).unwrap();
    table.claim(&busid, Rc::clone(&device)).unwrap();
    table.del(&busid).unwrap();
    assert!(table.release(&busid, Release::Unplugged).is_some());
    assert_eq!(table.state(&busid), None);
}

#[test]
fn a_new_device_replaces_the_old_one() {
    let mut table = Table::new();
    let busid = name("1-1");
    let (first, second) = (device(), device());
    table.add(busid).unwrap();
    table.claim(&busid, Rc::clone(&first)).unwrap();
    table.release(&busid, Release::Unbound);
    let old = table.claim(&busid, Rc::clone(&second)).unwrap();
    assert!(Rc::ptr_eq(&old.unwrap(), &first));
    let (_, handle) = table.pop().unwrap();
    assert!(Rc::ptr_eq(&handle.unwrap(), &second));
}

/// When the driver goes away, every device that it had goes back to its own driver.
#[test]
fn leaving_for_good() {
    let mut table = Table::new();
    for text in ["1-1", "1-2", "1-3"] {
        table.add(name(text)).unwrap();
    }
    table.claim(&name("1-2"), device()).unwrap();
    table.release(&name("1-2"), Release::Unbound);
    let mut handles = Vec::new();
    while let Some((busid, handle)) = table.pop() {
        handles.extend(handle.map(|_| busid.to_string()));
    }
    assert_eq!(handles, ["1-2"]);
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
    /// them, and handles are neither lost nor doubled.
    #[test]
    fn any_order(steps in proptest::collection::vec(step(), 0..200)) {
        let busid = |slot: usize| name(&format!("3-{slot}"));
        let token = device();
        let mut table = Table::new();
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
                    let claimed = table.claim(&busid(slot), Rc::clone(&token)).is_ok();
                    prop_assert_eq!(
                        claimed,
                        matches!(before, Some(State::Listed | State::Claimed))
                    );
                }
                Step::Release(slot, gone) => {
                    let how = if gone { Release::Unplugged } else { Release::Unbound };
                    table.release(&busid(slot), how);
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
                    table.pop();
                }
            }
            let mut shown = names(&table);
            let count = shown.len();
            prop_assert!(count <= SLOTS);
            prop_assert!(Rc::strong_count(&token) <= count + 1);
            shown.sort();
            shown.dedup();
            prop_assert_eq!(shown.len(), count);
        }
        drop(table);
        prop_assert_eq!(Rc::strong_count(&token), 1);
    }
}
