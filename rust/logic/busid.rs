// SPDX-License-Identifier: GPL-2.0

//! The names of the devices that are to be exported: what `match_busid` and `rebind` work on.
//!
//! The states are those that users know from the C module; its tools depend on details such as that
//! a `del` leaves an unclaimed name in the table until `rebind`. Never touches a device: only names are
//! kept, so that nothing holds a device that is gone.

use core::fmt;

use usbip_proto::sysfs_text::BusId;

/// The number of names that the table holds.
#[doc(alias = "MAX_BUSID")]
pub const SLOTS: usize = 16;

/// What becomes of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Waits for its device to be bound.
    #[doc(alias = "STUB_BUSID_ADDED")]
    Listed,
    /// Its device is bound.
    #[doc(alias = "STUB_BUSID_ALLOC")]
    Claimed,
    /// Its device is bound, but is not to be once it is unbound.
    #[doc(alias = "STUB_BUSID_REMOV")]
    Leaving,
    /// Its device is not to be bound, and waits for `rebind`.
    #[doc(alias = "STUB_BUSID_REMOV")]
    Removed,
    /// Its device is being given back to its own driver.
    #[doc(alias = "STUB_BUSID_OTHER")]
    Returning,
}

/// How a device comes to be no longer bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Release {
    /// It was unbound, and is still there.
    Unbound,
    /// It is gone.
    Unplugged,
}

/// What `rebind` has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rebind {
    /// Offer the device of that name, if there is one, to its own driver, then call [`BusIdTable::end_rebind`].
    Attach,
    /// Nothing: the device is bound. Its name is not claimed again after that.
    StillBound,
}

/// There is no slot left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The name is not in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotListed;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the match_busid table is full")
    }
}

impl fmt::Display for NotListed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in match_busid table")
    }
}

impl core::error::Error for Full {}
impl core::error::Error for NotListed {}

#[derive(Debug)]
struct Slot {
    name: BusId,
    state: State,
    /// Whether its device was bound since it was plugged in.
    was_bound: bool,
}

/// The table.
#[derive(Debug)]
pub struct BusIdTable {
    slots: [Option<Slot>; SLOTS],
}

impl Default for BusIdTable {
    fn default() -> Self {
        Self::new()
    }
}

impl BusIdTable {
    /// Makes an empty table.
    pub const fn new() -> Self {
        Self {
            slots: [const { None }; SLOTS],
        }
    }

    /// Lists a name. One that is listed already stays as it is, except that a `del` is undone.
    ///
    /// # Errors
    ///
    /// [`Full`], for which users get `-ENOMEM`.
    pub fn add(&mut self, name: BusId) -> Result<(), Full> {
        if let Ok(slot) = self.slot(&name) {
            slot.state = match slot.state {
                State::Leaving => State::Claimed,
                State::Removed => State::Listed,
                state => state,
            };
            return Ok(());
        }
        let free = self
            .slots
            .iter_mut()
            .find(|slot| slot.is_none())
            .ok_or(Full)?;
        *free = Some(Slot {
            name,
            state: State::Listed,
            was_bound: false,
        });
        Ok(())
    }

    /// Takes back a listing. A name whose device is not bound stays until `rebind`.
    ///
    /// # Errors
    ///
    /// [`NotListed`], for which users get `-ENODEV`.
    pub fn del(&mut self, name: &BusId) -> Result<(), NotListed> {
        let slot = self.slot(name)?;
        if slot.state == State::Claimed {
            slot.state = State::Leaving;
        }
        Ok(())
    }

    /// Claims the device of a name, to be bound.
    ///
    /// Returns whether it is to be: if not, users look for the message that its name "is not in match_busid
    /// table... skip!".
    #[must_use]
    pub fn claim(&mut self, name: &BusId) -> bool {
        match self.slot(name) {
            Ok(slot) if matches!(slot.state, State::Listed | State::Claimed) => {
                slot.state = State::Claimed;
                slot.was_bound = true;
                true
            }
            _ => false,
        }
    }

    /// Learns that the device of a name is no longer bound.
    pub fn release(&mut self, name: &BusId, how: Release) {
        let Ok(slot) = self.slot(name) else { return };
        if how == Release::Unplugged {
            slot.was_bound = false;
        }
        match (slot.state, how) {
            (State::Claimed, _) => slot.state = State::Listed,
            (State::Leaving, Release::Unbound) => slot.state = State::Removed,
            (State::Leaving, Release::Unplugged) => self.clear(name),
            (State::Listed | State::Removed | State::Returning, _) => {}
        }
    }

    /// Starts to give the device of a name back to its own driver: it is not claimed from here on.
    ///
    /// # Errors
    ///
    /// [`NotListed`], for which users get `-ENODEV`.
    pub fn begin_rebind(&mut self, name: &BusId) -> Result<Rebind, NotListed> {
        let slot = self.slot(name)?;
        Ok(match slot.state {
            State::Claimed | State::Leaving => {
                slot.state = State::Leaving;
                Rebind::StillBound
            }
            State::Listed | State::Removed | State::Returning => {
                slot.state = State::Returning;
                Rebind::Attach
            }
        })
    }

    /// Ends what [`BusIdTable::begin_rebind`] started: the name is no longer listed.
    pub fn end_rebind(&mut self, name: &BusId) {
        if self.state(name) == Some(State::Returning) {
            self.clear(name);
        }
    }

    /// Ends what [`BusIdTable::begin_rebind`] started, without success: the name stays listed, for the
    /// device to be rebound or, after another `add`, to be bound.
    pub fn fail_rebind(&mut self, name: &BusId) {
        if let Ok(slot) = self.slot(name) {
            if slot.state == State::Returning {
                slot.state = State::Removed;
            }
        }
    }

    /// Takes any name out, and says whether its device was bound; `None` once the table is empty. For when the
    /// driver goes away, and all devices that it had go back to their own ones.
    pub fn pop(&mut self) -> Option<(BusId, bool)> {
        let slot = self.slots.iter_mut().find_map(Option::take)?;
        Some((slot.name, slot.was_bound))
    }

    /// Returns what becomes of a name.
    pub fn state(&self, name: &BusId) -> Option<State> {
        self.slots
            .iter()
            .flatten()
            .find(|slot| slot.name == *name)
            .map(|slot| slot.state)
    }

    /// Returns all names, in the order of their slots: what `match_busid` shows.
    pub fn names(&self) -> impl Iterator<Item = &BusId> {
        self.slots.iter().flatten().map(|slot| &slot.name)
    }

    fn slot(&mut self, name: &BusId) -> Result<&mut Slot, NotListed> {
        self.slots
            .iter_mut()
            .flatten()
            .find(|slot| slot.name == *name)
            .ok_or(NotListed)
    }

    fn clear(&mut self, name: &BusId) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|slot| slot.name == *name) {
                *slot = None;
            }
        }
    }
}
