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
use usbip_logic::shelf::{
    Piece,
    Shelf, //
};

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

/// The spare memory of one connection. Empty until a transfer has ended.
#[pin_data]
pub struct Spares {
    #[pin]
    shelf: SpinLock<Shelf<Flat>>,
}

impl Piece for Flat {
    fn length(&self) -> usize {
        Self::length(self)
    }
}

impl Spares {
    /// None yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            shelf <- SpinLock::new(Shelf::EMPTY, lock_name!("Spares::shelf"), static_lock_class!()),
        })
    }

    /// Drops a transfer, and keeps its memory if it is worth it. Process context.
    pub fn keep<C: Complete>(&self, mut urb: Urb<Completed, C>) {
        if let Buffer::Flat(flat) = urb.take_buffer() {
            // Freed once the lock is free.
            let surplus = self.shelf.lock().put(flat);
            drop(surplus);
        }
    }

    /// Memory for that many bytes, if there is some. Process context.
    pub(crate) fn take(&self, length: usize) -> Option<Flat> {
        self.shelf.lock().take(length)
    }

    /// Frees all of it. Process context.
    pub fn clear(&self) {
        let shelf = core::mem::replace(&mut *self.shelf.lock(), Shelf::EMPTY);
        drop(shelf);
    }
}
