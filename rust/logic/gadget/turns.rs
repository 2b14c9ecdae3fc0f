// SPDX-License-Identifier: GPL-2.0

//! Which endpoint is looked at next.
//!
//! They take turns: one that always has something to move would keep the others waiting for ever otherwise.

/// Endpoints where something may move, by their index; one of 32 or more is never among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turns {
    /// Where something may move now.
    ready: u32,
    /// Where something will move at a later time.
    paced: u32,
    /// Those that are looked at before the others.
    first: u32,
}

/// Those bits so many places further up.
fn shift(bits: u32, places: usize) -> u32 {
    u32::try_from(places)
        .ok()
        .and_then(|places| bits.checked_shl(places))
        .unwrap_or(0)
}

fn bit(index: usize) -> u32 {
    shift(1, index)
}

impl Turns {
    /// Starts with none.
    pub const fn new() -> Self {
        Self {
            ready: 0,
            paced: 0,
            first: 0,
        }
    }

    /// Whether nothing can move now.
    pub const fn is_empty(&self) -> bool {
        self.ready == 0
    }

    /// Something may move there.
    pub fn insert(&mut self, index: usize) {
        self.ready |= bit(index);
    }

    /// Nothing can move there any more.
    pub fn remove(&mut self, index: usize) {
        self.ready &= !bit(index);
    }

    /// Something will move there, after [`Self::resume`].
    pub fn postpone(&mut self, index: usize) {
        self.remove(index);
        self.paced |= bit(index);
    }

    /// It is later now.
    pub fn resume(&mut self) {
        self.ready |= core::mem::take(&mut self.paced);
    }

    /// The endpoint whose turn it is, which stays its turn until [`Self::pass`].
    pub fn next(&self) -> Option<usize> {
        let first = self.ready & self.first;
        let set = if first == 0 { self.ready } else { first };
        if set == 0 {
            return None;
        }
        usize::try_from(set.trailing_zeros()).ok()
    }

    /// That endpoint has had its turn.
    pub fn pass(&mut self, index: usize) {
        self.first = shift(u32::MAX, index.saturating_add(1));
    }
}
