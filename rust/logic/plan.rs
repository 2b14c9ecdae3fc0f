// SPDX-License-Identifier: GPL-2.0

//! What a header asks for, against what it may: the only place where lengths and counts from a
//! peer are judged.
//!
//! A plan says how much follows the header, so that the stream stays in step whatever is wrong with
//! the request. What cannot be followed is a [`Fault`], and ends the connection; anything else is
//! the trouble of one transfer only.

mod reply;
mod submit;

pub use reply::{
    plan_reply,
    Pending,
    ReplyPlan, //
};
pub use submit::{
    plan_submit,
    Limits,
    SubmitPlan,
    Transfer,
    Verdict, //
};

use core::fmt;

/// Why a stream can no longer be followed, or a peer no longer be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The length of data that would follow is negative.
    NegativeLength(i32),
    /// The number of packets is not one that can follow, or not the one that was submitted.
    PacketCount(i32),
}

impl Fault {
    /// Returns the reason as a text without the value.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NegativeLength(_) => "negative length",
            Self::PacketCount(_) => "bad number of packets",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NegativeLength(value) | Self::PacketCount(value)) = self;
        write!(f, "{} {value}", self.reason())
    }
}

impl core::error::Error for Fault {}
