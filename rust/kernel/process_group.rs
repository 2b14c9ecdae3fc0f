// SPDX-License-Identifier: GPL-2.0

//! Process groups, told apart as the kernel does: by what they are, not by a number that another
//! namespace may use for another group.
//!
//! It must never give access to the processes.

use core::ptr::NonNull;

use kernel::{
    bindings,
    prelude::*, //
};

/// A process group. The identity stays taken for as long as this lives.
///
/// # Invariants
///
/// We own a reference to the `struct pid`.
pub struct ProcessGroup(NonNull<bindings::pid>);

// SAFETY: A `struct pid` may be used from any thread.
unsafe impl Send for ProcessGroup {}
// SAFETY: As above.
unsafe impl Sync for ProcessGroup {}

impl ProcessGroup {
    /// The group of the calling process.
    ///
    /// # Errors
    ///
    /// `ESRCH` if the process is about to be gone.
    #[doc(alias = "task_pgrp")]
    pub fn of_current() -> Result<Self> {
        // SAFETY: `current` is always alive. The function takes a reference to what it gives.
        let pid = unsafe {
            bindings::get_task_pid(
                kernel::task::Task::current_raw(),
                bindings::pid_type_PIDTYPE_PGID,
            )
        };
        // INVARIANT: The reference is the one that was just taken.
        NonNull::new(pid).map(Self).ok_or(ESRCH)
    }
}

impl PartialEq for ProcessGroup {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ProcessGroup {}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: By the invariant, and nobody uses our reference after this.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}
