// SPDX-License-Identifier: GPL-2.0

//! The table of a port's requests, and its memory.

use kernel::{
    alloc::Flags,
    prelude::*, //
};

use usbip_core::slots;
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
/// Those of [`slots`].
pub(crate) fn storage(count: usize, flags: Flags) -> Result<Storage> {
    slots(count.max(FEW), flags)
}
