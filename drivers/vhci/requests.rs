// SPDX-License-Identifier: GPL-2.0

//! The requests of a port that the peer has not answered, by their numbers.
//!
//! Each request is an entry of one table, and its number is its place in the line to be sent. It must never
//! allocate: there is always room for the unlink of every submission, as that is reserved when it is entered.
//!
//! usbcore waits for what it gives up, and nothing interrupts that. So it is known for how long it does.

use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        Flags, //
    },
    prelude::*, //
};

use usbip_hcd::Queued;
use usbip_logic::{
    late::Late,
    plan::{
        Pending,
        ReplyPlan, //
    },
    seqmap::{
        Place,
        SeqMap,
        Slot, //
    },
    waits::{
        Since,
        Waits, //
    }, //
};
use usbip_proto::{
    IsoPacket,
    Seqnum,
    Status, //
};

/// The memory of the table.
pub(crate) type Storage = KVec<Slot<Entry>>;

/// Slots of a table for a device that has little to do.
const FEW: usize = 16;

/// The most slots of a table, so that it never is a piece of memory which the page allocator objects to.
const MAX_SLOTS: usize = 16 << 10;

/// A request that waits for its answer.
pub(crate) enum Entry {
    /// A transfer.
    Submit(Submission),
    /// That a transfer is to be given up.
    Unlink(Unlink),
}

/// A transfer.
pub(crate) struct Submission {
    /// The URB; it is elsewhere while its data are being sent.
    urb: Option<Queued>,
    /// What is known of it, for judging the answer.
    pub(crate) pending: Pending,
    /// Whether it has been sent, or is being sent.
    sent: bool,
    /// The number of the request to give it up.
    unlink: Option<Seqnum>,
    /// The answer, if it came before the data had left.
    early: Option<KBox<Early>>,
    /// Since when usbcore has waited for it to end.
    wanted: Option<Since>,
}

/// The transfer whose answer is being received.
struct Receiving {
    seqnum: Seqnum,
    /// Whether usbcore waits for it to end.
    wanted: bool,
}

/// That a transfer is to be given up.
pub(crate) struct Unlink {
    /// The transfer.
    pub(crate) target: Seqnum,
    sent: bool,
}

/// An answer that came before all of the request had been sent.
pub(crate) struct Early {
    /// What it says.
    pub(crate) plan: ReplyPlan,
    /// What it says about the packets of an isochronous transfer.
    pub(crate) packets: KVec<IsoPacket>,
}

/// What [`Requests::unlink`] did.
pub(crate) enum Unlinked {
    /// The transfer had not been sent, and now never will be.
    Unsent(Queued),
    /// The peer is going to be asked, with a request of this number.
    Asked(Seqnum),
    /// The transfer is just ending.
    Ending,
}

/// What [`Requests::answer`] found.
pub(crate) enum Answered {
    /// The transfer, which is out of the table.
    Whole(Queued, ReplyPlan),
    /// A transfer whose data are still being sent.
    Early(ReplyPlan),
    /// A transfer that has ended already, whose answer is to be skipped.
    Late(ReplyPlan),
}

/// What [`Requests::put_back`] is to do with a transfer.
pub(crate) enum PutBack {
    /// It waits for its answer.
    Waiting,
    /// Its answer is there; it is out of the table.
    Answered(Queued, KBox<Early>),
}

/// The requests of a port.
pub(crate) struct Requests {
    map: SeqMap<Entry, Storage>,
    /// The newest request.
    newest: Seqnum,
    /// The newest request that is not in the line any more.
    line: Seqnum,
    /// How many transfers may yet have to be given up, each of which takes an entry.
    reserved: usize,
    /// The transfer that is out of the table because its answer is being received.
    receiving: Option<Receiving>,
    /// How long usbcore has waited for the transfers in the table that it gives up.
    waits: Waits,
    /// The transfers that ended because the peer had nothing to unlink: their answers may still be on their way.
    late: Late,
    /// How many transfers have been entered since there was none.
    burst: usize,
}

