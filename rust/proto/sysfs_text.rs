// SPDX-License-Identifier: GPL-2.0

//! The text of the sysfs files: what the modules print and the tools read, and the other way.
//!
//! One definition for both ends. Byte for byte what the C modules printed and took, because
//! scripts and other people's tools read it too. What a number means is not judged here.

mod attach;
mod busid;
mod numbers;
mod scan;
mod status;

pub use attach::AttachLine;
pub use busid::{
    write_busids,
    BusId,
    MatchCommand, //
};
pub use numbers::{
    parse_debug_flags,
    parse_detach,
    parse_sockfd,
    parse_sockfd_any_base, //
};
pub use status::{
    parse_status,
    BadRow,
    HubSpeed,
    ParsedRow,
    PortState,
    RowState,
    StatusRow,
    STATUS_HEADER, //
};
