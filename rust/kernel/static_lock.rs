// SPDX-License-Identifier: GPL-2.0

//! A lock in a static, for what a module's functions share without a value that they are given.
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

use crate::irqlock::SpinLockIrqBackend;

/// A mutex that can be a static.
pub type StaticMutex<T> = StaticLock<T, MutexBackend>;

/// A spinlock that can be a static, and keeps interrupts off while it is held.
pub type StaticSpinLockIrq<T> = StaticLock<T, SpinLockIrqBackend>;

/// The stages of a [`StaticLock`].
const RAW: u32 = 0;
const INITIALISING: u32 = 1;
const READY: u32 = 2;

/// A lock that can be a static. Until [`init`](Self::init) it cannot be locked.
///
/// # Invariants
///
/// `stage` only grows. From `READY` on `state` is an initialised lock; it is that of a static, and
/// never moves.
pub struct StaticLock<T, B: Backend> {
    stage: Atomic<u32>,
    state: Opaque<B::State>,
    data: UnsafeCell<T>,
    _pin: PhantomPinned,
}

// SAFETY: The lock lets one thread at a time to the data.
unsafe impl<T: Send, B: Backend> Sync for StaticLock<T, B> {}

impl<T, B: Backend> StaticLock<T, B> {
    /// A lock that is not initialised yet.
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
        unsafe { B::init(self.state.get(), name.as_char_ptr(), class.as_ptr()) };
        // INVARIANT: Just initialised.
        self.stage.store(READY, Release);
    }

    /// Locks it. Gives nothing before it is initialised. May sleep if it is a mutex.
    pub fn lock(&'static self) -> Option<StaticGuard<T, B>> {
        if self.stage.load(Acquire) != READY {
            return None;
        }
        // SAFETY: By the invariant.
        let state = unsafe { B::lock(self.state.get()) };
        // INVARIANT: Just locked.
        Some(StaticGuard {
            lock: self,
            state,
            _thread: NotThreadSafe,
        })
    }
}

/// The guard of a [`StaticLock`].
///
/// # Invariants
///
/// The lock is held by this thread, and `state` is what taking it gave.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct StaticGuard<T: 'static, B: Backend + 'static> {
    lock: &'static StaticLock<T, B>,
    state: B::GuardState,
    _thread: NotThreadSafe,
}

impl<T, B: Backend> Deref for StaticGuard<T, B> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant nobody else gets at the data.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T, B: Backend> DerefMut for StaticGuard<T, B> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the invariant nobody else gets at the data.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T, B: Backend> Drop for StaticGuard<T, B> {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { B::unlock(self.lock.state.get(), &self.state) };
    }
}
