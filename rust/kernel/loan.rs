// SPDX-License-Identifier: GPL-2.0

//! Bytes that go between a thread of the kernel and a process without a buffer in between: the
//! thread lends what it has for as long as it waits, and the process copies.
//!
//! In both directions the rule is the same, and it is what makes them sound: what is lent lies in a
//! slot behind a mutex, is used only with that mutex held, and is taken out of the slot, with the
//! mutex held, before the call that lends it returns. Nobody waits for a process with the mutex
//! held, not even for its pages. So the lender always gets back what it has lent.
//!
//! It must never look at the bytes.

mod inbox;
mod outbox;

pub use self::{
    inbox::{
        Broken,
        Feed,
        Inbox, //
    },
    outbox::Outbox, //
};

/// Nothing is lent any more.
#[derive(Clone, Copy, Debug)]
pub struct Ended;
