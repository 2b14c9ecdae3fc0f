// SPDX-License-Identifier: GPL-2.0

//! The requests of a connection that wait for their end, found by their number.
//!
//! A hash table with open addressing, in storage that the owner provides: entries lie in the table
//! itself, and nothing here allocates or frees, so that it may all happen under a spinlock. Never
//! grows by itself: the owner asks [`SeqMap::needs_room`], allocates, and calls [`SeqMap::grow`].
//!
//! Numbers are given out in sequence, and some requests stay for hours while others pass. So a number
//! is multiplied to find its slot, which spreads a sequence evenly however it lies to another one. A
//! peer that chooses its numbers so that many want the same slot must not make it cost more:
//! [`SeqMap::insert_near`] refuses an entry that would have to lie further than [`MAX_REACH`] from
//! its slot.

use core::{
    mem,
    ops::DerefMut, //
};

use usbip_proto::Seqnum;

/// The slots that an entry may be away from the one that its number wants, if a peer chose that number.
///
/// Numbers that nobody chose for this, in a table of 2^14 slots that is full, lie half as far away.
pub const MAX_REACH: usize = 512;

/// A place in the storage of a [`SeqMap`].
#[derive(Debug)]
pub struct Slot<T>(Option<(Seqnum, T)>);

impl<T> Slot<T> {
    /// An empty slot, of which storage is made.
    pub const EMPTY: Self = Self(None);
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Where the entry of a number is, until the map changes: looking at it again takes no search.
#[derive(Clone, Copy, Debug)]
pub struct Place(usize);

/// Why an entry was not taken; it is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum InsertError<T> {
    /// There is no room; a larger storage has some.
    Full(T),
    /// There is no room near where it belongs.
    Crowded(T),
    /// There is an entry of that number.
    Duplicate(T),
}

impl<T> InsertError<T> {
    /// Returns the entry that was not taken.
    pub fn into_inner(self) -> T {
        let (Self::Full(value) | Self::Crowded(value) | Self::Duplicate(value)) = self;
        value
    }
}

/// A map from request numbers to entries.
///
/// `S` is the storage; of a length that is no power of two only the largest power of two in it is
/// used.
#[derive(Debug)]
pub struct SeqMap<T, S>
where
    S: DerefMut<Target = [Slot<T>]>,
{
    slots: S,
    /// The number of slots that are used: 0 or a power of two.
    capacity: usize,
    /// How many of the 32 bits of a hash are not of a slot's index.
    shift: u32,
    len: usize,
    /// No entry is further from the slot that its number wants.
    reach: usize,
    /// Where [`SeqMap::pop_any`] looks first.
    cursor: usize,
}

