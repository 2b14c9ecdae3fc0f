// SPDX-License-Identifier: GPL-2.0

//! Numbers of requests, and the line in which they wait to be sent.

use usbip_proto::Seqnum;

/// The requests from one number to another, of which some may have left the line from its middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// The newest request that there was.
    newest: Seqnum,
    /// The newest that is not in the line any more.
    passed: Seqnum,
}

impl Line {
    /// An empty line, before the first request.
    pub(super) const fn new() -> Self {
        Self {
            newest: Seqnum::new(0),
            passed: Seqnum::new(0),
        }
    }

    /// The newest request that there was.
    pub(super) fn newest(&self) -> Seqnum {
        self.newest
    }

    /// A request comes to the end.
    pub(super) fn join(&mut self, seqnum: Seqnum) {
        self.newest = seqnum;
    }

    /// The number at the front, which may not be in the line; `None` if there is no more.
    pub(super) fn front(&self) -> Option<Seqnum> {
        (self.passed != self.newest).then(|| self.passed.next())
    }

    /// All requests up to one have left.
    pub(super) fn pass(&mut self, seqnum: Seqnum) {
        self.passed = seqnum;
    }

    /// How many numbers it spans.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.place(self.newest)).unwrap_or(usize::MAX)
    }

    /// Where a number of the line is in it: the front is 1.
    pub(super) fn place(&self, seqnum: Seqnum) -> u32 {
        seqnum.get().wrapping_sub(self.passed.get())
    }
}
