// SPDX-License-Identifier: GPL-2.0

//! The requests of an importing side that its peer has not answered, by their numbers.
//!
//! Each request is an entry of one table, and its number is its place in the line to be sent. Nothing here
//! allocates: there is always room for the unlink of every submission, as that is reserved when it is entered.
//!
//! Linux's usbcore waits for what it gives up, and nothing interrupts that. So it is known for how long it does.

mod entry;
mod line;

use core::{
    mem,
    ops::DerefMut, //
};

use usbip_proto::{
    Seqnum,
    Status, //
};

pub use self::entry::{
    Entry,
    Submission,
    Unlink, //
};
use self::{
    entry::Progress,
    line::Line, //
};
use crate::{
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
    waits::Waits, //
};

/// The requests that wait for their answers, or to be sent.
///
/// `U` is an URB, `E` an answer that came before all of its request had been sent, and `S` the storage of the table.
#[derive(Debug)]
pub struct Requests<U, E, S>
where
    S: DerefMut<Target = [Slot<Entry<U, E>>]>,
{
    map: SeqMap<Entry<U, E>, S>,
    line: Line,
    /// How many transfers may yet have to be given up, each of which takes an entry.
    reserved: usize,
    /// The transfer that is out of the table because its answer is being received.
    receiving: Option<Receiving>,
    /// How long the transfers in the table that are given up have been waited for.
    waits: Waits,
    /// The transfers that ended because the peer had nothing to unlink: their answers may still be on their way.
    late: Late,
    /// How many transfers have been entered since there was none.
    burst: usize,
}

/// The transfer whose answer is being received.
#[derive(Debug)]
struct Receiving {
    seqnum: Seqnum,
    /// Whether somebody waits for it to end.
    wanted: bool,
}

/// What [`Requests::unlink`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Unlinked<U> {
    /// The transfer had not been sent, and now never will be.
    Unsent(U),
    /// The peer is going to be asked, with a request of this number.
    Asked(Seqnum),
    /// The transfer is just ending.
    Ending,
}

/// What [`Requests::answer`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered<U> {
    /// The transfer, which is out of the table.
    Whole(U, ReplyPlan),
    /// A transfer whose data are still being sent.
    Early(ReplyPlan),
    /// A transfer that has ended already, whose answer is to be skipped.
    Late(ReplyPlan),
}

/// What [`Requests::put_back`] did with a transfer.
#[derive(Debug, PartialEq, Eq)]
pub enum PutBack<U, E> {
    /// It waits for its answer.
    Waiting,
    /// Its answer is there; it is out of the table.
    Answered(U, E),
}

