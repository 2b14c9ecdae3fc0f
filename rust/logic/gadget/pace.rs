// SPDX-License-Identifier: GPL-2.0

//! When isochronous packets are due.
//!
//! The device paces itself: one packet each interval, whatever the network does. Packets that the
//! network held up move at once; what was not there in time is not made up for.

/// The length of a microframe.
const MICROFRAME_NS: u64 = 125_000;

/// The length of a frame.
const FRAME_NS: u64 = 1_000_000;

/// The largest value of `bInterval` for isochronous endpoints (USB 2.0 table 9-13).
const MAX_INTERVAL: u8 = 16;

/// How far behind its time an endpoint may be and still catch up: longer than threads are held up
/// on a busy machine, shorter than what a listener would take for a pause.
const CATCH_UP_NS: u64 = 200_000_000;

/// Returns the time between two packets of an isochronous endpoint with that `bInterval`.
pub fn interval_ns(interval: u8, full_speed: bool) -> u64 {
    let unit = if full_speed { FRAME_NS } else { MICROFRAME_NS };
    let exponent = interval.clamp(1, MAX_INTERVAL).saturating_sub(1);
    unit.saturating_mul(1_u64.checked_shl(exponent.into()).unwrap_or(1))
}

/// Whether a packet is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet {
    /// It is, and counts as moved.
    Due,
    /// Not before that time.
    At(u64),
}

/// The clock of one isochronous endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pace {
    /// When the next packet is due; `None` before the first one.
    next: Option<u64>,
}

impl Pace {
    /// Starts before the first packet.
    pub const fn new() -> Self {
        Self { next: None }
    }

    /// Asks for the next packet at the time `now`, with so much time between packets.
    ///
    /// Packets of one frame move together, at its beginning: that is as fine as the clock is.
    pub fn packet(&mut self, now: u64, interval: u64) -> Packet {
        let next = match self.next {
            // The host stopped, and begins anew.
            Some(next) if next.saturating_add(CATCH_UP_NS) < now => now,
            Some(next) => next,
            None => now,
        };
        if next >= now.saturating_add(FRAME_NS) {
            self.next = Some(next);
            return Packet::At(next);
        }
        self.next = Some(next.saturating_add(interval));
        Packet::Due
    }
}
