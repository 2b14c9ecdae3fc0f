// SPDX-License-Identifier: GPL-2.0

//! The USB/IP wire format and the text of its sysfs files, as types.
//!
//! Everything that crosses the network or a sysfs file is written down here once: the kernel
//! modules, the user space tools and the tests encode and decode with the same code.
//!
//! This crate never does I/O, never allocates, never panics, and decides nothing: what a peer may
//! ask for is judged by `usbip_logic`.

#![crate_name = "usbip_proto"]
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

mod endpoint;
mod flags;
mod header;
mod id;
mod iso;
pub mod op;
mod pdu;
mod speed;
mod status;
pub mod sysfs_text;

pub use endpoint::{
    Direction,
    EndpointNumber,
    TransferKind, //
};
pub use flags::TransferFlags;
pub use header::HEADER_LEN;
pub use id::{
    DevId,
    Seqnum, //
};
pub use iso::{
    IsoPacket,
    ISO_DESC_LEN,
    MAX_ISO_PACKETS, //
};
pub use pdu::{
    CmdSubmit,
    CmdUnlink,
    DecodeError,
    Reply,
    Request,
    RetSubmit,
    RetUnlink, //
};
pub use speed::Speed;
pub use status::Status;

/// The TCP port of the exporting side, as registered with IANA.
pub const TCP_PORT: u16 = 3240;

/// The protocol version that every management PDU starts with.
pub const VERSION: u16 = 0x0111;
