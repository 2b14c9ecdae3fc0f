// SPDX-License-Identifier: GPL-2.0-or-later

//! The requests of an importing side, against a model that searches lists: usbcore, a sending and a receiving thread
//! and a peer in any order.

#![no_main]

use std::collections::{
    BTreeMap,
    VecDeque, //
};

use libfuzzer_sys::fuzz_target;
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

/// An URB, which has to come back.
#[derive(Debug)]
struct Urb {
    id: u32,
    back: bool,
}

impl Drop for Urb {
    fn drop(&mut self) {
        assert!(self.back || std::thread::panicking(), "URB lost");
    }
}

/// Takes an URB back; says which it is.
fn back(mut urb: Urb) -> u32 {
    urb.back = true;
    urb.id
}

type Storage = Vec<Slot<Entry<Urb, u32>>>;

fn storage(slots: usize) -> Storage {
    (0..slots).map(|_| Slot::EMPTY).collect()
}

/// Entries that so many slots have room for.
fn room(slots: usize) -> usize {
    slots.checked_ilog2().map_or(0, |bits| {
        let used = 1 << bits;
        used - used / 4
    })
}

/// Every transfer has a length of its own.
fn pending(id: u32) -> Pending {
    Pending {
        kind: TransferKind::Bulk,
        direction: Direction::Out,
        length: id,
        packets: 0,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Unsent,
    Sending(Option<u32>),
    Sent,
}

#[derive(Clone, Copy, Debug)]
enum Request {
    Submit {
        id: u32,
        progress: Progress,
        unlink: Option<u32>,
        /// The period in which somebody began to wait.
        wanted: Option<u32>,
    },
    Unlink {
        target: u32,
        sent: bool,
    },
}

/// How many answers may come late.
const LATE: usize = 8;

#[derive(Default)]
struct Model {
    all: BTreeMap<u32, Request>,
    /// What is to be sent.
    line: VecDeque<u32>,
    newest: u32,
    /// Transfers that have ended, and may still be answered once.
    late: Vec<Option<(u32, u32)>>,
    /// The transfer whose answer is being received, and whether it is wanted.
    receiving: Option<(u32, bool)>,
    period: u32,
    burst: usize,
    slots: usize,
}

impl Model {
    fn next(&self) -> u32 {
        let mut next = self.newest.wrapping_add(1);
        while self.all.contains_key(&next) {
            next = next.wrapping_add(1);
        }
        next
    }

    /// Entries, and those that may yet come.
    fn reserved(&self) -> usize {
        let may_come = self
            .all
            .values()
            .filter(|request| matches!(request, Request::Submit { unlink: None, .. }));
        self.all.len() + may_come.count()
    }

    /// A transfer leaves, and its unlink with it.
    fn end(&mut self, seqnum: u32) -> u32 {
        let Some(Request::Submit { id, unlink, .. }) = self.all.remove(&seqnum) else {
            panic!("no transfer {seqnum}");
        };
        if let Some(unlink) = unlink {
            assert!(self.all.remove(&unlink).is_some());
            self.line.retain(|waiting| *waiting != unlink);
        }
        self.line.retain(|waiting| *waiting != seqnum);
        id
    }

    fn wanted(&self) -> impl Iterator<Item = u32> + '_ {
        self.all.values().filter_map(|request| match request {
            Request::Submit { wanted, .. } => *wanted,
            Request::Unlink { .. } => None,
        })
    }

    /// A number of the table, or one near the newest, or of what has ended.
    fn pick(&self, choice: u8) -> u32 {
        let choice = usize::from(choice);
        let near = self.newest.wrapping_add(2).wrapping_sub(choice as u32 & 15);
        match choice {
            0..=199 => {
                let nth = choice % self.all.len().max(1);
                self.all.keys().nth(nth).copied().unwrap_or(near)
            }
            200..=223 => {
                let nth = self.late.len().wrapping_sub(1 + choice % 12);
                let late = self.late.get(nth).copied().flatten();
                late.map_or(near, |(seqnum, _)| seqnum)
            }
            224..=231 => self.receiving.map_or(near, |(seqnum, _)| seqnum),
            _ => near,
        }
    }
}

struct World {
    table: Requests<Urb, u32, Storage>,
    model: Model,
    urbs: u32,
    /// URBs that the sending thread has.
    sending: BTreeMap<u32, Urb>,
    /// The transfer whose early answer is being received.
    early: Option<u32>,
}

impl World {
    fn new() -> Self {
        Self {
            table: Requests::new(storage(0)),
            model: Model::default(),
            urbs: 0,
            sending: BTreeMap::new(),
            early: None,
        }
    }

