// SPDX-License-Identifier: GPL-2.0

//! The requests of an importing side: each URB leaves the table once, whatever the order in which it is sent, answered
//! and given up.

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use proptest::prelude::*;

use usbip_logic::{
    plan::{
        Pending,
        ReplyPlan, //
    },
    receive::Payload,
    requests::{
        Answered,
        Entry,
        PutBack,
        Requests,
        Unlinked, //
    },
    seqmap::Slot,
    waits::PERIODS, //
};
use usbip_proto::{
    Direction,
    Seqnum,
    Status,
    TransferKind, //
};

/// An URB.
type Urb = u32;
/// An answer that came early.
type Early = &'static str;
type Storage = Vec<Slot<Entry<Urb, Early>>>;
type Table = Requests<Urb, Early, Storage>;

const EARLY: Early = "early";

fn storage(slots: usize) -> Storage {
    (0..slots).map(|_| Slot::EMPTY).collect()
}

fn table() -> Table {
    Table::new(storage(0))
}

fn pending(length: u32) -> Pending {
    Pending {
        kind: TransferKind::Bulk,
        direction: Direction::Out,
        length,
        packets: 0,
    }
}

fn plan() -> ReplyPlan {
    ReplyPlan {
        payload: Payload::NONE,
        status: Status::OK,
        actual_length: 0,
        start_frame: 0,
    }
}

/// Enters a transfer, whose length is the number of the URB.
fn submit(table: &mut Table, urb: Urb) -> Seqnum {
    if let Some(slots) = table.needs() {
        drop(table.grow(storage(slots)));
    }
    let seqnum = table.next();
    assert_eq!(table.submit(seqnum, urb, pending(urb)), Ok(()));
    assert_eq!(table.newest(), seqnum);
    seqnum
}

/// Sends the first request in the line, which is that one.
fn send(table: &mut Table, seqnum: Seqnum, has_data: bool) -> Option<Urb> {
    let (first, place) = table.first().expect("a line");
    assert_eq!(first, seqnum);
    table.send(first, place, has_data)
}

fn answer(table: &mut Table, seqnum: Seqnum) -> Result<Answered<Urb>, &'static str> {
    table.answer(seqnum, |_| Ok(plan()))
}

/// Begins to give up a transfer that was sent, and sends that; returns its number.
fn ask(table: &mut Table, target: Seqnum) -> Seqnum {
    let Unlinked::Asked(request) = table.unlink(target) else {
        panic!("the peer is not asked");
    };
    let (first, place) = table.first().expect("a line");
    assert_eq!(first, request);
    assert!(
        matches!(table.at(place), Some(Entry::Unlink(unlink)) if unlink.target == target),
        "not an unlink"
    );
    assert_eq!(table.send(first, place, false), None);
    request
}

#[test]
fn the_line_is_in_order() {
    let mut table = table();
    let all = [10, 11, 12].map(|urb| submit(&mut table, urb));
    assert_eq!(all.map(Seqnum::get), [1, 2, 3]);
    for (seqnum, urb) in all.into_iter().zip(10..) {
        let (first, place) = table.first().expect("a line");
        assert_eq!(first, seqnum);
        let Some(Entry::Submit(submission)) = table.at(place) else {
            panic!("not a transfer");
        };
        assert_eq!(
            (submission.urb(), submission.pending),
            (Some(&urb), pending(urb))
        );
        assert_eq!(table.send(first, place, false), None);
    }
    assert!(table.first().is_none());
    // Answers come in any order.
    for (seqnum, urb) in all.into_iter().zip([10, 11, 12]).rev() {
        assert_eq!(answer(&mut table, seqnum), Ok(Answered::Whole(urb, plan())));
        table.received();
    }
    assert_eq!(table.take_any(), None);
}

