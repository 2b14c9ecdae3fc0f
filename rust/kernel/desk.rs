// SPDX-License-Identifier: GPL-2.0

//! A slot behind a mutex, and a flag that tells without it whether something is there.
//!
//! Who waits for the slot to be filled or emptied looks at the flag only: the mutex may be held for as long as a copy
//! takes. The two change together, with the mutex held, and there is no other way to change either. Were the flag
//! raised after the slot was filled and the mutex released, whoever empties the slot in between would lower it first,
//! and it would stay up for an empty slot: what waits for that waits for ever.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            AtomicFlag,
            Full, //
        },
        lock::mutex::MutexGuard,
        LockClassKey,
        Mutex, //
    }, //
};

/// A slot for one thing.
#[pin_data]
pub struct Desk<T> {
    #[pin]
    thing: Mutex<Option<T>>,
    filled: AtomicFlag,
}

impl<T: Unpin> Desk<T> {
    /// An empty one; `name` and `key` are its mutex's.
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            thing <- Mutex::new(None, name, key),
            filled: AtomicFlag::new(false),
        })
    }

    /// Whether something is in the slot. Any context.
    pub fn is_filled(&self) -> bool {
        self.filled.load(Acquire)
    }

    /// Waits for the mutex. May sleep.
    pub fn lock(&self) -> Slot<'_, T> {
        Slot {
            guard: self.thing.lock(),
            filled: &self.filled,
        }
    }
}

/// The slot of a [`Desk`], with its mutex held.
pub struct Slot<'a, T> {
    guard: MutexGuard<'a, Option<T>>,
    filled: &'a AtomicFlag,
}

impl<T: Unpin> Slot<'_, T> {
    /// Puts something there, in place of what was there.
    pub fn put(&mut self, thing: T) {
        *self.guard = Some(thing);
        self.filled.xchg(true, Full);
    }

    /// Takes what is there.
    pub fn take(&mut self) -> Option<T> {
        let thing = self.guard.take();
        self.filled.xchg(false, Full);
        thing
    }

    /// What is there.
    pub fn get(&mut self) -> Option<&mut T> {
        Option::as_mut(&mut self.guard)
    }
}
