// SPDX-License-Identifier: GPL-2.0

//! Where a test and its threads wait for each other.

use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::{
        msecs_to_jiffies,
        Msecs, //
    }, //
};

/// A gate that is shut or open: who comes while it is shut waits.
#[pin_data]
pub(crate) struct Gate {
    #[pin]
    is_open: Mutex<bool>,
    #[pin]
    changed: CondVar,
}

impl Gate {
    /// A gate that is open or shut.
    pub(crate) fn new(open: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            is_open <- new_mutex!(open, "kunit::Gate"),
            changed <- new_condvar!("kunit::Gate"),
        })
    }

    /// Lets all pass who wait, and all who come. Sleeps.
    pub(crate) fn open(&self) {
        *self.is_open.lock() = true;
        self.changed.notify_all();
    }

    /// Shuts the gate. Sleeps.
    pub(crate) fn shut(&self) {
        *self.is_open.lock() = false;
    }

    /// Sleeps until the gate is open.
    pub(crate) fn wait(&self) {
        let mut is_open = self.is_open.lock();
        while !*is_open {
            self.changed.wait(&mut is_open);
        }
    }

    /// As [`wait`](Self::wait), but no longer than `limit` milliseconds. Gives whether the gate is open.
    pub(crate) fn wait_for(&self, limit: Msecs) -> bool {
        let mut left = msecs_to_jiffies(limit);
        let mut is_open = self.is_open.lock();
        while !*is_open {
            left = match self.changed.wait_interruptible_timeout(&mut is_open, left) {
                CondVarTimeoutResult::Woken { jiffies } => jiffies,
                CondVarTimeoutResult::Timeout | CondVarTimeoutResult::Signal { .. } => break,
            };
        }
        *is_open
    }
}
