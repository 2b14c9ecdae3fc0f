// SPDX-License-Identifier: GPL-2.0-or-later

//! What a case costs.

use std::{
    collections::{
        BTreeMap,
        HashSet, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    }, //
};

use crate::{
    cases::Result,
    count::Counters,
    idle::Clock, //
};

/// What was asked for on the command line.
pub(crate) struct Options {
    /// Whether to count events instead of time.
    pub(crate) count: bool,
    /// What the names of the cases must contain.
    pub(crate) only: String,
    /// The names of the cases, if not all are wanted.
    pub(crate) among: Option<HashSet<String>>,
    /// How many times as many transfers as usual are made.
    pub(crate) times: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            count: false,
            only: String::new(),
            among: None,
            times: 1,
        }
    }
}

/// Runs cases and prints what they cost.
pub(crate) struct Meter<'a> {
    options: &'a Options,
    clock: Clock,
    counters: Option<Counters>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Self> {
        Ok(Self {
            options,
            clock: Clock::new()?,
            counters: options.count.then(Counters::open).transpose()?,
        })
    }

    /// Whether a case is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let is_among = |names: &HashSet<String>| names.contains(name);
        name.contains(&self.options.only) && self.options.among.as_ref().is_none_or(is_among)
    }

    /// Lets `run` make so many transfers, a few first that do not count, and prints what one took.
    pub(crate) fn measure(
        &self,
        name: &str,
        amount: Amount,
        mut run: impl FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let Amount { bursts, each } = amount;
        run((bursts * each / 4).min(each))?;
        let each = each * self.options.times;
        let transfers = u64::try_from(bursts * each)?;
        let burst = || run(each);
        match &self.counters {
            Some(counters) => {
                for (what, count) in counted(counters, bursts, burst)? {
                    let hundredths = count * 100 / transfers;
                    println!(
                        "{name}\t{what}\t{}.{:02}",
                        hundredths / 100,
                        hundredths % 100
                    );
                }
            }
            None => println!("{name}\tns\t{}", self.timed(bursts, burst)? / transfers),
        }
        Ok(())
    }

    /// Nanoseconds in which the processor was busy with the bursts.
    fn timed(&self, bursts: usize, mut burst: impl FnMut() -> Result<()>) -> Result<u64> {
        let mut busy = 0;
        for pause in pauses(bursts) {
            thread::sleep(pause);
            let mark = self.clock.start();
            burst()?;
            busy += self.clock.stop(mark);
        }
        Ok(busy)
    }

    /// As [`Meter::measure`], but prints how long a transfer takes, also where the processor waits.
    pub(crate) fn measure_with_waiting(
        &self,
        name: &str,
        count: usize,
        mut run: impl FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        if !self.wants(name) || self.counters.is_some() {
            return Ok(());
        }
        run(count / 4)?;
        let count = count * self.options.times;
        let began = Instant::now();
        run(count)?;
        let elapsed = began.elapsed().as_nanos();
        println!("{name}\telapsed\t{}", elapsed / u128::try_from(count)?);
        Ok(())
    }
}

/// How many transfers tell enough, and how many of them are made without a pause.
///
/// Where several transfers are under way, the threads fall into one of several rhythms of who is woken after how many
/// of them, and stay in it. A burst falls into one anew, so that a case shows the mean of them, not the one that
/// whatever ran before it led to.
#[derive(Clone, Copy)]
pub(crate) struct Amount {
    bursts: usize,
    each: usize,
}

impl Amount {
    /// So many transfers, one after the other.
    pub(crate) fn in_turn(count: usize) -> Self {
        Self {
            bursts: 1,
            each: count,
        }
    }

    /// Of transfers of which several are under way, eight times as many as if each waited for the other: so many that
    /// how a burst begins and ends is little of it.
    pub(crate) fn together(count: usize) -> Self {
        Self {
            bursts: 16,
            each: count / 2,
        }
    }
}

/// The pauses before bursts, so that each begins at another time between two ticks of the scheduler.
fn pauses(bursts: usize) -> impl Iterator<Item = Duration> {
    const LONGER: Duration = Duration::from_micros(1313);
    (1..).take(bursts).map(|burst| LONGER * burst)
}

/// How often what is counted happened during the bursts.
fn counted(
    counters: &Counters,
    bursts: usize,
    mut burst: impl FnMut() -> Result<()>,
) -> Result<BTreeMap<&'static str, u64>> {
    let mut counts = BTreeMap::new();
    for pause in pauses(bursts) {
        thread::sleep(pause);
        let before = counters.read()?;
        burst()?;
        let after = counters.read()?;
        for ((what, before), (_, after)) in before.into_iter().zip(after) {
            *counts.entry(what).or_default() += after - before;
        }
    }
    Ok(counts)
}
