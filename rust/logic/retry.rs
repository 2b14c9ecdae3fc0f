// SPDX-License-Identifier: GPL-2.0

//! Telling who looks for another port from who does not.
//!
//! Who is told that a port is in use is to look at the tables again. The stock tool keeps the table that it read
//! first, and asks for the same port for ever. Nobody who works asks for the very same so often without a pause, so
//! from then on it is helped.

/// How often the same is asked for before that counts as not looking.
const PATIENCE: u32 = 100;

/// Milliseconds after which one who asks again has not been asking all the time.
const PAUSE: u64 = 1000;

/// How many are told apart; if there are more, they are helped later.
const ASKERS: usize = 8;

/// One who was told that a port is in use.
#[derive(Clone, Copy, Debug)]
struct Asker<T> {
    what: T,
    times: u32,
    last: u64,
}

/// Who was told that a port is in use, and how often.
#[derive(Debug)]
pub struct Retries<T> {
    askers: [Option<Asker<T>>; ASKERS],
}

impl<T: Copy + PartialEq> Retries<T> {
    /// Makes one that knows of nobody.
    pub const fn new() -> Self {
        Self {
            askers: [None; ASKERS],
        }
    }

    /// Notes that who asks for `what` is refused, at `now` in milliseconds; says whether it is to be helped.
    pub fn refused(&mut self, what: T, now: u64) -> bool {
        let mut asker = Asker {
            what,
            times: 0,
            last: now,
        };
        // Its own place, or a free one, or that of the one who has been silent for longest.
        let mut place = None;
        let mut oldest = u64::MAX;
        for slot in &mut self.askers {
            let last = match slot {
                Some(known) if known.what == what => {
                    if now.saturating_sub(known.last) <= PAUSE {
                        asker.times = known.times;
                    }
                    place = Some(slot);
                    break;
                }
                Some(known) => known.last.saturating_add(1),
                None => 0,
            };
            if last < oldest {
                oldest = last;
                place = Some(slot);
            }
        }
        asker.times = asker.times.saturating_add(1);
        let help = asker.times > PATIENCE;
        if let Some(slot) = place {
            // Whoever is helped does not ask again.
            *slot = (!help).then_some(asker);
        }
        help
    }
}

impl<T: Copy + PartialEq> Default for Retries<T> {
    fn default() -> Self {
        Self::new()
    }
}
