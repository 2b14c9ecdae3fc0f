// SPDX-License-Identifier: GPL-2.0

//! The names of the devices that are to be exported: what `match_busid` and `rebind` work on.
//!
//! The states are those that users know from the C module; its tools depend on details such as that
//! a `del` leaves an unclaimed name in the table until `rebind`. Never touches a device: a handle
//! of one is only kept, and handed back to be used or dropped once no lock is held.

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
    /// It is gone; so is the use of its handle.
    Unplugged,
}

/// What `rebind` has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rebind<D> {
    /// Offer the device to its own driver, then call [`BusIdTable::end_rebind`]. Without a handle
    /// the device was never bound, and there is nothing to offer.
    Attach(Option<D>),
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
struct Slot<D> {
    name: BusId,
    state: State,
    device: Option<D>,
}

/// The table. `D` is a handle of a device, kept from its first claim on.
#[derive(Debug)]
pub struct BusIdTable<D> {
    slots: [Option<Slot<D>>; SLOTS],
}

impl<D> Default for BusIdTable<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> BusIdTable<D> {
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
            device: None,
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
    /// Returns the handle that the name had, to be dropped.
    ///
    /// # Errors
    ///
    /// The given handle, if the device is not to be bound: for such a device users look for the
    /// message that its name "is not in match_busid table... skip!".
    pub fn claim(&mut self, name: &BusId, device: D) -> Result<Option<D>, D> {
        match self.slot(name) {
            Ok(slot) if matches!(slot.state, State::Listed | State::Claimed) => {
                slot.state = State::Claimed;
                Ok(slot.device.replace(device))
            }
            _ => Err(device),
        }
    }

    /// Learns that the device of a name is no longer bound.
    ///
    /// Returns a handle that is of no use any more, to be dropped.
    pub fn release(&mut self, name: &BusId, how: Release) -> Option<D> {
        let slot = self.slot(name).ok()?;
        match (slot.state, how) {
            (State::Claimed, _) => slot.state = State::Listed,
            (State::Leaving, Release::Unbound) => slot.state = State::Removed,
            (State::Leaving, Release::Unplugged) => return self.clear(name),
            (State::Listed | State::Removed | State::Returning, _) => {}
        }
        match how {
            Release::Unbound => None,
            Release::Unplugged => self.slot(name).ok()?.device.take(),
        }
    }

    /// Starts to give the device of a name back to its own driver: it is not claimed from here on.
    ///
    /// # Errors
    ///
    /// [`NotListed`], for which users get `-ENODEV`.
    pub fn begin_rebind(&mut self, name: &BusId) -> Result<Rebind<D>, NotListed>
    where
        D: Clone,
    {
        let slot = self.slot(name)?;
        Ok(match slot.state {
            State::Claimed | State::Leaving => {
                slot.state = State::Leaving;
                Rebind::StillBound
            }
            State::Listed | State::Removed | State::Returning => {
                slot.state = State::Returning;
                Rebind::Attach(slot.device.clone())
            }
        })
    }

    /// Ends what [`BusIdTable::begin_rebind`] started: the name is no longer listed.
    ///
    /// Returns the handle that the name had, to be dropped.
    pub fn end_rebind(&mut self, name: &BusId) -> Option<D> {
        match self.slot(name) {
            Ok(slot) if slot.state == State::Returning => self.clear(name),
            _ => None,
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

    /// Takes any name out, with its handle; `None` once the table is empty. For when the driver
    /// goes away, and all devices go back to their own ones.
    pub fn pop(&mut self) -> Option<(BusId, Option<D>)> {
        let slot = self.slots.iter_mut().find_map(Option::take)?;
        Some((slot.name, slot.device))
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

    fn slot(&mut self, name: &BusId) -> Result<&mut Slot<D>, NotListed> {
        self.slots
            .iter_mut()
            .flatten()
            .find(|slot| slot.name == *name)
            .ok_or(NotListed)
    }

    fn clear(&mut self, name: &BusId) -> Option<D> {
        self.slots
            .iter_mut()
            .find(|slot| slot.as_ref().is_some_and(|slot| slot.name == *name))?
            .take()?
            .device
    }
}