#[test]
fn what_is_given_up_in_the_line_is_never_sent() {
    let mut table = table();
    let [one, two, three] = [1, 2, 3].map(|urb| submit(&mut table, urb));
    assert_eq!(table.unlink(two), Unlinked::Unsent(2));
    assert_eq!(table.unlink(two), Unlinked::Ending);
    assert!(!table.is_awaited());
    assert_eq!(send(&mut table, one, false), None);
    assert_eq!(send(&mut table, three, false), None);
    assert!(table.first().is_none());
}

#[test]
fn the_line_may_be_longer_than_the_table() {
    let mut table = table();
    let first = submit(&mut table, 1);
    // Each leaves before it is sent, so the table stays small.
    for urb in 2..200 {
        let seqnum = submit(&mut table, urb);
        assert_eq!(table.unlink(seqnum), Unlinked::Unsent(urb));
    }
    let last = submit(&mut table, 200);
    assert_eq!(send(&mut table, first, false), None);
    // Each of these looks takes long.
    assert!(table.is_sparse());
    assert_eq!(send(&mut table, last, false), None);
    assert!(!table.is_sparse());
    assert!(table.first().is_none());
    for urb in 201..400 {
        let seqnum = submit(&mut table, urb);
        assert_eq!(table.unlink(seqnum), Unlinked::Unsent(urb));
    }
    assert!(table.first().is_none());
}

#[test]
fn the_peer_has_unlinked_it() {
    let mut table = table();
    let seqnum = submit(&mut table, 1);
    send(&mut table, seqnum, false);
    let request = ask(&mut table, seqnum);
    // usbcore may ask again.
    assert_eq!(table.unlink(seqnum), Unlinked::Ending);
    assert_eq!(table.unlinked(request, Status::CONNRESET), Ok(Some(1)));
    assert_eq!(table.unlinked(request, Status::CONNRESET), Ok(None));
    assert!(answer(&mut table, seqnum).is_err());
}

#[test]
fn the_answer_overtakes_the_unlink() {
    let mut table = table();
    let seqnum = submit(&mut table, 1);
    send(&mut table, seqnum, false);
    let request = ask(&mut table, seqnum);
    assert_eq!(answer(&mut table, seqnum), Ok(Answered::Whole(1, plan())));
    table.received();
    assert_eq!(table.unlinked(request, Status::OK), Ok(None));
    assert!(!table.is_awaited());
}

#[test]
fn the_unlink_overtakes_the_answer() {
    let mut table = table();
    let seqnum = submit(&mut table, 1);
    send(&mut table, seqnum, false);
    let request = ask(&mut table, seqnum);
    assert_eq!(table.unlinked(request, Status::OK), Ok(Some(1)));
    assert_eq!(answer(&mut table, seqnum), Ok(Answered::Late(plan())));
    assert!(answer(&mut table, seqnum).is_err(), "late only once");
}

#[test]
fn a_new_peer_answers_nothing_of_the_old_one() {
    let mut table = table();
    let seqnum = submit(&mut table, 1);
    send(&mut table, seqnum, false);
    let request = ask(&mut table, seqnum);
    assert_eq!(table.unlinked(request, Status::OK), Ok(Some(1)));
    table.restart();
    assert!(answer(&mut table, seqnum).is_err());
    assert_eq!(table.next().get(), 1);
}

#[test]
fn an_answer_before_the_data_have_left() {
    for has_left in [false, true] {
        let mut table = table();
        let seqnum = submit(&mut table, 1);
        assert_eq!(send(&mut table, seqnum, true), Some(1));
        assert_eq!(answer(&mut table, seqnum), Ok(Answered::Early(plan())));
        if has_left {
            assert_eq!(table.put_back(seqnum, 1), Ok(PutBack::Waiting));
            assert_eq!(table.keep(seqnum, EARLY), Some((1, EARLY)));
        } else {
            assert_eq!(table.keep(seqnum, EARLY), None);
            assert!(answer(&mut table, seqnum).is_err(), "a second answer");
            // It is answered: the peer is not asked to give it up.
            assert_eq!(table.unlink(seqnum), Unlinked::Ending);
            assert!(table.is_awaited());
            let put_back = table.put_back(seqnum, 1);
            assert_eq!(put_back, Ok(PutBack::Answered(1, EARLY)));
        }
        assert!(!table.is_awaited());
        assert_eq!(table.put_back(seqnum, 1), Err(1));
        assert_eq!(table.keep(seqnum, EARLY), None);
        assert_eq!(table.take_any(), None);
    }
}

