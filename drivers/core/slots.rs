// SPDX-License-Identifier: GPL-2.0

//! The memory of a table of pending requests.

use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        Flags, //
    },
    prelude::*, //
};

use usbip_logic::seqmap::Slot;

/// The most slots of a table, so that it never is a piece of memory which the page allocator objects to: three quarters
/// of them are used.
const MAX_SLOTS: usize = 16 << 10;

/// Allocates so many slots for a [`SeqMap`](usbip_logic::seqmap::SeqMap).
///
/// # Errors
///
/// `ENOMEM`, if there is no memory or they are more than 16384.
pub fn slots<T>(count: usize, flags: Flags) -> Result<KVec<Slot<T>>> {
    if count > MAX_SLOTS {
        return Err(ENOMEM);
    }
    let mut slots = KVec::with_capacity(count, flags | __GFP_NOWARN)?;
    for _ in 0..count {
        slots.push_within_capacity(Slot::EMPTY)?;
    }
    Ok(slots)
}
