// SPDX-License-Identifier: GPL-2.0

//! Answers that come after their requests have ended.
//!
//! A server that finds nothing to unlink says so, and means that the answer to the request is on its
//! way. Linux's own exporting side may then send the two in the wrong order: a request that ends
//! between its last look at what has ended and its first at what was unlinked is answered second.
//! The request is over by then, as other servers send nothing more. So what is needed to skip such
//! an answer is kept, and the stream stays in step.

use usbip_proto::Seqnum;

use crate::plan::Pending;

/// How many are kept. More than one at a time is rare.
const KEPT: usize = 8;

/// Requests that have ended, and may still be answered.
#[derive(Debug)]
pub struct Late {
    kept: [Option<(Seqnum, Pending)>; KEPT],
    /// The oldest, which makes room for the next.
    oldest: usize,
}

impl Default for Late {
    fn default() -> Self {
        Self::new()
    }
}

impl Late {
    /// Starts without any.
    pub const fn new() -> Self {
        Self {
            kept: [None; KEPT],
            oldest: 0,
        }
    }

    /// A request has ended without its answer.
    pub fn keep(&mut self, seqnum: Seqnum, pending: Pending) {
        if let Some(slot) = self.kept.get_mut(self.oldest) {
            *slot = Some((seqnum, pending));
        }
        self.oldest = self.oldest.wrapping_add(1) % KEPT;
    }

    /// Its answer has come: returns what was known of it, once.
    pub fn take(&mut self, seqnum: Seqnum) -> Option<Pending> {
        self.kept
            .iter_mut()
            .find(|slot| slot.is_some_and(|(kept, _)| kept == seqnum))?
            .take()
            .map(|(_, pending)| pending)
    }
}
