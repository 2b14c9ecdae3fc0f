// SPDX-License-Identifier: GPL-2.0

//! Waking a thread when there is work ([`Signal`]), and waiting until something has happened
//! ([`Gate`]).
//!
//! It must never carry data: what there is to do is found under the lock that protects it.

use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        AtomicFlag,
        Full, //
    },
    task::MAX_SCHEDULE_TIMEOUT,
    time::Delta, //
};

use crate::{
    kthread::ShouldStop,
    sleeper::Sleeper,
    time::jiffies,
    waitq::{
        Sleep,
        WaitQueue, //
    }, //
};

/// A flag that one thread sleeps on and anybody raises.
///
/// Raising is sticky and does not count: any number of raises before the wait make one wait return
/// at once. What was written before a raise is seen by the thread after the wait that consumes it.
#[pin_data]
pub struct Signal {
    raised: AtomicFlag,
    #[pin]
    sleeper: Sleeper,
}

impl Signal {
    /// A signal that is not raised.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            raised: AtomicFlag::new(false),
            sleeper <- Sleeper::new(),
        })
    }

    /// Raises the signal and wakes the thread that waits. Any context, also with interrupts off.
    ///
    /// Costs one atomic operation when it is raised already or the thread is busy.
    #[inline]
    pub fn raise(&self) {
        // Who raised it first wakes; the thread cannot have missed that, as it has not consumed the
        // flag yet.
        if !self.raised.xchg(true, Full) {
            self.sleeper.wake();
        }
    }

    /// Sleeps until the signal is raised, and lowers it. May sleep.
    ///
    /// Gives false when the thread has been asked to stop: the caller must then leave its loop, as
    /// no later wait will sleep.
    #[must_use]
    #[inline]
    pub fn wait(&self, stop: &ShouldStop) -> bool {
        let mut raised = false;
        self.sleeper.wait(|| {
            if stop.get() {
                return true;
            }
            raised = self.take();
            raised
        });
        raised
    }

    /// Lowers the signal. Gives whether it was raised. Any context.
    pub fn take(&self) -> bool {
        self.raised.xchg(false, Full)
    }
}

/// A gate that is shut or open: who comes while it is shut waits, and cannot be interrupted.
///
/// What was written before [`open`](Self::open) is seen by whoever passes.
#[pin_data]
#[doc(alias = "completion")]
pub struct Gate {
    open: AtomicFlag,
    #[pin]
    queue: WaitQueue,
}

impl Gate {
    /// A gate that is open or shut.
    pub fn new(open: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            open: AtomicFlag::new(open),
            queue <- WaitQueue::new(),
        })
    }

    /// Opens the gate and lets all waiters pass. Any context.
    pub fn open(&self) {
        if !self.open.xchg(true, Full) {
            self.queue.wake();
        }
    }

    /// Shuts the gate. Any context. A waiter that was woken by an [`open`](Self::open) but has not
    /// run yet waits on.
    pub fn shut(&self) {
        self.open.xchg(false, Full);
    }

    /// Whether the gate is open. Any context.
    pub fn is_open(&self) -> bool {
        self.open.load(Acquire)
    }

    /// Sleeps until the gate is open. May sleep, and is reported as hung after the kernel's limit.
    #[inline]
    pub fn wait(&self) {
        self.queue
            .wait(Sleep::Uninterruptible, MAX_SCHEDULE_TIMEOUT, || {
                self.is_open()
            });
    }

    /// As [`wait`](Self::wait), but no longer than `limit`. Gives whether the gate is open. May
    /// sleep.
    #[must_use]
    pub fn wait_for(&self, limit: Delta) -> bool {
        self.queue
            .wait(Sleep::Uninterruptible, jiffies(limit), || self.is_open())
    }
}
