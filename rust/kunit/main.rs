// SPDX-License-Identifier: GPL-2.0

//! usbip-kunit: unit tests of what needs a kernel to be tested, which is the abstraction crates.
//!
//! Built only for kernels with KUnit; loading it runs all suites. tests/vm/kunit.sh reads what they
//! said.

#![crate_name = "usbip_kunit"]
#![forbid(unsafe_code)]

mod alarm;
mod board;
mod context;
mod desk;
mod device;
mod gadget;
mod gate;
mod host;
mod inbox;
mod iovec;
mod irqlock;
mod kthread;
mod limits;
mod param;
mod platform;
mod queue;
mod signal;
mod urb;

use kernel::prelude::*;

module! {
    type: Suites,
    name: "usbip_kunit",
    authors: ["The USB/IP in Rust authors"],
    description: "USB/IP unit tests",
    license: "GPL",
}

/// The suites are found by KUnit, in a section of their own.
struct Suites;

impl kernel::Module for Suites {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
