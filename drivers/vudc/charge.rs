// SPDX-License-Identifier: GPL-2.0

//! What the requests of a connection may take up: those for the device, and apart from them answers without a transfer,
//! so that a peer which does not read its answers cannot use up what its transfers need.

use usbip_logic::budget::{
    Budget,
    Share, //
};

/// The most transfers that a connection may have at a time.
///
/// An unlink looks through all of them, with interrupts off.
const MAX_TRANSFERS: usize = 4096;

/// What answers without a transfer may take up. A peer that does not read its answers is disconnected.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The most answers without a transfer.
const MAX_ANSWERS: usize = 16384;

/// What was counted for a request, and among which. To be given back with [`Account::give`].
#[must_use = "what is not given back is lost to the connection"]
pub(crate) enum Charge {
    /// It is a transfer for the device.
    Transfer(Share),
    /// It is only an answer.
    Answer(Share),
}

/// What may still be taken up.
pub(crate) struct Account {
    transfers: Budget,
    answers: Budget,
}

impl Account {
    /// Of no connection.
    pub(crate) const CLOSED: Self = Self {
        transfers: Budget::new(0, 0),
        answers: Budget::new(0, 0),
    };

    /// Of a new connection, whose transfers may take up so many bytes.
    pub(crate) const fn new(bytes: usize) -> Self {
        Self {
            transfers: Budget::new(bytes, MAX_TRANSFERS),
            answers: Budget::new(MAX_ANSWER_BYTES, MAX_ANSWERS),
        }
    }

    /// Counts a transfer; `None` if it is too much.
    pub(crate) fn take_transfer(&mut self, bytes: usize) -> Option<Charge> {
        self.transfers.take(bytes).map(Charge::Transfer)
    }

    /// Counts an answer without a transfer; `None` if it is too much.
    pub(crate) fn take_answer(&mut self, bytes: usize) -> Option<Charge> {
        self.answers.take(bytes).map(Charge::Answer)
    }

    /// Takes back what was counted.
    pub(crate) fn give(&mut self, charge: Charge) {
        match charge {
            Charge::Transfer(share) => self.transfers.give(share),
            Charge::Answer(share) => self.answers.give(share),
        }
    }
}
