// SPDX-License-Identifier: GPL-2.0

//! Memory of transfers that have ended, kept for those to come.
//!
//! The kernel clears what it allocates, unless it was started with `init_on_alloc=0`: of a transfer
//! of 64 KiB that is one instruction in twenty. What is kept here is not cleared again, so it must
//! never go from one user's transfers to another's.

use kernel::{
    prelude::*,
    static_lock_class,
    sync::SpinLock, //
};

use usbip_kernel::lock_name;

use crate::{
    buffer::{
        Buffer,
        Flat, //
    },
    urb::{
        Complete,
        Completed,
        Urb, //
    }, //
};

/// The most pieces that are kept.
const MOST: usize = 32;

/// The most bytes that are kept.
const MOST_BYTES: usize = 1 << 20;

/// The spare memory of one connection. Empty until a transfer has ended.
#[pin_data]
pub struct Spares {
    #[pin]
    held: SpinLock<Held>,
}

struct Held {
    /// The first `count` are there.
    flats: [Option<Flat>; MOST],
    count: usize,
    bytes: usize,
}

impl Held {
    const NOTHING: Self = Self {
        flats: [const { None }; MOST],
        count: 0,
        bytes: 0,
    };

    /// Keeps a piece, or gives it back if there are enough.
    fn put(&mut self, flat: Flat) -> Option<Flat> {
        let bytes = self.bytes.saturating_add(flat.length());
        match self.flats.get_mut(self.count) {
            Some(slot) if bytes <= MOST_BYTES => {
                *slot = Some(flat);
                self.count = self.count.saturating_add(1);
                self.bytes = bytes;
                None
            }
            _ => Some(flat),
        }
    }

    /// Takes the last one that suits, and the last one of all instead of it.
    fn take(&mut self, length: usize) -> Option<Flat> {
        let kept = self.flats.get_mut(..self.count)?;
        let suits = |flat: &Flat| flat.length() >= length && flat.length() / 2 < length;
        let index = kept
            .iter()
            .rposition(|slot| slot.as_ref().is_some_and(suits))?;
        let (last, _) = kept.split_last_mut()?;
        let last = last.take();
        self.count = self.count.saturating_sub(1);
        let taken = match kept.get_mut(index) {
            Some(slot) if index < self.count => core::mem::replace(slot, last),
            _ => last,
        };
        let length = taken.as_ref().map_or(0, Flat::length);
        self.bytes = self.bytes.saturating_sub(length);
        taken
    }
}

impl Spares {
    /// None yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            held <- SpinLock::new(Held::NOTHING, lock_name!("Spares::held"), static_lock_class!()),
        })
    }

    /// Drops a transfer, and keeps its memory if it is worth it. Process context.
    pub fn keep<C: Complete>(&self, mut urb: Urb<Completed, C>) {
        if let Buffer::Flat(flat) = urb.take_buffer() {
            // Freed once the lock is free.
            let surplus = self.held.lock().put(flat);
            drop(surplus);
        }
    }

    /// Memory for that many bytes, if there is some. Process context.
    pub(crate) fn take(&self, length: usize) -> Option<Flat> {
        self.held.lock().take(length)
    }

    /// Frees all of it. Process context.
    pub fn clear(&self) {
        let held = core::mem::replace(&mut *self.held.lock(), Held::NOTHING);
        drop(held);
    }
}