    fn step(&mut self, what: u8, choice: u8) {
        match what % 16 {
            0..=2 => self.submit(self.model.next()),
            3 | 4 => self.send(choice),
            5 => self.left(choice),
            6 | 7 => self.unlink(self.model.pick(choice)),
            8 | 9 => self.answer(self.model.pick(choice), what < 240),
            10 => self.finish(),
            11 => self.unlinked(self.model.pick(choice), what & 16 == 0),
            12 => self.tick(),
            13 => self.grow(choice.into()),
            14 => self.jump(0_u32.wrapping_sub(u32::from(choice % 32))),
            // Connections end seldom.
            _ if choice >= 240 => self.close(choice),
            _ => (0..choice % 12).for_each(|_| self.give_up()),
        }
        self.check();
    }

    fn submit(&mut self, seqnum: u32) {
        self.urbs += 1;
        let urb = |id| Urb { id, back: false };
        let id = self.urbs;
        if self.model.all.len() == room(self.model.slots) {
            let refused = self.table.submit(Seqnum::new(seqnum), urb(id), pending(id));
            let refused = refused.expect_err("room for a transfer");
            assert_eq!(back(refused), id);
            if self.model.all.is_empty() {
                self.model.burst = 0;
            }
        }
        if let Some(slots) = self.table.needs() {
            assert_eq!(self.table.grow(storage(slots)).len(), self.model.slots);
            self.model.slots = slots;
            assert_eq!(self.table.needs(), None);
        }
        let entered = self.table.submit(Seqnum::new(seqnum), urb(id), pending(id));
        entered.expect("no room for a transfer");
        if self.model.all.is_empty() {
            self.model.burst = 0;
        }
        self.model.burst += 1;
        let request = Request::Submit {
            id,
            progress: Progress::Unsent,
            unlink: None,
            wanted: None,
        };
        self.model.all.insert(seqnum, request);
        self.model.line.push_back(seqnum);
        self.model.newest = seqnum;
    }

    /// Goes on with another number, as if all up to it had been given up before they were sent; halfway at the most, as
    /// a line is shorter than there are numbers.
    fn jump(&mut self, seqnum: u32) {
        let halfway = 1 << 31;
        let seqnum = match seqnum.wrapping_sub(self.model.newest) {
            far if far > halfway => halfway,
            _ => seqnum,
        };
        if self.model.line.is_empty() && !self.model.all.contains_key(&seqnum) {
            assert!(self.table.first().is_none());
            if self.model.newest != seqnum {
                self.submit(seqnum);
            }
        }
    }

    fn send(&mut self, choice: u8) {
        let first = self.table.first();
        let front = self.model.line.front().copied();
        assert_eq!(first.map(|(seqnum, _)| seqnum.get()), front);
        let (Some((seqnum, place)), true) = (first, choice < 240) else {
            return;
        };
        let request = self.model.all.get_mut(&seqnum.get()).unwrap();
        let has_data = choice & 1 != 0;
        let entry = self.table.at(place).unwrap();
        let given = match (entry, &mut *request) {
            (Entry::Submit(submission), Request::Submit { id, progress, .. }) => {
                assert_eq!(submission.pending, pending(*id));
                assert_eq!(submission.urb().map(|urb| urb.id), Some(*id));
                *progress = match has_data {
                    true => Progress::Sending(None),
                    false => Progress::Sent,
                };
                has_data.then_some(*id)
            }
            (Entry::Unlink(unlink), Request::Unlink { target, sent }) => {
                assert_eq!(unlink.target.get(), *target);
                *sent = true;
                None
            }
            (entry, request) => panic!("{entry:?} is not {request:?}"),
        };
        self.model.line.pop_front();
        let urb = self.table.send(seqnum, place, has_data);
        assert_eq!(urb.as_ref().map(|urb| urb.id), given);
        if let Some(urb) = urb {
            self.sending.insert(seqnum.get(), urb);
        }
    }

    /// The data of a transfer have left.
    fn left(&mut self, choice: u8) {
        let nth = usize::from(choice) % self.sending.len().max(1);
        let Some(seqnum) = self.sending.keys().nth(nth).copied() else {
            return;
        };
        let urb = self.sending.remove(&seqnum).unwrap();
        let Some(Request::Submit { id, progress, .. }) = self.model.all.get_mut(&seqnum) else {
            panic!("{seqnum} is being sent, but gone");
        };
        let (id, early) = match *progress {
            Progress::Sending(early) => (*id, early),
            other => panic!("{seqnum} is {other:?}"),
        };
        *progress = Progress::Sent;
        match (self.table.put_back(Seqnum::new(seqnum), urb), early) {
            (Ok(PutBack::Waiting), None) => {}
            (Ok(PutBack::Answered(urb, kept)), Some(early)) => {
                assert_eq!((back(urb), kept), (id, early));
                self.model.end(seqnum);
            }
            (other, early) => panic!("{other:?} with {early:?}"),
        }
    }