impl Requests {
    /// An empty table without memory.
    pub(crate) fn new() -> Self {
        Self {
            map: SeqMap::new(KVec::new()),
            newest: Seqnum::new(0),
            line: Seqnum::new(0),
            reserved: 0,
            receiving: None,
            waits: Waits::new(),
            late: Late::new(),
            burst: 0,
        }
    }

    /// Begins to count anew.
    pub(crate) fn restart(&mut self) {
        self.newest = Seqnum::new(0);
        self.line = self.newest;
        self.receiving = None;
        self.waits = Waits::new();
        self.late = Late::new();
    }

    /// How much memory is needed for one more transfer, if there is too little.
    pub(crate) fn needs(&self) -> Option<usize> {
        self.map
            .needs_room(self.reserved.saturating_add(2))
            .map(|slots| slots.max(FEW))
    }

    /// Moves to other memory; the old one is to be freed without a lock.
    pub(crate) fn grow(&mut self, storage: Storage) -> Storage {
        self.map.grow(storage)
    }

    /// Gives the memory of an empty table back, to be freed without a lock.
    pub(crate) fn release(&mut self) -> Storage {
        self.reserved = 0;
        self.map.grow(KVec::new())
    }

    /// Whether the next transfer will be on its own: none waits, and the one before came on its own, too.
    ///
    /// Where several are made at a time, the first of them finds none, but is not alone for long.
    pub(crate) fn is_alone(&self) -> bool {
        self.map.is_empty() && self.burst <= 1
    }

    /// The number of the next request.
    pub(crate) fn next(&self) -> Seqnum {
        let mut next = self.newest.next();
        // After the counter has wrapped, an old request may still wait.
        while self.map.get(next).is_some() {
            next = next.next();
        }
        next
    }

    /// The newest number that was given out.
    pub(crate) fn newest(&self) -> Seqnum {
        self.newest
    }

    /// Enters a transfer at the end of the line, with the number that [`Requests::next`] has said.
    ///
    /// # Errors
    ///
    /// The URB, if there is no room.
    pub(crate) fn submit(
        &mut self,
        seqnum: Seqnum,
        urb: Queued,
        pending: Pending,
    ) -> Result<(), Queued> {
        let submission = Submission {
            urb: Some(urb),
            pending,
            sent: false,
            unlink: None,
            early: None,
            wanted: None,
        };
        if self.map.is_empty() {
            self.burst = 0;
        }
        match self.map.insert(seqnum, Entry::Submit(submission)) {
            Ok(()) => {
                self.burst = self.burst.saturating_add(1);
                self.newest = seqnum;
                self.reserved = self.reserved.saturating_add(1);
                Ok(())
            }
            Err(refused) => match refused.into_inner() {
                Entry::Submit(Submission { urb: Some(urb), .. }) => Err(urb),
                _ => Ok(()),
            },
        }
    }

    /// Begins to give up a transfer.
    pub(crate) fn unlink(&mut self, target: Seqnum) -> Unlinked {
        let next = self.next();
        let Some(Entry::Submit(submission)) = self.map.get_mut(target) else {
            if let Some(receiving) = &mut self.receiving {
                receiving.wanted |= receiving.seqnum == target;
            }
            return Unlinked::Ending;
        };
        if !submission.sent {
            return match self.take(target) {
                Some(Submission { urb: Some(urb), .. }) => Unlinked::Unsent(urb),
                _ => Unlinked::Ending,
            };
        }
        if submission.wanted.is_none() {
            submission.wanted = Some(self.waits.begin());
        }
        if submission.unlink.is_some() || submission.early.is_some() {
            return Unlinked::Ending;
        }
        submission.unlink = Some(next);
        let unlink = Unlink {
            target,
            sent: false,
        };
        // There is room: it was reserved for the transfer.
        self.reserved = self.reserved.saturating_sub(1);
        if self.map.insert(next, Entry::Unlink(unlink)).is_err() {
            return Unlinked::Ending;
        }
        self.newest = next;
        Unlinked::Asked(next)
    }

