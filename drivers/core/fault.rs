// SPDX-License-Identifier: GPL-2.0

//! Why a connection ends.
//!
//! A [`Fault`] is about the whole connection. What goes wrong with a single URB is a
//! [`Status`](usbip_proto::Status) that travels to its owner, and never a fault.

use kernel::{
    error::Error,
    fmt, //
};

/// The reason for which a connection ends.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The peer closed the connection between two PDUs.
    Closed,
    /// The peer closed the connection in the middle of a PDU.
    Truncated,
    /// The peer broke the protocol in a way that leaves the stream out of step.
    Peer(&'static str),
    /// The socket failed.
    Transport(Error),
    /// Nothing moved for the stall timeout, with a PDU half sent or half received.
    Stalled,
    /// The peer was asked to give up a transfer, and did not say for the stall timeout that it has.
    Unanswered,
    /// Memory that the connection itself cannot do without was not to be had.
    NoMemory,
    /// The device was put to sleep while it was used.
    Asleep,
    /// The local side asked for it: `detach`, `-1` in `usbip_sockfd`, or a driver that goes away.
    Local,
}

impl Fault {
    /// Whether this is an ordinary end, which nobody has to be warned of.
    pub fn is_orderly(&self) -> bool {
        matches!(self, Self::Closed | Self::Asleep | Self::Local)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("connection closed"),
            Self::Truncated => f.write_str("connection closed in the middle of a PDU"),
            Self::Peer(what) => write!(f, "protocol violation by the peer: {what}"),
            Self::Transport(error) => write!(f, "socket failed: {error:?}"),
            Self::Stalled => f.write_str("the peer stopped in the middle of a PDU"),
            Self::Unanswered => f.write_str("the peer left an unlink unanswered"),
            Self::NoMemory => f.write_str("out of memory"),
            Self::Asleep => f.write_str("the device went to sleep"),
            Self::Local => f.write_str("disconnected"),
        }
    }
}
