// SPDX-License-Identifier: GPL-2.0-or-later

//! Sequences of PDUs at random: right in structure, wrong in ways that matter.
//!
//! What a sequence says depends on the seed and its number only, so that it can be said again: by
//! the same seed, and the number as `first`. What the kernel does with it may depend on what came
//! before.

mod client;
mod server;

use std::{
    env,
    time::{
        Duration,
        Instant,
        SystemTime,
        UNIX_EPOCH, //
    },
};

use crate::{
    host::{
        self,
        Devices, //
    },
    suite::{
        Outcome,
        Result, //
    },
    vhci,
    Settings, //
};

/// Numbers that look random, and are the same for the same seed (SplitMix64).
pub(crate) struct Rng(u64);

impl Rng {
    /// The numbers of one sequence.
    fn of(seed: u64, sequence: u64) -> Self {
        let mut rng = Self(seed ^ sequence.wrapping_mul(0xa24b_aed4_963e_e407));
        rng.next();
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Any 32 bits.
    pub(crate) fn word(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.next().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Any 32 bits, signed.
    pub(crate) fn signed(&mut self) -> i32 {
        i32::from_ne_bytes(self.word().to_ne_bytes())
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.word().checked_rem(end).unwrap_or(0)
    }

    /// True one time out of so many.
    pub(crate) fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }

    /// One of some values.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T], otherwise: T) -> T {
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX).max(1);
        let index = usize::try_from(self.below(count)).unwrap_or(0);
        values.get(index).copied().unwrap_or(otherwise)
    }

    /// A number of the kind that is found where checks are missing.
    pub(crate) fn nasty(&mut self) -> i32 {
        const NASTY: &[i32] = &[
            0,
            1,
            -1,
            2,
            7,
            8,
            15,
            16,
            63,
            64,
            511,
            512,
            513,
            1023,
            1024,
            1025,
            4095,
            4096,
            65535,
            65536,
            0x00ff_ffff,
            0x0400_0000,
            0x0400_0001,
            0x7fff_ffff,
            i32::MIN,
            -2,
            -115,
            -4096,
        ];
        if self.one_in(4) {
            self.signed()
        } else {
            self.pick(NASTY, 0)
        }
    }
}

/// Runs sequences until there were enough, or something goes wrong.
fn run(
    what: &str,
    settings: &Settings,
    mut one: impl FnMut(&mut Rng) -> Result,
) -> Result<Outcome> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let number = |name| -> Result<Option<u64>> {
        match settings.number(name)? {
            Some(number) => Ok(Some(number)),
            None => Ok(env::var(name.to_uppercase())
                .ok()
                .and_then(|text| text.parse().ok())),
        }
    };
    let seed = number("seed")?.unwrap_or(u64::from(clock.subsec_nanos()) ^ clock.as_secs());
    let first = number("first")?.unwrap_or(0);
    let end = number("seconds")?.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let count = match (number("sequences")?, end) {
        (Some(count), _) => count,
        (None, Some(_)) => u64::MAX,
        (None, None) => 1000,
    };
    println!("# random {what}: seed={seed} first={first}");
    let started = Instant::now();
    let mut done = 0;
    while done < count && end.is_none_or(|end| Instant::now() < end) {
        let sequence = first + done;
        if let Err(error) = one(&mut Rng::of(seed, sequence)) {
            println!(
                "not ok random {what} (sequence {sequence}: {error}; seed={seed} first={first})"
            );
            return Ok(Outcome::Failed);
        }
        done += 1;
    }
    let seconds = started.elapsed().as_secs();
    println!("# {done} sequences in {seconds} s");
    println!("ok random {what}: {done} sequences");
    Ok(Outcome::Passed)
}

/// Against usbip-host.
pub(crate) fn host(settings: &Settings) -> Result<Outcome> {
    let mut devices = Devices::of(settings)?;
    host::settle(&mut devices)?;
    let mut clients = client::Clients::new(&devices);
    let outcome = run("host", settings, |rng| clients.sequence(rng))?;
    drop(clients);
    host::settle(&mut devices)?;
    Ok(outcome)
}

/// Against vhci.
pub(crate) fn vhci(settings: &Settings) -> Result<Outcome> {
    vhci::settle(&mut ())?;
    let mut servers = server::Servers::new();
    let outcome = run("vhci", settings, |rng| servers.sequence(rng))?;
    drop(servers);
    vhci::settle(&mut ())?;
    Ok(outcome)
}
