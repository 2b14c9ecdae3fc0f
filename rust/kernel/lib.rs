// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate lacks, for any driver: the one place where the differences between kernel
//! versions live.
//!
//! It must never hold policy: no protocol, no device, no name that a user sees.
//!
//! Everything here is safe to use from a crate that forbids unsafe code, the macros too. What a
//! type registered with the kernel, it owns: dropping it takes the registration back and waits for
//! callbacks that still run. Drops that sleep say so; such values must not be reachable from a
//! completion.

#![crate_name = "usbip_kernel"]
#![deny(clippy::undocumented_unsafe_blocks)]

pub mod alarm;
pub mod bh;
#[doc(hidden)]
pub mod bindings;
pub mod chardev;
pub mod desk;
pub mod errno;
pub mod iovec;
pub mod irqlock;
pub mod kthread;
pub mod loan;
pub mod lock_name;
pub mod mem;
pub mod modinfo;
pub mod module_ref;
pub mod net;
pub mod nospec;
pub mod outlive;
pub mod param;
pub mod platform;
pub mod process_group;
pub mod queue;
pub mod ratelimit;
pub mod signal;
pub(crate) mod sleeper;
pub mod static_lock;
pub mod sysfs;
pub mod time;
pub mod trace;
pub mod user_bytes;
pub mod waitq;

/// What this crate's own messages begin with: the module that it is linked into.
const __LOG_PREFIX: &[u8] = b"usbip_core\0";

/// For the macros of this crate.
#[doc(hidden)]
pub mod private {
    pub use core;
    pub use kernel;
}
