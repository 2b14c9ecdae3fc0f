// SPDX-License-Identifier: GPL-2.0

//! Waking a thread when there is work.
//!
//! It must never carry data: what there is to do is found under the lock that protects it.

use kernel::{
    prelude::*,
    sync::atomic::{
        AtomicFlag,
        Full, //
    }, //
};

use crate::{
    kthread::ShouldStop,
    sleeper::Sleeper, //
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
    #[inline]
    pub fn take(&self) -> bool {
        self.raised.xchg(false, Full)
    }
}
