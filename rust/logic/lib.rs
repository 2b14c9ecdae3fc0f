// SPDX-License-Identifier: GPL-2.0

//! The decisions of USB/IP: what a peer may ask for, and what is done about it.
//!
//! Sans-IO: values in, decisions out. The modules carry them out, and tests drive them with
//! whatever a peer, a user or a clock may come up with.
//!
//! This crate never does I/O, never allocates, never panics, takes no lock, and reads no clock.

#![crate_name = "usbip_logic"]
#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod attach;
pub mod budget;
pub mod busid;
pub mod gadget;
pub mod iso;
pub mod late;
pub mod overtaken;
pub mod plan;
pub mod receive;
pub mod requests;
pub mod retry;
pub mod roothub;
pub mod seqmap;
pub mod shelf;
pub mod ux;
pub mod waits;
