// SPDX-License-Identifier: GPL-2.0

//! The memory of the process that reads or writes a file of ours.
//!
//! It must never wait for a page while somebody else waits for us: copying and making pages present
//! are two calls, and only the second one may sleep.

use kernel::{
    bindings,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    types::NotThreadSafe, //
};

use crate::{
    bindings as helpers,
    iovec::ReadVec, //
};

/// The most memory that is made present at a time.
const AT_ONCE: usize = 64 * 1024;

/// While this lives, a page that is not there ends a copy instead of being waited for.
struct FaultsOff(NotThreadSafe);

impl FaultsOff {
    fn enter() -> Self {
        // SAFETY: Counted per thread, and taken back when the value is dropped.
        unsafe { helpers::usbip_helper_pagefault_disable() };
        Self(NotThreadSafe)
    }
}

impl Drop for FaultsOff {
    fn drop(&mut self) {
        // SAFETY: Pairs with the call in `enter`, in the same thread.
        unsafe { helpers::usbip_helper_pagefault_enable() };
    }
}

/// Memory that a process reads to.
pub struct ToUser<'a, 'data>(&'a mut IovIterDest<'data>);

impl<'a, 'data> ToUser<'a, 'data> {
    pub(crate) fn new(to: &'a mut IovIterDest<'data>) -> Self {
        Self(to)
    }

    /// How many bytes there is room for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no room left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies as much as there is room for, up to the first page that is not there. Gives how many
    /// bytes. Any context of the process; waits for nothing.
    pub fn copy(&mut self, bytes: &[u8]) -> usize {
        let _faults = FaultsOff::enter();
        self.0.copy_to_iter(bytes)
    }

    /// Makes the next pages present. May sleep, for as long as whoever has them likes.
    ///
    /// # Errors
    ///
    /// `EFAULT` if there is no such memory.
    pub fn fault_in(&mut self) -> Result {
        let want = self.len().min(AT_ONCE);
        // SAFETY: The iterator is valid as long as `self` is.
        let missing = unsafe { bindings::fault_in_iov_iter_writeable(self.0.as_raw(), want) };
        outcome(missing, want)
    }
}

/// Memory that a process writes from.
pub struct FromUser<'a, 'data>(&'a mut IovIterSource<'data>);

impl<'a, 'data> FromUser<'a, 'data> {
    pub(crate) fn new(from: &'a mut IovIterSource<'data>) -> Self {
        Self(from)
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no bytes are left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills the parts in order, up to the first page that is not there. Gives how many bytes. Any
    /// context of the process; waits for nothing.
    pub fn copy(&mut self, into: &mut ReadVec<'_>) -> usize {
        let _faults = FaultsOff::enter();
        let mut total = 0_usize;
        for part in into.parts_mut() {
            let copied = self.0.copy_from_iter(part);
            total = total.saturating_add(copied);
            if copied < part.len() {
                break;
            }
        }
        total
    }

    /// Makes the next pages present. May sleep, for as long as whoever has them likes.
    ///
    /// # Errors
    ///
    /// `EFAULT` if there is no such memory.
    pub fn fault_in(&mut self) -> Result {
        let want = self.len().min(AT_ONCE);
        // SAFETY: The iterator is valid as long as `self` is.
        let missing = unsafe { bindings::fault_in_iov_iter_readable(self.0.as_raw(), want) };
        outcome(missing, want)
    }
}

/// What it means that so many bytes of those wanted could not be made present.
fn outcome(missing: usize, want: usize) -> Result {
    if missing >= want {
        return Err(EFAULT);
    }
    Ok(())
}
