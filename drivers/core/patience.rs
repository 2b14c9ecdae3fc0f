// SPDX-License-Identifier: GPL-2.0

//! When a peer has been silent for too long.
//!
//! Silence alone is no fault: a device may have nothing to say for days. It is one in the middle of
//! a PDU, where the receiving thread waits for the peer, and the sending one in the middle of a frame.
//! And it is one while somebody waits for the peer who cannot be interrupted: that is known to the
//! driver, whom the sending thread asks after each period. So a thread that only waits for something to
//! do needs no timer.

use kernel::time::Delta;

use usbip_kernel::time::{
    Moment,
    Span, //
};
use usbip_logic::waits::PERIODS;

use crate::params::stall_limit;

/// How often a connection looks whether its peer has stalled; nothing if it never does.
pub fn stall_period() -> Option<Delta> {
    stall_limit().map(|limit| Delta::from_millis(limit.as_millis() / i64::from(PERIODS)))
}

/// The limits of a connection, as they were when it was made.
struct Limits {
    /// How long the peer may stop in the middle of a PDU.
    silence: Span,
    /// The time between two looks.
    period: Delta,
    ticks: Span,
}

/// The clock of a thread that receives or sends.
pub(crate) struct Patience {
    limits: Option<Limits>,
    /// When the last bytes came, or went.
    heard: Moment,
    /// When the last period ended.
    ticked: Moment,
}

impl Patience {
    /// Begins to count.
    pub(crate) fn new() -> Self {
        let now = Moment::now();
        let limits = stall_limit().zip(stall_period());
        Self {
            limits: limits.map(|(silence, period)| Limits {
                silence: silence.into(),
                period,
                ticks: period.into(),
            }),
            heard: now,
            ticked: now,
        }
    }

    /// Begins to count anew.
    #[inline]
    pub(crate) fn restart(&mut self) {
        self.heard = Moment::now();
        self.ticked = self.heard;
    }

    /// The time between two looks; nothing if none is ever needed.
    #[inline]
    pub(crate) fn period(&self) -> Option<Delta> {
        self.limits.as_ref().map(|limits| limits.period)
    }

    /// The peer has said, or taken, something.
    #[inline]
    pub(crate) fn heard(&mut self) {
        self.heard = Moment::now();
    }

    /// Whether a peer that is in the middle of something has stopped there for too long.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.limits
            .as_ref()
            .is_some_and(|limits| self.heard.is_past(limits.silence))
    }

    /// Whether a period has ended since it was last said that one has.
    ///
    /// Periods are never shorter than they are to be, so that nobody is blamed too early.
    #[inline]
    pub(crate) fn has_ticked(&mut self) -> bool {
        let is_past = self
            .limits
            .as_ref()
            .is_some_and(|limits| self.ticked.is_past(limits.ticks));
        if is_past {
            self.ticked = Moment::now();
        }
        is_past
    }
}