impl<U, E, S> Requests<U, E, S>
where
    S: DerefMut<Target = [Slot<Entry<U, E>>]>,
{
    /// A table with this storage, whose contents are dropped.
    pub fn new(storage: S) -> Self {
        Self {
            map: SeqMap::new(storage),
            line: Line::new(),
            reserved: 0,
            receiving: None,
            waits: Waits::new(),
            late: Late::new(),
            burst: 0,
        }
    }

    /// Begins to count anew, for another peer. The table must be empty.
    pub fn restart(&mut self) {
        self.line = Line::new();
        self.reserved = 0;
        self.receiving = None;
        self.waits = Waits::new();
        self.late = Late::new();
    }

    /// How many slots the storage needs for one more transfer, if it has too few.
    pub fn needs(&self) -> Option<usize> {
        self.map.needs_room(self.reserved.saturating_add(2))
    }

    /// Moves to other storage; the old one is to be freed without a lock.
    pub fn grow(&mut self, storage: S) -> S {
        self.map.grow(storage)
    }

    /// Whether no request waits.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether the next transfer will be on its own: none waits, and the one before came on its own, too.
    ///
    /// Where several are made at a time, the first of them finds none, but is not alone for long.
    pub fn is_alone(&self) -> bool {
        self.map.is_empty() && self.burst <= 1
    }

    /// The number of the next request.
    pub fn next(&self) -> Seqnum {
        let mut next = self.line.newest().next();
        // After the counter has wrapped, an old request may still wait.
        while self.map.get(next).is_some() {
            next = next.next();
        }
        next
    }

    /// The newest number that was given out.
    pub fn newest(&self) -> Seqnum {
        self.line.newest()
    }

    /// Enters a transfer at the end of the line, with the number that [`Requests::next`] has said.
    ///
    /// # Errors
    ///
    /// The URB, if there is no room.
    pub fn submit(&mut self, seqnum: Seqnum, urb: U, pending: Pending) -> Result<(), U> {
        if self.map.is_empty() {
            self.burst = 0;
        }
        let entry = Entry::Submit(Submission::new(urb, pending));
        match self.map.insert(seqnum, entry) {
            Ok(()) => {
                self.burst = self.burst.saturating_add(1);
                self.line.join(seqnum);
                self.reserved = self.reserved.saturating_add(1);
                Ok(())
            }
            Err(refused) => match refused.into_inner() {
                Entry::Submit(submission) => submission.into_urb().map_or(Ok(()), Err),
                Entry::Unlink(_) => Ok(()),
            },
        }
    }

    /// Begins to give up a transfer.
    pub fn unlink(&mut self, target: Seqnum) -> Unlinked<U> {
        let next = self.next();
        let Some(Entry::Submit(submission)) = self.map.get_mut(target) else {
            if let Some(receiving) = &mut self.receiving {
                receiving.wanted |= receiving.seqnum == target;
            }
            return Unlinked::Ending;
        };
        if let Progress::Unsent(_) = submission.progress {
            let urb = self.take(target).and_then(Submission::into_urb);
            return urb.map_or(Unlinked::Ending, Unlinked::Unsent);
        }
        if submission.wanted.is_none() {
            submission.wanted = Some(self.waits.begin());
        }
        let is_answered = matches!(submission.progress, Progress::Sending(Some(_)));
        if submission.unlink.is_some() || is_answered {
            return Unlinked::Ending;
        }
        let unlink = Unlink {
            target,
            sent: false,
        };
        // There is room: it was reserved for the transfer.
        if self.map.insert(next, Entry::Unlink(unlink)).is_err() {
            return Unlinked::Ending;
        }
        self.reserved = self.reserved.saturating_sub(1);
        if let Some(Entry::Submit(submission)) = self.map.get_mut(target) {
            submission.unlink = Some(next);
        }
        self.line.join(next);
        Unlinked::Asked(next)
    }

    /// Whether most of the line was given up before it could be sent, so that the table is shorter than the line. Then
    /// all of it is looked at for the [first](Requests::first): a lock is not to be held for several of these.
    pub fn is_sparse(&self) -> bool {
        self.line.len() > self.map.capacity()
    }

    /// The first request in the line.
    pub fn first(&mut self) -> Option<(Seqnum, Place)> {
        if self.is_sparse() {
            let unsent = self.map.iter().filter(|(_, entry)| entry.is_unsent());
            let first = unsent
                .map(|(seqnum, _)| seqnum)
                .min_by_key(|seqnum| self.line.place(*seqnum));
            if first.is_none() {
                self.line.pass(self.line.newest());
            }
            return first.and_then(|seqnum| Some((seqnum, self.map.find(seqnum)?)));
        }
        while let Some(front) = self.line.front() {
            if let Some(place) = self.map.find(front) {
                if self.map.at(place).is_some_and(Entry::is_unsent) {
                    return Some((front, place));
                }
            }
            self.line.pass(front);
        }
        None
    }

    /// A request, to be looked at.
    pub fn at(&self, place: Place) -> Option<&Entry<U, E>> {
        self.map.at(place)
    }

    /// Takes the first request from the line: it is sent, or is being sent. Returns its URB if that is to be
    /// [put back](Requests::put_back) once its data have been sent.
    pub fn send(&mut self, seqnum: Seqnum, place: Place, has_data: bool) -> Option<U> {
        self.line.pass(seqnum);
        match self.map.at_mut(place)? {
            Entry::Unlink(unlink) => {
                unlink.sent = true;
                None
            }
            Entry::Submit(submission) => submission.progress.send(has_data),
        }
    }

    /// Whether the answer is there of a transfer whose data are being sent.
    pub fn is_answered(&self, seqnum: Seqnum) -> bool {
        matches!(
            self.map.get(seqnum),
            Some(Entry::Submit(Submission {
                progress: Progress::Sending(Some(_)),
                ..
            }))
        )
    }

    /// Puts a transfer back whose data have been sent.
    ///
    /// # Errors
    ///
    /// The URB, if the table has no such transfer.
    pub fn put_back(&mut self, seqnum: Seqnum, urb: U) -> Result<PutBack<U, E>, U> {
        let Some(Entry::Submit(Submission {
            progress: progress @ Progress::Sending(_),
            ..
        })) = self.map.get_mut(seqnum)
        else {
            return Err(urb);
        };
        let Progress::Sending(Some(early)) = mem::replace(progress, Progress::Sending(None)) else {
            *progress = Progress::Sent(urb);
            return Ok(PutBack::Waiting);
        };
        self.take(seqnum);
        Ok(PutBack::Answered(urb, early))
    }

    /// Finds the transfer that an answer is for, and takes it out if it is here.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub fn answer(
        &mut self,
        seqnum: Seqnum,
        plan: impl FnOnce(&Pending) -> Result<ReplyPlan, &'static str>,
    ) -> Result<Answered<U>, &'static str> {
        let found = self.map.find(seqnum);
        let found = found.and_then(|place| Some((place, self.map.at(place)?)));
        let Some((place, Entry::Submit(submission))) = found else {
            let pending = self.late.take(seqnum);
            let pending = pending.ok_or("answer to a request that is not pending")?;
            return plan(&pending).map(Answered::Late);
        };
        match submission.progress {
            Progress::Unsent(_) => return Err("answer to a request that has not been sent"),
            Progress::Sending(Some(_)) => return Err("second answer to a request"),
            Progress::Sending(None) => return plan(&submission.pending).map(Answered::Early),
            Progress::Sent(_) => {}
        }
        let plan = plan(&submission.pending)?;
        let taken = self.take_at(place);
        let wanted = taken.as_ref().is_some_and(|taken| taken.wanted.is_some());
        let urb = taken.and_then(Submission::into_urb);
        let urb = urb.ok_or("answer to a request that is not pending")?;
        self.receiving = Some(Receiving { seqnum, wanted });
        Ok(Answered::Whole(urb, plan))
    }

    /// All of the answer has been received that [`Requests::answer`] has found, or no more of it is wanted.
    pub fn received(&mut self) {
        self.receiving = None;
    }

    /// Whether somebody waits for the transfer whose answer is being received.
    pub fn is_receiving_wanted(&self) -> bool {
        self.receiving
            .as_ref()
            .is_some_and(|receiving| receiving.wanted)
    }

    /// Whether somebody waits for transfers that are given up.
    pub fn is_awaited(&self) -> bool {
        self.waits.any()
    }

    /// Ends a period of [`Waits`]; says whether somebody has waited for too long.
    pub fn tick(&mut self) -> bool {
        self.waits.tick()
    }

    /// Keeps an answer to a transfer whose data are still being sent; if they have been sent meanwhile, the
    /// transfer is taken out.
    pub fn keep(&mut self, seqnum: Seqnum, early: E) -> Option<(U, E)> {
        let Some(Entry::Submit(submission)) = self.map.get_mut(seqnum) else {
            return None;
        };
        if let Progress::Sending(answer) = &mut submission.progress {
            *answer = Some(early);
            return None;
        }
        let urb = self.take(seqnum)?.into_urb()?;
        Some((urb, early))
    }

    /// Takes out the transfer that the peer was asked to give up, if it still waits. The peer says with `status` what
    /// it has unlinked; [`Status::OK`] is nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub fn unlinked(&mut self, seqnum: Seqnum, status: Status) -> Result<Option<U>, &'static str> {
        let target = match self.map.get(seqnum) {
            // The transfer was answered before, and the entry is gone with it.
            None => return Ok(None),
            Some(Entry::Unlink(Unlink { sent: true, target })) => *target,
            Some(_) => return Err("answer to an unlink that has not been sent"),
        };
        if let Some(Entry::Submit(Submission {
            progress: Progress::Sending(_),
            ..
        })) = self.map.get(target)
        {
            return Err("answer to the unlink of a request that is being sent");
        }
        let Some(submission) = self.take(target) else {
            return Ok(None);
        };
        if status.is_ok() {
            self.late.keep(target, submission.pending);
        }
        Ok(submission.into_urb())
    }

    /// Takes out any transfer, with all that belongs to it; nothing if there is none.
    pub fn take_any(&mut self) -> Option<U> {
        while let Some((_, entry)) = self.map.pop_any() {
            if let Entry::Submit(submission) = entry {
                if let Some(urb) = submission.into_urb() {
                    return Some(urb);
                }
            }
        }
        self.reserved = 0;
        None
    }

    /// Takes out a transfer and the request to give it up.
    fn take(&mut self, seqnum: Seqnum) -> Option<Submission<U, E>> {
        self.take_at(self.map.find(seqnum)?)
    }

    #[inline]
    fn take_at(&mut self, place: Place) -> Option<Submission<U, E>> {
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
