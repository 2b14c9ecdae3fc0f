// SPDX-License-Identifier: GPL-2.0

//! The receiving half of a connection: from the transport into the receiving machine.
//!
//! Small PDUs are read many at a time into a read-ahead buffer. The payload of a large one is read
//! straight to where it belongs; the read-ahead buffer then only ends the same read, so that what
//! follows it and the next header come along without calls of their own.

use kernel::{
    prelude::*, //
};

use usbip_kernel::{
    iovec::IoVecs,
    mem::zeroes, //
};
use usbip_logic::receive::Receiver;
use usbip_proto::HEADER_LEN;

use crate::{
    patience::Patience,
    transport::{
        Machine,
        Progress,
        Silence,
        Source, //
    },
    usbip_dbg,
    Fault,
    Receive, //
};

/// Bytes of the read-ahead buffer: one page, or eight PDUs with a full-size packet each.
const READ_AHEAD: usize = 4096;

/// Bytes of payload from which on a read of its own is cheaper than one more copy.
const LARGE: usize = 1024;

/// The receiving half of a connection, made before its thread.
pub(crate) struct Rx<R> {
    sink: R,
    receiver: Receiver,
    read_ahead: KVVec<u8>,
    parts: IoVecs,
    patience: Patience,
}

impl<R: Receive> Rx<R> {
    /// Allocates the buffers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(sink: R) -> Result<Self> {
        Ok(Self {
            sink,
            receiver: Receiver::new(),
            read_ahead: zeroes(READ_AHEAD)?,
            parts: IoVecs::new(),
            patience: Patience::new(),
        })
    }

    /// Lets the sink know of a period that has ended amid a PDU.
    fn tick(&mut self) {
        if self.patience.has_ticked() {
            self.sink.tick();
        }
    }
}

impl<R: Receive> Machine for Rx<R> {
    /// Reads once: payload to where it belongs if there is much of it, then some of what follows.
    fn step(&mut self, source: &mut dyn Source) -> Result<Progress, Fault> {
        let want = self.receiver.direct();
        let begins = self.receiver.at_boundary();
        let silence = if begins {
            Silence::Free
        } else {
            Silence::Counted
        };

        let is_last = self.sink.is_last();
        let mut parts = self.parts.read();
        let direct = if want >= LARGE {
            self.sink.space(&mut parts, want)?
        } else {
            0
        };
        // A large payload that belongs nowhere is skipped in as few reads as the buffer allows.
        let is_skipped = want > 0 && direct == 0;
        // After a large payload the next PDU is likely to have one too: only up to its header is read
        // ahead then, so that none of the payload has to be copied.
        let ahead = if self.receiver.wanted() >= LARGE && !is_skipped {
            let header = if is_last && direct == want {
                HEADER_LEN
            } else {
                0
            };
            self.receiver.ahead().saturating_sub(header).min(READ_AHEAD)
        } else {
            READ_AHEAD
        };
        let read_ahead = self.read_ahead.get_mut(..ahead).unwrap_or_default();
        parts.push(read_ahead).map_err(|_| Fault::NoMemory)?;
        let progress = source.receive(&mut parts, silence)?;

        let Progress::Bytes(count) = progress else {
            self.look()?;
            return Ok(progress);
        };
        usbip_dbg!(Xmit, "received {} bytes\n", count);
        let straight = count.min(direct);
        if straight > 0 {
            self.receiver.advance(straight, &mut self.sink)?;
        }
        let rest = count.saturating_sub(straight);
        let bytes = self.read_ahead.get(..rest).unwrap_or_default();
        self.receiver.feed(bytes, &mut self.sink)?;
        if begins || self.receiver.at_boundary() {
            // The peer's time for a PDU begins with it.
            self.patience.restart();
        } else {
            self.patience.heard();
            self.tick();
        }
        Ok(progress)
    }

    fn look(&mut self) -> Result<(), Fault> {
        if self.receiver.at_boundary() {
            return Ok(());
        }
        if self.patience.is_over() {
            return Err(Fault::Stalled);
        }
        self.tick();
        Ok(())
    }

    fn at_boundary(&self) -> bool {
        self.receiver.at_boundary()
    }
}