#[test]
fn answers_that_no_peer_may_give() {
    let mut table = table();
    assert!(answer(&mut table, Seqnum::new(1)).is_err());
    let seqnum = submit(&mut table, 1);
    assert!(answer(&mut table, seqnum).is_err(), "not sent");
    assert!(table.unlinked(seqnum, Status::OK).is_err(), "no unlink");
    assert_eq!(send(&mut table, seqnum, true), Some(1));
    let Unlinked::Asked(request) = table.unlink(seqnum) else {
        panic!("the peer is not asked");
    };
    assert!(table.unlinked(request, Status::OK).is_err(), "not sent");
    assert!(answer(&mut table, request).is_err(), "an unlink");
    assert_eq!(send(&mut table, request, false), None);
    assert!(
        table.unlinked(request, Status::OK).is_err(),
        "its data are still being sent"
    );
    // A header that says nonsense about a transfer does not take that away.
    assert_eq!(table.put_back(seqnum, 1), Ok(PutBack::Waiting));
    assert_eq!(table.answer(seqnum, |_| Err("nonsense")), Err("nonsense"));
    assert_eq!(table.take_any(), Some(1));
}

#[test]
fn too_long() {
    let mut table = table();
    let [one, two] = [1, 2].map(|urb| submit(&mut table, urb));
    send(&mut table, one, false);
    send(&mut table, two, false);
    ask(&mut table, one);
    let ticks = (0..PERIODS).map(|_| table.tick());
    assert!(ticks.into_iter().all(|is_too_long| !is_too_long));
    assert!(table.tick());
    assert_eq!(answer(&mut table, one), Ok(Answered::Whole(1, plan())));
    assert!(!table.is_awaited());
    assert!(!table.tick());
}

#[test]
fn wanted_while_it_is_received() {
    let mut table = table();
    let [one, two] = [1, 2].map(|urb| submit(&mut table, urb));
    send(&mut table, one, false);
    send(&mut table, two, false);
    assert_eq!(answer(&mut table, one), Ok(Answered::Whole(1, plan())));
    assert!(!table.is_receiving_wanted());
    assert_eq!(table.unlink(two), Unlinked::Asked(Seqnum::new(3)));
    assert!(!table.is_receiving_wanted());
    assert_eq!(table.unlink(one), Unlinked::Ending);
    assert!(table.is_receiving_wanted());
    table.received();
    assert!(!table.is_receiving_wanted());
    // One that was wanted before.
    assert_eq!(answer(&mut table, two), Ok(Answered::Whole(2, plan())));
    assert!(table.is_receiving_wanted());
}

/// Hundreds wait, as for a program that queues that many to read, while others pass whose numbers come round to them
/// again and again. Each of either kind is entered and can be given up.
#[test]
fn many_stay_while_others_pass() {
    let mut table = table();
    let stay: Vec<_> = (0..600).map(|urb| submit(&mut table, urb)).collect();
    for seqnum in &stay {
        assert_eq!(send(&mut table, *seqnum, false), None);
    }
    for urb in 600..20_000 {
        let passes = submit(&mut table, urb);
        assert_eq!(send(&mut table, passes, false), None);
        if urb % 3 == 0 {
            let request = ask(&mut table, passes);
            assert_eq!(table.unlinked(request, Status::CONNRESET), Ok(Some(urb)));
        } else {
            assert_eq!(answer(&mut table, passes), Ok(Answered::Whole(urb, plan())));
            table.received();
        }
    }
    let requests: Vec<_> = stay.iter().map(|seqnum| ask(&mut table, *seqnum)).collect();
    for (urb, request) in (0..).zip(requests) {
        assert_eq!(table.unlinked(request, Status::CONNRESET), Ok(Some(urb)));
    }
    assert_eq!(table.take_any(), None);
}

