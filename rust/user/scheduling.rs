// SPDX-License-Identifier: GPL-2.0-or-later

//! When threads run.

use std::io;

use crate::checked;

/// Lets the calling thread run only when no other wants to, `SCHED_IDLE` of sched(7).
///
/// # Errors
///
/// EPERM where a security module forbids it.
pub fn run_when_idle() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: The structure is valid, and is only read; 0 is the calling thread.
    checked(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) })?;
    Ok(())
}

/// Lets the calling thread run as soon as it wants to, before all usual ones, `SCHED_FIFO` of
/// sched(7).
///
/// # Errors
///
/// EPERM without the right to.
pub fn run_first() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: The structure is valid, and is only read; 0 is the calling thread.
    checked(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) })?;
    Ok(())
}