    /// The first request in the line.
    pub(crate) fn first(&mut self) -> Option<(Seqnum, Place)> {
        let line = self.line.get();
        let place = |seqnum: Seqnum| seqnum.get().wrapping_sub(line);
        if usize::try_from(place(self.newest)).map_or(true, |length| length > self.map.capacity()) {
            // Most of these were given up before they could be sent: the table is shorter than the line.
            let unsent = self.map.iter().filter(|(_, entry)| entry.is_unsent());
            let first = unsent
                .map(|(seqnum, _)| seqnum)
                .min_by_key(|seqnum| place(*seqnum));
            if first.is_none() {
                self.line = self.newest;
            }
            return first.and_then(|seqnum| Some((seqnum, self.map.find(seqnum)?)));
        }
        while self.line != self.newest {
            let first = self.line.next();
            if let Some(place) = self.map.find(first) {
                if self.map.at(place).is_some_and(Entry::is_unsent) {
                    return Some((first, place));
                }
            }
            self.line = first;
        }
        None
    }

    /// A request, to be looked at.
    pub(crate) fn at(&self, place: Place) -> Option<&Entry> {
        self.map.at(place)
    }

    /// Takes the first request from the line: it is sent, or is being sent. Returns its URB if that is to be
    /// [put back](Requests::put_back) once its data have been sent.
    pub(crate) fn send(&mut self, seqnum: Seqnum, place: Place, has_data: bool) -> Option<Queued> {
        self.line = seqnum;
        match self.map.at_mut(place)? {
            Entry::Unlink(unlink) => {
                unlink.sent = true;
                None
            }
            Entry::Submit(submission) => {
                submission.sent = true;
                if has_data {
                    submission.urb.take()
                } else {
                    None
                }
            }
        }
    }

    /// Puts a transfer back whose data have been sent.
    pub(crate) fn put_back(&mut self, seqnum: Seqnum, urb: Queued) -> Result<PutBack, Queued> {
        let Some(Entry::Submit(submission)) = self.map.get_mut(seqnum) else {
            return Err(urb);
        };
        match submission.early.take() {
            None => {
                submission.urb = Some(urb);
                Ok(PutBack::Waiting)
            }
            Some(early) => {
                self.take(seqnum);
                Ok(PutBack::Answered(urb, early))
            }
        }
    }