#[test]
fn alone() {
    let mut table = table();
    for urb in 0..3 {
        assert!(table.is_alone());
        let seqnum = submit(&mut table, urb);
        assert!(!table.is_alone());
        send(&mut table, seqnum, false);
        assert!(answer(&mut table, seqnum).is_ok());
    }
    let pair = [1, 2].map(|urb| submit(&mut table, urb));
    for seqnum in pair {
        send(&mut table, seqnum, false);
    }
    for seqnum in pair {
        assert!(answer(&mut table, seqnum).is_ok());
    }
    assert!(!table.is_alone(), "the next two would come together, too");
}

#[test]
fn every_transfer_can_be_given_up() {
    let mut table = table();
    let all: Vec<_> = (0..1000).map(|urb| submit(&mut table, urb)).collect();
    for seqnum in &all {
        send(&mut table, *seqnum, false);
    }
    for seqnum in all {
        // The table does not grow for it.
        assert!(matches!(table.unlink(seqnum), Unlinked::Asked(_)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit,
    /// Sends the first in the line.
    Send {
        has_data: bool,
    },
    /// The data of one of those that are being sent have left.
    Left(prop::sample::Index),
    /// usbcore gives one up.
    Unlink(prop::sample::Index),
    /// The peer answers one of the numbers that it has seen.
    Answer(prop::sample::Index),
    /// The peer says that it has unlinked something, or nothing.
    Unlinked(prop::sample::Index, bool),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Submit),
        4 => any::<bool>().prop_map(|has_data| Step::Send { has_data }),
        2 => any::<prop::sample::Index>().prop_map(Step::Left),
        2 => any::<prop::sample::Index>().prop_map(Step::Unlink),
        3 => any::<prop::sample::Index>().prop_map(Step::Answer),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(index, ok)| Step::Unlinked(index, ok)),
        1 => Just(Step::Tick),
    ]
}

/// What the peer, usbcore and the sending thread know.
#[derive(Default)]
struct World {
    urbs: Urb,
    /// URBs that have come back.
    back: BTreeSet<Urb>,
    /// By number, those that usbcore has not got back.
    submitted: BTreeMap<u32, Urb>,
    /// Those whose data are being sent.
    sending: BTreeMap<u32, Urb>,
    /// The submissions and the unlinks that the peer has seen.
    seen: Vec<u32>,
    unlinks: Vec<u32>,
    /// The newest number that was sent.
    newest: u32,
}

impl World {
    fn comes_back(&mut self, urb: Urb) -> Result<(), TestCaseError> {
        prop_assert!(self.back.insert(urb), "{} came back twice", urb);
        prop_assert!(!self.sending.values().any(|sending| *sending == urb));
        self.submitted.retain(|_, submitted| *submitted != urb);
        Ok(())
    }
}

