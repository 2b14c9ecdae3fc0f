// SPDX-License-Identifier: GPL-2.0

//! How long things have been waited for, without a clock for each of them.
//!
//! Somebody whose transfer is given up waits until it really ends, and cannot be interrupted: a
//! peer that never says that it has ended keeps a process, or the whole bus, for ever. A device may
//! take as long as it likes to answer a transfer, so that the transfers themselves say nothing.
//!
//! Waits are counted by the period in which they began, so that all of it takes the same few steps
//! however many there are.

/// Periods after which a wait is too long.
pub const PERIODS: u8 = 4;

/// Ages that are told apart: those of the current period, and those that saw one to
/// [`PERIODS`] of its ends.
const AGES: usize = 5;

/// A wait that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(u32);

/// What is waited for at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// How many periods have ended.
    period: u32,
    /// How many waits there are of each age; the last one is that age and all beyond.
    ages: [u32; AGES],
}

impl Waits {
    /// Nothing is waited for.
    pub const fn new() -> Self {
        Self {
            period: 0,
            ages: [0; AGES],
        }
    }

    /// A wait begins.
    #[must_use]
    pub fn begin(&mut self) -> Since {
        let since = Since(self.period);
        self.count(since, 1);
        since
    }

    /// A wait is over.
    pub fn end(&mut self, since: Since) {
        self.count(since, -1);
    }

    /// A period has ended. Says whether something has been waited for during [`PERIODS`] whole
    /// ones; that is one period more at the most.
    pub fn tick(&mut self) -> bool {
        let [newest, young, middle, old, oldest] = self.ages;
        let too_long = oldest > 0;
        self.ages = [0, newest, young, middle, old.saturating_add(oldest)];
        self.period = self.period.wrapping_add(1);
        too_long
    }

    /// Whether anything is waited for.
    #[inline]
    pub fn any(&self) -> bool {
        self.ages.iter().any(|count| *count > 0)
    }

    fn count(&mut self, since: Since, change: i32) {
        let age = usize::try_from(self.period.wrapping_sub(since.0)).unwrap_or(usize::MAX);
        if let Some(count) = self.ages.get_mut(age.min(AGES.saturating_sub(1))) {
            *count = count.saturating_add_signed(change);
        }
    }
}
