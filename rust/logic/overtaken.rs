// SPDX-License-Identifier: GPL-2.0

//! Unlinks that arrive before the request that they are to unlink.
//!
//! Linux's own importing side sends what is queued to be submitted and then what is queued to be
//! unlinked; a request that is queued, and given up, between the two is overtaken by its unlink.
//! Answering such an unlink at once, as if the request were done, would make the peer give up the
//! request and then stumble over its result. So it is kept until the request arrives, which is
//! then not even submitted.
//!
//! Nothing is kept that cannot be such a case: both numbers are drawn from one counter, and
//! requests arrive in the order of theirs.

use usbip_proto::{
    CmdUnlink,
    Seqnum, //
};

/// How many are kept. More than one at a time is rare.
const KEPT: usize = 16;

/// Unlinks that wait for their requests.
#[derive(Debug)]
pub struct Overtaken {
    /// The newest request that arrived.
    newest: Option<Seqnum>,
    kept: [Option<CmdUnlink>; KEPT],
    /// Whether anything is kept.
    any: bool,
}

/// Whether `number` was drawn after `other`.
fn is_after(number: Seqnum, other: Seqnum) -> bool {
    let distance = number.get().wrapping_sub(other.get());
    (1..1 << 31).contains(&distance)
}

impl Default for Overtaken {
    fn default() -> Self {
        Self::new()
    }
}

impl Overtaken {
    /// Starts before the first request.
    pub const fn new() -> Self {
        Self {
            newest: None,
            kept: [None; KEPT],
            any: false,
        }
    }

    /// Keeps an unlink if its request is still to come. Says whether it is kept.
    pub fn keep(&mut self, unlink: &CmdUnlink) -> bool {
        let to_come = is_after(unlink.seqnum, unlink.target)
            && self
                .newest
                .is_some_and(|newest| is_after(unlink.target, newest));
        if !to_come {
            return false;
        }
        match self.kept.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                *slot = Some(*unlink);
                self.any = true;
                true
            }
            None => false,
        }
    }

    /// A request arrived. Returns the unlink that overtook it.
    pub fn arrived(&mut self, request: Seqnum) -> Option<CmdUnlink> {
        if self.newest.is_none_or(|newest| is_after(request, newest)) {
            self.newest = Some(request);
        }
        if !self.any {
            return None;
        }
        self.kept
            .iter_mut()
            .find(|slot| slot.is_some_and(|unlink| unlink.target == request))?
            .take()
    }

    /// Returns an unlink whose request does not come any more, one at a time.
    pub fn stale(&mut self) -> Option<CmdUnlink> {
        if !self.any {
            return None;
        }
        let newest = self.newest?;
        let stale = self
            .kept
            .iter_mut()
            .find(|slot| slot.is_some_and(|unlink| !is_after(unlink.target, newest)))
            .and_then(Option::take);
        if stale.is_none() {
            self.any = self.kept.iter().any(Option::is_some);
        }
        stale
    }
}