proptest! {
    #[test]
    fn each_urb_comes_back_once(steps in proptest::collection::vec(step(), 1..300)) {
        let mut table = table();
        let mut world = World::default();
        for step in steps {
            match step {
                Step::Submit => {
                    world.urbs += 1;
                    let seqnum = submit(&mut table, world.urbs);
                    world.submitted.insert(seqnum.get(), world.urbs);
                }
                Step::Send { has_data } => {
                    let Some((seqnum, place)) = table.first() else { continue };
                    prop_assert!(seqnum.get() > world.newest, "out of order");
                    world.newest = seqnum.get();
                    let is_unlink = matches!(table.at(place), Some(Entry::Unlink(_)));
                    if is_unlink {
                        world.unlinks.push(seqnum.get());
                    } else {
                        world.seen.push(seqnum.get());
                    }
                    let urb = table.send(seqnum, place, has_data);
                    prop_assert_eq!(urb.is_some(), has_data && !is_unlink);
                    if let Some(urb) = urb {
                        prop_assert_eq!(world.submitted.get(&seqnum.get()), Some(&urb));
                        world.sending.insert(seqnum.get(), urb);
                    }
                }
                Step::Left(index) => {
                    let all: Vec<_> = world.sending.keys().copied().collect();
                    let Some(seqnum) = all.get(index.index(all.len().max(1))) else { continue };
                    let Some(urb) = world.sending.remove(seqnum) else { continue };
                    match table.put_back(Seqnum::new(*seqnum), urb) {
                        Ok(PutBack::Waiting) => {}
                        Ok(PutBack::Answered(urb, _)) => world.comes_back(urb)?,
                        Err(urb) => prop_assert!(false, "{} has no entry", urb),
                    }
                }
                Step::Unlink(index) => {
                    let all: Vec<_> = world.submitted.keys().copied().collect();
                    let Some(seqnum) = all.get(index.index(all.len().max(1))) else { continue };
                    match table.unlink(Seqnum::new(*seqnum)) {
                        Unlinked::Unsent(urb) => {
                            prop_assert!(!world.seen.contains(seqnum));
                            world.comes_back(urb)?;
                        }
                        Unlinked::Asked(request) => {
                            prop_assert!(world.seen.contains(seqnum));
                            prop_assert_eq!(request, table.newest());
                        }
                        Unlinked::Ending => prop_assert!(table.is_awaited()),
                    }
                }
                Step::Answer(index) => {
                    let Some(seqnum) = world.seen.get(index.index(world.seen.len().max(1))) else { continue };
                    let seqnum = Seqnum::new(*seqnum);
                    match answer(&mut table, seqnum) {
                        Ok(Answered::Whole(urb, _)) => {
                            prop_assert_eq!(world.submitted.get(&seqnum.get()), Some(&urb));
                            world.comes_back(urb)?;
                            table.received();
                        }
                        Ok(Answered::Early(_)) => {
                            prop_assert!(world.sending.contains_key(&seqnum.get()));
                            prop_assert_eq!(table.keep(seqnum, EARLY), None);
                        }
                        Ok(Answered::Late(_)) => prop_assert!(!world.submitted.contains_key(&seqnum.get())),
                        // It was answered before.
                        Err(_) => {
                            let is_sending = world.sending.contains_key(&seqnum.get());
                            prop_assert!(is_sending || !world.submitted.contains_key(&seqnum.get()));
                        }
                    }
                }
                Step::Unlinked(index, is_late) => {
                    let Some(request) = world.unlinks.get(index.index(world.unlinks.len().max(1))) else { continue };
                    let status = if is_late { Status::OK } else { Status::CONNRESET };
                    // It is an error only while data are being sent.
                    match table.unlinked(Seqnum::new(*request), status) {
                        Ok(Some(urb)) => world.comes_back(urb)?,
                        Ok(None) => {}
                        Err(_) => prop_assert!(!world.sending.is_empty()),
                    }
                }
                Step::Tick => {
                    table.tick();
                }
            }
        }
        // The connection breaks: the sending thread puts back what it has, and all of the rest is taken.
        for (seqnum, urb) in std::mem::take(&mut world.sending) {
            if let Ok(PutBack::Answered(urb, _)) = table.put_back(Seqnum::new(seqnum), urb) {
                world.comes_back(urb)?;
            }
        }
        while let Some(urb) = table.take_any() {
            world.comes_back(urb)?;
        }
        prop_assert_eq!(world.back.len(), usize::try_from(world.urbs).unwrap_or(0));
        prop_assert!(table.first().is_none());
        prop_assert!(table.needs().is_none() || world.urbs < 2);
    }
}
