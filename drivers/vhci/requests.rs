// SPDX-License-Identifier: GPL-2.0

//! The table of a port's requests, and its memory.

use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        Flags, //
    },
    prelude::*, //
};

use usbip_hcd::Queued;
use usbip_logic::{
    plan::ReplyPlan,
    requests,
    seqmap::Slot, //
};
use usbip_proto::IsoPacket;

/// The requests that the peer has not answered.
pub(crate) type Requests = requests::Requests<Queued, KBox<Early>, Storage>;

/// One of them.
pub(crate) type Entry = requests::Entry<Queued, KBox<Early>>;

/// One that is a transfer.
pub(crate) type Submission = requests::Submission<Queued, KBox<Early>>;

/// The memory of the table.
pub(crate) type Storage = KVec<Slot<Entry>>;

/// Slots of a table for a device that has little to do.
const FEW: usize = 16;

/// The most slots of a table, so that it never is a piece of memory which the page allocator objects to.
const MAX_SLOTS: usize = 16 << 10;

/// An answer that came before all of the request had been sent.
pub(crate) struct Early {
    /// What it says.
    pub(crate) plan: ReplyPlan,
    /// What it says about the packets of an isochronous transfer.
    pub(crate) packets: KVec<IsoPacket>,
}

/// Allocates memory for a table of at least so many slots.
///
/// # Errors
///
/// `ENOMEM`, if there is no memory or they are too many.
pub(crate) fn storage(slots: usize, flags: Flags) -> Result<Storage> {
    let slots = slots.max(FEW);
    if slots > MAX_SLOTS {
        return Err(ENOMEM);
    }
    let mut storage = KVec::with_capacity(slots, flags | __GFP_NOWARN)?;
    for _ in 0..slots {
        storage.push_within_capacity(Slot::EMPTY)?;
    }
    Ok(storage)
}
