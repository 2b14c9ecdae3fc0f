// SPDX-License-Identifier: GPL-2.0

//! What a device controller decides when the device is made in software: which requests it answers
//! itself, how far a transfer of the host and a request of the device carry each other, when an
//! isochronous packet is due, and which endpoint is looked at next.
//!
//! Never sees a byte of data, and remembers nothing of an endpoint but its turn: whoever asks says
//! what there is.

mod control;
mod pace;
mod transfer;
mod turns;

pub use control::{
    decide,
    Answer,
    Feature,
    Features, //
};
pub use pace::{
    interval_ns,
    Pace,
    Packet, //
};
pub use transfer::{
    packet,
    step,
    Device,
    Host,
    PacketStep,
    Side,
    Step, //
};
pub use turns::Turns;