impl<T, S> SeqMap<T, S>
where
    S: DerefMut<Target = [Slot<T>]>,
{
    /// Makes a map of storage. Entries that may be in it are dropped.
    pub fn new(mut storage: S) -> Self {
        for slot in storage.iter_mut() {
            slot.0 = None;
        }
        let capacity = usable(storage.len());
        Self {
            capacity,
            shift: 32_u32.saturating_sub(capacity.checked_ilog2().unwrap_or(0)),
            slots: storage,
            len: 0,
            reach: 0,
            cursor: 0,
        }
    }

    /// Returns the number of entries.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of slots in use or free, 0 or a power of two.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns how large a new storage must be for `additional` more entries; `None` if there is
    /// room for them.
    pub fn needs_room(&self, additional: usize) -> Option<usize> {
        let wanted = self.len.saturating_add(additional);
        if wanted <= room(self.capacity()) {
            return None;
        }
        Some(slots_for(wanted))
    }

    /// Moves all entries to a new, empty storage, and returns the old one to be freed once no lock
    /// is held.
    ///
    /// A storage that is too small is returned itself, and nothing changes; so the owner can tell
    /// by asking [`SeqMap::needs_room`] again.
    pub fn grow(&mut self, storage: S) -> S {
        if self.len > room(usable(storage.len())) {
            return storage;
        }
        let mut old = mem::replace(self, Self::new(storage));
        for slot in old.slots.iter_mut() {
            if let Some((seqnum, value)) = slot.0.take() {
                // There is room, and the numbers of the old table differ.
                if let Err(refused) = self.insert_within(seqnum, value, usize::MAX) {
                    drop(refused);
                }
            }
        }
        old.slots
    }

    /// Adds an entry, whose number was given out here.
    ///
    /// # Errors
    ///
    /// [`InsertError`] with the entry if the number is taken, or else if there is no room.
    pub fn insert(&mut self, seqnum: Seqnum, value: T) -> Result<(), InsertError<T>> {
        self.insert_within(seqnum, value, usize::MAX)
    }

    /// Adds an entry, whose number a peer chose: at most [`MAX_REACH`] away from where it belongs.
    ///
    /// # Errors
    ///
    /// [`InsertError`] with the entry if the number is taken, or else if there is no room.
    pub fn insert_near(&mut self, seqnum: Seqnum, value: T) -> Result<(), InsertError<T>> {
        self.insert_within(seqnum, value, MAX_REACH)
    }

    /// Adds an entry, at most so far away from where it belongs.
    fn insert_within(
        &mut self,
        seqnum: Seqnum,
        value: T,
        limit: usize,
    ) -> Result<(), InsertError<T>> {
        let capacity = self.capacity();
        let is_full = self.len >= room(capacity);
        let mut index = self.home(seqnum);
        for away in 0..capacity {
            match self.slots.get_mut(index) {
                Some(Slot(Some((taken, _)))) if *taken == seqnum => {
                    return Err(InsertError::Duplicate(value));
                }
                Some(Slot(Some(_))) if away >= limit && !is_full => {
                    return Err(InsertError::Crowded(value));
                }
                Some(Slot(Some(_))) if away < limit => index = after(index, capacity),
                Some(empty) if !is_full => {
                    *empty = Slot(Some((seqnum, value)));
                    self.len = self.len.saturating_add(1);
                    self.reach = self.reach.max(away);
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(InsertError::Full(value))
    }

    /// Returns an entry.
    pub fn get(&self, seqnum: Seqnum) -> Option<&T> {
        self.at(self.find(seqnum)?)
    }

    /// Returns an entry, to be changed.
    pub fn get_mut(&mut self, seqnum: Seqnum) -> Option<&mut T> {
        self.at_mut(self.find(seqnum)?)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, seqnum: Seqnum) -> Option<T> {
        self.remove_at(self.find(seqnum)?)
    }

    /// Returns the entry at a place; after a change of the map that may be another one, or none.
    pub fn at(&self, place: Place) -> Option<&T> {
        match self.slots.get(place.0) {
            Some(Slot(Some((_, value)))) => Some(value),
            _ => None,
        }
    }

    /// Returns the entry at a place, to be changed.
    pub fn at_mut(&mut self, place: Place) -> Option<&mut T> {
        match self.slots.get_mut(place.0) {
            Some(Slot(Some((_, value)))) => Some(value),
            _ => None,
        }
    }

    /// Takes the entry at a place out.
    #[inline]
    pub fn remove_at(&mut self, place: Place) -> Option<T> {
        self.take(place.0).map(|(_, value)| value)
    }

    /// Takes any entry out; `None` if there is none. Taking out all entries is linear.
    pub fn pop_any(&mut self) -> Option<(Seqnum, T)> {
        if self.len == 0 {
            return None;
        }
        let capacity = self.capacity();
        for _ in 0..capacity {
            // What closes the gap may be in the same slot now, so the cursor stays.
            if let Some(taken) = self.take(self.cursor) {
                return Some(taken);
            }
            self.cursor = after(self.cursor, capacity);
        }
        None
    }

    /// Returns all entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Seqnum, &T)> {
        self.slots
            .iter()
            .filter_map(|slot| slot.0.as_ref().map(|(seqnum, value)| (*seqnum, value)))
    }

    /// Returns all entries, to be changed, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Seqnum, &mut T)> {
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.0.as_mut().map(|(seqnum, value)| (*seqnum, value)))
    }

    /// The slot that a number wants.
    #[inline]
    fn home(&self, seqnum: Seqnum) -> usize {
        // 2^32 divided by the golden ratio.
        let hash = seqnum.get().wrapping_mul(0x9e37_79b1);
        // Of more than 2^32 slots the first ones are wanted.
        usize::try_from(u64::from(hash).wrapping_shr(self.shift)).unwrap_or(0)
    }

    /// Returns where an entry is.
    pub fn find(&self, seqnum: Seqnum) -> Option<Place> {
        let capacity = self.capacity();
        let mut index = self.home(seqnum);
        for _ in 0..capacity.min(self.reach.saturating_add(1)) {
            match self.slots.get(index) {
                Some(Slot(Some((taken, _)))) if *taken == seqnum => return Some(Place(index)),
                Some(Slot(Some(_))) => index = after(index, capacity),
                _ => return None,
            }
        }
        None
    }

    /// Empties a slot, and moves back what had to evade it, so that no search ends too early.
    #[inline]
    fn take(&mut self, index: usize) -> Option<(Seqnum, T)> {
        let taken = self.slots.get_mut(index)?.0.take()?;
        self.len = self.len.saturating_sub(1);
        if self.len == 0 {
            self.reach = 0;
        }
        let capacity = self.capacity();
        let mut gap = index;
        let mut next = after(gap, capacity);
        while let Some(Slot(Some((seqnum, _)))) = self.slots.get(next) {
            if distance(gap, next, capacity) > self.reach {
                break;
            }
            // An entry may move to the gap if it is not between the gap and its home.
            if distance(self.home(*seqnum), next, capacity) >= distance(gap, next, capacity) {
                self.slots.swap(gap, next);
                gap = next;
            }
            next = after(next, capacity);
        }
        Some(taken)
    }
}

/// The number of slots that are used of a storage.
fn usable(len: usize) -> usize {
    len.checked_ilog2()
        .and_then(|bits| 1_usize.checked_shl(bits))
        .unwrap_or(0)
}

/// The number of entries that slots have room for: three quarters, so that searches stay short.
#[inline]
fn room(capacity: usize) -> usize {
    capacity.saturating_sub(capacity / 4)
}

/// The number of slots that have room for so many entries, and for some more.
fn slots_for(entries: usize) -> usize {
    entries
        .saturating_add(entries / 2)
        .max(8)
        .checked_next_power_of_two()
        .unwrap_or(usize::MAX)
}

#[inline]
fn after(index: usize, capacity: usize) -> usize {
    index.wrapping_add(1) & capacity.saturating_sub(1)
}

/// How far `to` is behind `from`, going up and around.
#[inline]
fn distance(from: usize, to: usize, capacity: usize) -> usize {
    to.wrapping_sub(from) & capacity.saturating_sub(1)
}
