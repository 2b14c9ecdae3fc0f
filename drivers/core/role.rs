// SPDX-License-Identifier: GPL-2.0

//! What a driver brings to a session: how it receives, what it sends, how it cleans up.
//!
//! The traits are split by context. What an object of a trait may do follows from who holds it:
//! [`Receive`] belongs to the rx thread, [`Transmit`] to the tx thread, [`Role`] to the session.
//! All of them run in process context and may sleep; what runs in completions is the drivers' own
//! and never holds a session.

use kernel::{
    fmt,
    prelude::*, //
};

use usbip_kernel::{
    iovec::{
        ReadVec,
        WriteVec, //
    },
    signal::Signal,
    trace, //
};
use usbip_logic::receive::Sink;

use crate::Fault;

/// One end of a USB/IP connection: a device that is exported, or a port that imports one.
pub trait Role: Send + Sync + Sized + 'static {
    /// The name of the receiving thread, as `ps` shows it.
    const RX: &'static CStr;
    /// The name of the sending thread, as `ps` shows it.
    const TX: &'static CStr;
    /// Which side this is, for tracing.
    const TRACE: trace::Role;

    /// What it sends.
    type Transmit: Transmit;

    /// Raised by whoever queues something to send; the tx thread waits for it.
    fn output(&self) -> &Signal;

    /// Gives back everything that belongs to the connection that has just ended.
    ///
    /// Both threads have ended before, and no other connection begins until [`Role::reset`] has
    /// returned.
    fn closed(&self);

    /// Makes the device usable for the next connection.
    ///
    /// # Errors
    ///
    /// Any error makes the session [`Unusable`](crate::SessionState::Unusable): it accepts no more
    /// connections.
    fn reset(&self) -> Result;

    /// Writes the name that log lines begin with, such as a bus ID.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// The devid of the device that is shared, 0 if there is none, for tracing.
    fn devid(&self) -> u32;
}

/// The receiving side of one connection, fed by the rx thread.
pub trait Receive: Sink<Error = Fault> + Send + 'static {
    /// Puts where the next `want` bytes of payload belong into `parts`, in order.
    ///
    /// Returns for how many bytes there is room; the rest comes through [`Sink::data`].
    ///
    /// # Errors
    ///
    /// [`Fault::NoMemory`] if `parts` cannot grow.
    fn space<'a>(&'a mut self, parts: &mut ReadVec<'a>, want: usize) -> Result<usize, Fault>;

    /// Whether nothing is expected behind the PDU whose payload is being received, so that nothing need be read ahead.
    fn is_last(&self) -> bool {
        false
    }

    /// A period of the stall timeout has ended, of which it has
    /// [`PERIODS`](usbip_logic::waits::PERIODS), in the middle of a PDU.
    fn tick(&mut self) {}
}

/// What [`Transmit::gather`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// There is something to send, and more behind it.
    Part,
    /// There is something to send, and that is all for now.
    All,
    /// Nothing is queued.
    Empty,
}

/// The sending side of one connection, drained by the tx thread, or by who has queued something; by
/// one of them at a time.
pub trait Transmit: Send + 'static {
    /// Takes what is queued, up to a bounded batch.
    ///
    /// # Errors
    ///
    /// A fault ends the connection.
    fn gather(&mut self) -> Result<Fill, Fault>;

    /// Puts what the last [`Transmit::gather`] took into `frame`; more than once if it cannot be sent
    /// at once.
    ///
    /// # Errors
    ///
    /// [`Fault::NoMemory`] if `frame` cannot grow.
    fn frame<'a>(&'a self, frame: &mut WriteVec<'a>) -> Result<(), Fault>;

    /// Lets go of what the last [`Transmit::gather`] took: it has been sent.
    ///
    /// Not called if sending failed; what was taken is then let go of by dropping `self`, or by
    /// [`Role::closed`].
    ///
    /// # Errors
    ///
    /// A fault ends the connection.
    fn sent(&mut self) -> Result<(), Fault>;

    /// Whether [`Transmit::tick`] is to be called also while nothing is queued, as far as was seen by
    /// the last call of any other method.
    fn needs_ticks(&self) -> bool {
        false
    }

    /// A period of the stall timeout has ended, of which it has
    /// [`PERIODS`](usbip_logic::waits::PERIODS): says whether somebody who cannot be interrupted
    /// has waited for the peer for all of that time.
    fn tick(&mut self) -> bool {
        false
    }
}