    fn unlink(&mut self, target: u32) {
        let model = &mut self.model;
        let next = model.next();
        let unlinked = self.table.unlink(Seqnum::new(target));
        let Some(Request::Submit {
            id,
            progress,
            unlink,
            wanted,
        }) = model.all.get_mut(&target)
        else {
            assert!(matches!(unlinked, Unlinked::Ending), "{unlinked:?}");
            if let Some((seqnum, wanted)) = &mut model.receiving {
                *wanted |= *seqnum == target;
            }
            return;
        };
        if *progress == Progress::Unsent {
            let Unlinked::Unsent(urb) = unlinked else {
                panic!("{target} was not sent: {unlinked:?}");
            };
            assert_eq!(back(urb), *id);
            model.end(target);
            return;
        }
        wanted.get_or_insert(model.period);
        if unlink.is_some() || matches!(progress, Progress::Sending(Some(_))) {
            assert!(matches!(unlinked, Unlinked::Ending), "{unlinked:?}");
            return;
        }
        let Unlinked::Asked(request) = unlinked else {
            panic!("the peer is not asked for {target}: {unlinked:?}");
        };
        assert_eq!(request.get(), next);
        *unlink = Some(next);
        let sent = false;
        model.all.insert(next, Request::Unlink { target, sent });
        model.line.push_back(next);
        model.newest = next;
    }

    fn answer(&mut self, seqnum: u32, is_good: bool) {
        self.finish();
        let mut asked = None;
        let answered = self.table.answer(Seqnum::new(seqnum), |pending| {
            asked = Some(pending.length);
            let plan = ReplyPlan {
                payload: Payload::NONE,
                status: Status::OK,
                actual_length: pending.length,
                start_frame: 0,
            };
            is_good.then_some(plan).ok_or("bad answer")
        });
        let model = &mut self.model;
        match model.all.get(&seqnum).copied() {
            Some(Request::Submit {
                id,
                progress: progress @ (Progress::Sending(None) | Progress::Sent),
                wanted,
                ..
            }) => {
                assert_eq!(asked, Some(id));
                match (answered, progress) {
                    (Err(_), _) => assert!(!is_good),
                    (Ok(Answered::Early(plan)), Progress::Sending(_)) => {
                        assert_eq!(plan.actual_length, id);
                        self.early = Some(seqnum);
                    }
                    (Ok(Answered::Whole(urb, plan)), Progress::Sent) => {
                        assert_eq!((back(urb), plan.actual_length), (id, id));
                        model.end(seqnum);
                        model.receiving = Some((seqnum, wanted.is_some()));
                    }
                    (other, progress) => panic!("{other:?} to what is {progress:?}"),
                }
            }
            Some(Request::Submit { .. }) => {
                assert!(answered.is_err(), "{answered:?}");
                assert_eq!(asked, None);
            }
            _ => {
                let kept = model.late.len().saturating_sub(LATE);
                let mut kept = model.late[kept..].iter_mut();
                // More than one only once the numbers have wrapped.
                let found = kept.find(|late| match (**late, asked) {
                    (Some(late), Some(length)) => late == (seqnum, length),
                    (Some((late, _)), None) => late == seqnum,
                    (None, _) => false,
                });
                match (answered, found) {
                    (Ok(Answered::Late(_)), Some(late)) => *late = None,
                    (Err(_), Some(late)) => {
                        assert!(!is_good && asked.is_some());
                        *late = None;
                    }
                    (Err(_), None) => assert_eq!(asked, None),
                    (other, _) => panic!("{other:?} to what is not pending"),
                }
            }
        }
    }

    /// All of an answer has been received.
    fn finish(&mut self) {
        if self.model.receiving.take().is_some() {
            self.table.received();
        }
        let Some(seqnum) = self.early.take() else {
            return;
        };
        let answer = seqnum ^ 0x5555;
        let kept = self.table.keep(Seqnum::new(seqnum), answer);
        let Some(Request::Submit { id, progress, .. }) = self.model.all.get_mut(&seqnum) else {
            panic!("{seqnum} has been answered, but is gone");
        };
        match (kept, *progress) {
            (None, Progress::Sending(None)) => *progress = Progress::Sending(Some(answer)),
            (Some((urb, early)), Progress::Sent) => {
                assert_eq!((back(urb), early), (*id, answer));
                self.model.end(seqnum);
            }
            (other, progress) => panic!("{other:?} of what is {progress:?}"),
        }
    }

