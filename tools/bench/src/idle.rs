// SPDX-License-Identifier: GPL-2.0-or-later

//! Time for which the processor had nothing to do.
//!
//! With `--icount` the virtual clock counts instructions, and jumps over idle time: a transfer that
//! waits for a timer would cost what the timer says. So a thread of the lowest class fills the idle
//! time, and what it got is taken off.

use std::{
    sync::atomic::{
        AtomicBool,
        AtomicU64,
        Ordering, //
    },
    thread::{
        self,
        Thread, //
    },
    time::{
        Duration,
        Instant, //
    }, //
};

use usbip_user::scheduling::run_when_idle;

use crate::cases::Result;

/// Whether the thread is to fill the idle time.
static IS_ON: AtomicBool = AtomicBool::new(false);
/// Rounds of the thread.
static ROUNDS: AtomicU64 = AtomicU64::new(0);

/// How long to look for a time in which the processor has nothing to do.
const WINDOWS: usize = 1000;
/// How many short times in a row must say the same.
const ENOUGH: usize = 5;

/// Measures time without idle time.
pub(crate) struct Clock {
    thread: Thread,
    /// What a round of the thread takes. A whole number of instructions, and so of nanoseconds.
    round: u64,
}

/// When a measurement began.
pub(crate) struct Mark {
    at: Instant,
    rounds: u64,
}

impl Clock {
    /// Makes the thread, which never ends, and finds out how fast it is.
    pub(crate) fn new() -> Result<Self> {
        let thread = thread::spawn(|| {
            run_when_idle().expect("the idle class");
            loop {
                thread::park();
                while IS_ON.load(Ordering::Relaxed) {
                    ROUNDS.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        // What was just set up may still keep the processor busy.
        let mut clock = Self {
            thread: thread.thread().clone(),
            round: 0,
        };
        let mut same = 0;
        for _ in 0..WINDOWS {
            let round = clock.window();
            same = if round.is_some() && round == Some(clock.round) {
                same + 1
            } else {
                0
            };
            if same == ENOUGH {
                return Ok(clock);
            }
            clock.round = round.unwrap_or(0);
        }
        Err("the processor is never idle".into())
    }

    /// What a round of the thread takes, as far as a short time of waiting tells.
    fn window(&self) -> Option<u64> {
        let mark = self.start();
        thread::sleep(Duration::from_millis(5));
        let (elapsed, rounds) = Self::since(mark);
        elapsed.saturating_add(rounds / 2).checked_div(rounds)
    }

    /// Begins to measure.
    pub(crate) fn start(&self) -> Mark {
        IS_ON.store(true, Ordering::Relaxed);
        self.thread.unpark();
        Mark {
            rounds: ROUNDS.load(Ordering::Relaxed),
            at: Instant::now(),
        }
    }

    /// Ends it; gives the nanoseconds since `mark` in which the processor was busy.
    pub(crate) fn stop(&self, mark: Mark) -> u64 {
        let (elapsed, rounds) = Self::since(mark);
        elapsed.saturating_sub(rounds.saturating_mul(self.round))
    }

    /// Nanoseconds and rounds since `mark`.
    fn since(mark: Mark) -> (u64, u64) {
        let elapsed = nanoseconds(mark.at.elapsed());
        let rounds = ROUNDS.load(Ordering::Relaxed).wrapping_sub(mark.rounds);
        IS_ON.store(false, Ordering::Relaxed);
        (elapsed, rounds)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
