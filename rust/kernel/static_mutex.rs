// SPDX-License-Identifier: GPL-2.0

//! A mutex in a static, for what a module's functions share without a value that they are given.
//!
//! It must never be what a value could hold instead.

use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ops::{
        Deref,
        DerefMut, //
    },
    pin::Pin, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        lock::{
            mutex::MutexBackend,
            Backend, //
        },
        LockClassKey, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// The stages of a [`StaticMutex`].
const RAW: u32 = 0;
const INITIALISING: u32 = 1;
const READY: u32 = 2;

/// A mutex that can be a static. Until [`init`](Self::init) it cannot be locked.
///
/// # Invariants
///
/// `stage` only grows. From `READY` on `state` is an initialised mutex; it is that of a static, and
/// never moves.
pub struct StaticMutex<T> {
    stage: Atomic<u32>,
    state: Opaque<<MutexBackend as Backend>::State>,
    data: UnsafeCell<T>,
    _pin: PhantomPinned,
}

// SAFETY: The mutex lets one thread at a time to the data.
unsafe impl<T: Send> Sync for StaticMutex<T> {}

impl<T> StaticMutex<T> {
    /// A mutex that is not initialised yet.
    pub const fn new(data: T) -> Self {
        Self {
            stage: Atomic::new(RAW),
            state: Opaque::uninit(),
            data: UnsafeCell::new(data),
            _pin: PhantomPinned,
        }
    }

    /// Initialises it; the module that has it does so as the first thing. Later calls do nothing.
    pub fn init(&'static self, name: &'static CStr, class: Pin<&'static LockClassKey>) {
        if self.stage.cmpxchg(RAW, INITIALISING, Relaxed).is_err() {
            return;
        }
        // SAFETY: Nobody else uses the state before the last stage, and only one caller ever gets
        // here. Name and class are static.
        unsafe { MutexBackend::init(self.state.get(), name.as_char_ptr(), class.as_ptr()) };
        // INVARIANT: Just initialised.
        self.stage.store(READY, Release);
    }

    /// Locks it. Gives nothing before it is initialised. May sleep.
    pub fn lock(&'static self) -> Option<StaticMutexGuard<T>> {
        if self.stage.load(Acquire) != READY {
            return None;
        }
        // SAFETY: By the invariant.
        let () = unsafe { MutexBackend::lock(self.state.get()) };
        // INVARIANT: Just locked.
        Some(StaticMutexGuard {
            mutex: self,
            _thread: NotThreadSafe,
        })
    }
}

/// The guard of a [`StaticMutex`].
///
/// # Invariants
///
/// The mutex is locked by this thread.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct StaticMutexGuard<T: 'static> {
    mutex: &'static StaticMutex<T>,
    _thread: NotThreadSafe,
}

impl<T> Deref for StaticMutexGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant nobody else gets at the data.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T> DerefMut for StaticMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the invariant nobody else gets at the data.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T> Drop for StaticMutexGuard<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { MutexBackend::unlock(self.mutex.state.get(), &()) };
    }
}