    fn unlinked(&mut self, seqnum: u32, is_late: bool) {
        self.finish();
        let status = match is_late {
            true => Status::OK,
            false => Status::CONNRESET,
        };
        let model = &mut self.model;
        let found = self.table.unlinked(Seqnum::new(seqnum), status);
        let target = match model.all.get(&seqnum) {
            None => {
                assert!(matches!(found, Ok(None)), "{found:?}");
                return;
            }
            Some(Request::Unlink { target, sent: true }) => *target,
            Some(_) => {
                found.expect_err("an unlink that was not sent");
                return;
            }
        };
        if self.sending.contains_key(&target) {
            found.expect_err("an unlink of what is being sent");
            return;
        }
        let urb = found.expect("an answer to an unlink");
        let id = model.end(target);
        assert_eq!(urb.map(back), Some(id));
        if is_late {
            model.late.push(Some((target, id)));
        }
    }

    /// A transfer is sent and given up, and the peer had nothing to unlink.
    fn give_up(&mut self) {
        let target = self.model.next();
        self.submit(target);
        self.send_all();
        self.unlink(target);
        self.send_all();
        self.unlinked(self.model.newest, true);
    }

    fn send_all(&mut self) {
        while !self.model.line.is_empty() {
            self.send(0);
        }
    }

    fn tick(&mut self) {
        let model = &mut self.model;
        let is_too_long = model
            .wanted()
            .any(|since| model.period - since >= PERIODS.into());
        assert_eq!(self.table.tick(), is_too_long);
        model.period += 1;
    }

    fn grow(&mut self, slots: usize) {
        let is_small = room(slots) < self.model.all.len();
        if !is_small && room(slots) < self.model.reserved() {
            // The owner is not to take back what is promised.
            return;
        }
        let old = self.table.grow(storage(slots));
        if is_small {
            assert_eq!(old.len(), slots);
        } else {
            assert_eq!(old.len(), self.model.slots);
            self.model.slots = slots;
        }
    }

    /// The connection ends: all that is here is taken, while the sending thread puts back what it has, and usbcore gives
    /// up transfers.
    fn close(&mut self, choice: u8) {
        // What is found from here on depends on the order in which they are taken.
        self.early = None;
        let mut gone = Vec::new();
        let mut rounds = 0;
        loop {
            if choice & 1 != 0 {
                if let Some((seqnum, urb)) = self.sending.pop_first() {
                    match self.table.put_back(Seqnum::new(seqnum), urb) {
                        Ok(PutBack::Waiting) => {}
                        Ok(PutBack::Answered(urb, _)) | Err(urb) => gone.push(back(urb)),
                    }
                }
            }
            if choice & 2 != 0 {
                let keys: Vec<_> = self.model.all.keys().copied().collect();
                if let Some(target) = keys.get(rounds * 3) {
                    if let Unlinked::Unsent(urb) = self.table.unlink(Seqnum::new(*target)) {
                        gone.push(back(urb));
                    }
                }
            }
            rounds += 1;
            match self.table.take_any() {
                Some(urb) => gone.push(back(urb)),
                None => break,
            }
        }
        assert!(self.table.first().is_none());
        for (seqnum, urb) in std::mem::take(&mut self.sending) {
            let refused = self.table.put_back(Seqnum::new(seqnum), urb);
            gone.push(back(refused.expect_err("a transfer that is gone")));
        }
        let all = self.model.all.values();
        let mut wanted: Vec<_> = all
            .filter_map(|request| match request {
                Request::Submit { id, .. } => Some(*id),
                Request::Unlink { .. } => None,
            })
            .collect();
        gone.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(gone, wanted);
        self.table.restart();
        self.model = Model {
            slots: self.model.slots,
            burst: self.model.burst,
            ..Model::default()
        };
    }

    fn check(&self) {
        let (table, model) = (&self.table, &self.model);
        assert_eq!(table.next().get(), model.next());
        assert_eq!(table.newest().get(), model.newest);
        assert_eq!(table.is_alone(), model.all.is_empty() && model.burst <= 1);
        assert_eq!(table.is_awaited(), model.wanted().next().is_some());
        let is_wanted = model.receiving.is_some_and(|(_, wanted)| wanted);
        assert_eq!(table.is_receiving_wanted(), is_wanted);
        let has_room = model.reserved() + 2 <= room(model.slots);
        assert_eq!(table.needs().is_none(), has_room);
        for (seqnum, request) in &model.all {
            let is_answered = match request {
                Request::Submit { progress, .. } => matches!(progress, Progress::Sending(Some(_))),
                Request::Unlink { .. } => false,
            };
            assert_eq!(table.is_answered(Seqnum::new(*seqnum)), is_answered);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut world = World::new();
    for step in data.chunks_exact(2) {
        world.step(step[0], step[1]);
    }
    world.close(data.len() as u8);
    world.check();
});
