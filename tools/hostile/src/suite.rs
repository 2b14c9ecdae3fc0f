// SPDX-License-Identifier: GPL-2.0-or-later

//! Named tests, and what they have in common.

use std::{
    env,
    error::Error,
    fmt,
    fs::{
        self,
        File,
        OpenOptions, //
    },
    hint,
    io::{
        ErrorKind,
        Read, //
    },
    ops::RangeInclusive,
    os::unix::fs::OpenOptionsExt,
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use crate::Settings;

/// What a test ends with; the text says what went wrong.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long anything may take, on a machine that has a lot to do. A hang is a failure.
///
/// `PATIENCE` in the environment says how many times as long: the debug kernel needs more.
pub(crate) fn patience() -> Duration {
    let times = env::var("PATIENCE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(60).saturating_mul(times.unwrap_or(1))
}

/// A named test.
pub(crate) struct Test<C> {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut C) -> Result,
}

/// How all of them ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
}

/// Makes a list of tests of functions, whose names are those of the tests.
#[macro_export]
macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$($crate::suite::Test { name: stringify!($name), run: $module::$name }),*]
    };
}

/// A test cannot be run here; what is lacking. That is a failure, unless whoever runs the tests says that it may be.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) &'static str);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {}", self.0)
    }
}

impl Error for Skip {}

/// Fails with the words that are part of no test's name: a test that was given another name would be left out
/// silently.
pub(crate) fn select(words: &[&str], names: impl Iterator<Item = &'static str> + Clone) -> Result {
    let unknown: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !names.clone().any(|name| name.contains(word)))
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(format!("no test with {} in its name", unknown.join(", ")).into())
    }
}

/// Runs the tests whose names contain one of the words. After each one, `settle` sees to it that
/// all is as before, which includes that a well-behaved peer is served.
pub(crate) fn run<C>(
    what: &str,
    tests: &[Test<C>],
    words: &[&str],
    settings: &Settings,
    context: &mut C,
    settle: fn(&mut C) -> Result,
) -> Outcome {
    let mut outcome = Outcome::Passed;
    let without: Vec<&str> = settings.list("without").collect();
    let expected = |error: &(dyn Error + 'static)| {
        let skip = error.downcast_ref::<Skip>();
        skip.is_some_and(|Skip(lacking)| without.contains(lacking))
    };
    for test in tests {
        if !words.is_empty() && !words.iter().any(|word| test.name.contains(word)) {
            continue;
        }
        let started = Instant::now();
        let result = (test.run)(context)
            .and_then(|()| settle(context).map_err(|error| format!("afterwards: {error}").into()));
        match result {
            Ok(()) => {
                let seconds = started.elapsed().as_secs_f32();
                println!("ok {what} {} ({seconds:.1} s)", test.name);
            }
            Err(error) if expected(error.as_ref()) => {
                println!("# skipped {what} {}: {error}", test.name);
                if let Err(error) = settle(context) {
                    println!("not ok {what} {} (afterwards: {error})", test.name);
                    outcome = Outcome::Failed;
                }
            }
            Err(error) => {
                println!("not ok {what} {} ({error})", test.name);
                outcome = Outcome::Failed;
                // So that one failure is one failure.
                if let Err(error) = settle(context) {
                    println!("# {error}");
                }
            }
        }
    }
    outcome
}

/// Fails with a text unless the values are the same.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, wanted: T, got: T) -> Result {
    if wanted == got {
        Ok(())
    } else {
        Err(format!("{what}: want {wanted:?}, got {got:?}").into())
    }
}

/// Fails with a text unless the condition holds.
pub(crate) fn ensure(what: &str, holds: bool) -> Result {
    if holds {
        Ok(())
    } else {
        Err(what.into())
    }
}