    /// Finds the transfer that an answer is for, and takes it out if it is here.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub(crate) fn answer(
        &mut self,
        seqnum: Seqnum,
        plan: impl FnOnce(&Pending) -> Result<ReplyPlan, &'static str>,
    ) -> Result<Answered, &'static str> {
        let found = self.map.find(seqnum);
        let found = found.and_then(|place| Some((place, self.map.at(place)?)));
        let Some((place, Entry::Submit(submission))) = found else {
            let pending = self.late.take(seqnum);
            let pending = pending.ok_or("answer to a request that is not pending")?;
            return plan(&pending).map(Answered::Late);
        };
        if !submission.sent {
            return Err("answer to a request that has not been sent");
        }
        let plan = plan(&submission.pending)?;
        if submission.urb.is_none() {
            return if submission.early.is_none() {
                Ok(Answered::Early(plan))
            } else {
                Err("second answer to a request")
            };
        }
        match self.take_at(place) {
            Some(Submission {
                urb: Some(urb),
                wanted,
                ..
            }) => {
                self.receiving = Some(Receiving {
                    seqnum,
                    wanted: wanted.is_some(),
                });
                Ok(Answered::Whole(urb, plan))
            }
            _ => Err("answer to a request that is not pending"),
        }
    }

    /// All of the answer has been received that [`Requests::answer`] has found, or no more of it is wanted.
    pub(crate) fn received(&mut self) {
        self.receiving = None;
    }

    /// Whether usbcore waits for the transfer whose answer is being received.
    pub(crate) fn is_receiving_wanted(&self) -> bool {
        self.receiving
            .as_ref()
            .is_some_and(|receiving| receiving.wanted)
    }

    /// Whether usbcore waits for transfers that it gives up.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waits.any()
    }

    /// Ends a period of [`Waits`]; says whether usbcore has waited for too long.
    pub(crate) fn tick(&mut self) -> bool {
        self.waits.tick()
    }

    /// Keeps an answer to a transfer whose data are still being sent; if they have been sent meanwhile, the
    /// transfer is taken out.
    pub(crate) fn keep(
        &mut self,
        seqnum: Seqnum,
        early: KBox<Early>,
    ) -> Option<(Queued, KBox<Early>)> {
        let Some(Entry::Submit(submission)) = self.map.get_mut(seqnum) else {
            return None;
        };
        if submission.urb.is_none() {
            submission.early = Some(early);
            return None;
        }
        let urb = self.take(seqnum)?.urb?;
        Some((urb, early))
    }

    /// Takes out the transfer that the peer was asked to give up, if it still waits. The peer says with `status` what
    /// it has unlinked; [`Status::OK`] is nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub(crate) fn unlinked(
        &mut self,
        seqnum: Seqnum,
        status: Status,
    ) -> Result<Option<Queued>, &'static str> {
        match self.map.get(seqnum) {
            // The transfer was answered before, and the entry is gone with it.
            None => Ok(None),
            Some(Entry::Unlink(Unlink { sent: true, target })) => {
                let target = *target;
                match self.map.get(target) {
                    Some(Entry::Submit(Submission { urb: None, .. })) => {
                        Err("answer to the unlink of a request that is being sent")
                    }
                    _ => {
                        let Some(submission) = self.take(target) else {
                            return Ok(None);
                        };
                        if status.is_ok() {
                            self.late.keep(target, submission.pending);
                        }
                        Ok(submission.urb)
                    }
                }
            }
            Some(_) => Err("answer to an unlink that has not been sent"),
        }
    }

    /// Takes out any transfer, with all that belongs to it; nothing if there is none.
    pub(crate) fn take_any(&mut self) -> Option<Queued> {
        while let Some((_, entry)) = self.map.pop_any() {
            if let Entry::Submit(Submission { urb: Some(urb), .. }) = entry {
                return Some(urb);
            }
        }
        self.reserved = 0;
        None
    }

    /// Takes out a transfer and the request to give it up.
    fn take(&mut self, seqnum: Seqnum) -> Option<Submission> {
        self.take_at(self.map.find(seqnum)?)
    }

    fn take_at(&mut self, place: Place) -> Option<Submission> {
        let Some(Entry::Submit(submission)) = self.map.remove_at(place) else {
            return None;
        };
        match submission.unlink {
            Some(unlink) => drop(self.map.remove(unlink)),
            None => self.reserved = self.reserved.saturating_sub(1),
        }
        if let Some(since) = submission.wanted {
            self.waits.end(since);
        }
        Some(submission)
    }
}

impl Entry {
    fn is_unsent(&self) -> bool {
        match self {
            Self::Submit(submission) => !submission.sent,
            Self::Unlink(unlink) => !unlink.sent,
        }
    }
}

impl Submission {
    /// The URB, unless its data are being sent.
    pub(crate) fn urb(&self) -> Option<&Queued> {
        self.urb.as_ref()
    }
}

/// Allocates memory for a table.
///
/// # Errors
///
/// `ENOMEM`, if there is no memory or they are too many.
pub(crate) fn storage(slots: usize, flags: Flags) -> Result<Storage> {
    if slots > MAX_SLOTS {
        return Err(ENOMEM);
    }
    let mut storage = KVec::with_capacity(slots, flags | __GFP_NOWARN)?;
    for _ in 0..slots {
        storage.push_within_capacity(Slot::EMPTY)?;
    }
    Ok(storage)
}
