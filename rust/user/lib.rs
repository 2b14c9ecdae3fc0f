// SPDX-License-Identifier: GPL-2.0-or-later

//! What the tools ask of the kernel by calls that no library wraps. They have no unsafe code of
//! their own: what they need is here, as types that cannot be used wrongly.
//!
//! * [`usbfs`]: transfers of a USB device, many at a time and without copying
//! * [`ux`]: `/dev/usbip-ux`, the kernel's side of a connection that a program carries
//! * [`perf`]: counters of the kernel's events
//! * [`scheduling`]: the class of threads that run when nothing else does

#![deny(clippy::undocumented_unsafe_blocks)]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod perf;
pub mod scheduling;
pub mod usbfs;
pub mod ux;

use std::io;

/// The result of a system call.
fn checked<T: PartialOrd + From<i8>>(result: T) -> io::Result<T> {
    if result < T::from(0) {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