/// Waits until the condition holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) -> Result {
    let patience = patience();
    let end = Instant::now() + patience;
    while !holds() {
        if Instant::now() > end {
            return Err(format!("not within {} s: {what}", patience.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Finds by how much one of two things has to begin earlier for both to end at the same time, on a machine that is
/// busy now and then: rounds that are played with it end in either way.
pub(crate) struct Race {
    lead: i64,
    step: i64,
    last: Option<bool>,
    won: u32,
    lost: u32,
}

impl Race {
    /// Microseconds by which what is sought is changed at least.
    const FINEST: i64 = 10;
    /// The most by which it is changed, so that one round that took long does not lose many others.
    const COARSEST: i64 = 5_000;

    pub(crate) fn new() -> Self {
        Self {
            lead: 0,
            step: Self::FINEST,
            last: None,
            won: 0,
            lost: 0,
        }
    }

    /// Begins the two things in their order; `one` first unless its lead is less than nothing.
    pub(crate) fn run<C>(
        &self,
        context: &mut C,
        one: fn(&mut C) -> Result,
        other: fn(&mut C) -> Result,
    ) -> Result {
        let (first, second) = if self.lead < 0 {
            (other, one)
        } else {
            (one, other)
        };
        first(context)?;
        Self::pause(self.lead.unsigned_abs());
        second(context)
    }

    /// Whether the first of them has to begin earlier.
    pub(crate) fn has_head_start(&self) -> bool {
        self.lead > 0
    }

    /// Begins the first of them by its lead earlier.
    pub(crate) fn head_start(&self, begin: impl FnOnce() -> Result) -> Result {
        begin()?;
        Self::pause(self.lead.unsigned_abs());
        Ok(())
    }

    /// Sleeping takes longer than that.
    fn pause(micros: u64) {
        let end = Instant::now() + Duration::from_micros(micros);
        while Instant::now() < end {
            hint::spin_loop();
        }
    }

    /// Takes note of whether the first of them won.
    pub(crate) fn ended(&mut self, won: bool) {
        let step = match self.last.replace(won) {
            Some(last) if last == won => self.step * 2,
            _ => Self::FINEST,
        };
        self.step = step.min(Self::COARSEST);
        if won {
            self.won += 1;
            self.lead -= self.step;
        } else {
            self.lost += 1;
            self.lead += self.step;
        }
    }

    /// Both must have won at least once.
    pub(crate) fn was_one(&self) -> Result {
        let Self { won, lost, .. } = self;
        ensure(
            &format!("always the same outcome: {won} won, {lost} lost"),
            *won > 0 && *lost > 0,
        )
    }
}

/// The kernel's messages from a moment on.
pub(crate) struct Messages(File);

impl Messages {
    /// Those from now on.
    pub(crate) fn from_now() -> Result<Self> {
        const O_NONBLOCK: i32 = 0o4000;
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open("/dev/kmsg")?;
        let mut buffer = [0; 8192];
        loop {
            match file.read(&mut buffer) {
                Ok(_) => {}
                // The buffer was overwritten meanwhile.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Self(file)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many there are by now.
    pub(crate) fn count(&mut self) -> Result<usize> {
        let mut count = 0;
        let mut buffer = [0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(_) => count += 1,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Err("more messages than the kernel's log holds".into())
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Lets allocations below functions of the modules fail at random while it exists, with so many percent. Needs a kernel
/// with FAULT_INJECTION.
pub(crate) struct FailingAllocations;

impl FailingAllocations {
    const FOLDER: &'static str = "/sys/kernel/debug/failslab";
    /// The kernel counts down from this with each failure.
    const MOST: u32 = 100_000_000;

    pub(crate) fn begin(modules: &[&str], percent: u32) -> Result<Self> {
        if fs::metadata(Self::FOLDER).is_err() {
            return Err(Skip("failslab").into());
        }
        // All others need their memory: the tester's threads cannot even end without, nor can the machine.
        let code = code_of(modules)?;
        for (name, value) in [
            ("probability", "0"),
            ("require-start", &format!("{:#x}", code.start())),
            ("require-end", &format!("{:#x}", code.end())),
            ("stacktrace-depth", "32"),
            ("interval", "1"),
            ("times", &Self::MOST.to_string()),
            ("verbose", "0"),
            ("task-filter", "N"),
            ("ignore-gfp-wait", "N"),
            ("probability", &percent.to_string()),
        ] {
            fs::write(format!("{}/{name}", Self::FOLDER), value)?;
        }
        Ok(Self)
    }

    /// Ends it, and says how many allocations have failed: a test in which none did shows nothing.
    pub(crate) fn end(self) -> Result<u32> {
        drop(self);
        let left: u32 = fs::read_to_string(format!("{}/times", Self::FOLDER))?
            .trim()
            .parse()?;
        Ok(Self::MOST.saturating_sub(left))
    }
}

/// From where to where the functions of these modules lie.
fn code_of(modules: &[&str]) -> Result<RangeInclusive<u64>> {
    let symbols = fs::read_to_string("/proc/kallsyms")?;
    let mut code = symbols.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (address, kind, _, module) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let module = module.strip_prefix('[')?.strip_suffix(']')?;
        (modules.contains(&module) && kind.eq_ignore_ascii_case("t"))
            .then(|| u64::from_str_radix(address, 16).ok())?
    });
    let first = code.next().ok_or("the modules have no code")?;
    let (start, end) = code.fold((first, first), |(start, end), address| {
        (start.min(address), end.max(address))
    });
    Ok(start..=end)
}

impl Drop for FailingAllocations {
    fn drop(&mut self) {
        // What ends it needs memory, too.
        let ended =
            (0..1000).any(|_| fs::write(format!("{}/probability", Self::FOLDER), "0").is_ok());
        if !ended {
            println!("# failslab: allocations go on failing");
        }
    }
}
