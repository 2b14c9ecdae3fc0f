// SPDX-License-Identifier: GPL-2.0-or-later

//! Memory that an imported or exported device takes: idle, while transfers run, and idle again after them.
//!
//! What user space takes for playing the other side is in it, and the same for all modules.

use std::{
    fs,
    io,
    sync::atomic::{
        AtomicBool,
        Ordering, //
    },
    thread,
    time::Duration, //
};

use usbip_user::scheduling::run_first;

use crate::{
    cases::{
        bulk_endpoints,
        Played,
        Result,
        KIB, //
    },
    client::Client,
    descriptors::{
        BULK_IN,
        BULK_OUT, //
    },
    usbfs::{
        self,
        Repeated,
        Transfer, //
    }, //
};

const IMPORTED: usize = 16;
/// After so long a device counts as idle: what modules keep for the next transfer is freed within half
/// a minute.
const SETTLE: Duration = Duration::from_secs(60);

/// What runs at each of the devices at the same time, in one direction and then in the other.
const LENGTH: usize = 16 * KIB;
const DEPTH: usize = 32;
const COUNT: usize = 8 * DEPTH;
/// Between two looks at what is taken meanwhile.
const PAUSE: Duration = Duration::from_micros(200);

/// Attaches devices and prints what each of them takes.
pub(crate) fn imported() -> Result<()> {
    // What is made once, with the first device, is not counted.
    let first = [Played::new()?];
    import(&first)?;
    let meter = Meter::new("imported device", IMPORTED)?;
    let played = (0..IMPORTED)
        .map(|_| Played::new())
        .collect::<Result<Vec<_>>>()?;
    meter.idle("idle")?;
    meter.peak(|| import(&played))?;
    meter.idle("idle again")
}

/// Connects clients to bound source-sink gadgets and prints what each of those takes.
pub(crate) fn exported(busids: &[&str]) -> Result<()> {
    let (first, others) = busids.split_first().ok_or("no devices")?;
    let mut first = [use_exported(first)?];
    export(&mut first)?;
    let meter = Meter::new("exported device", others.len())?;
    let mut clients = others
        .iter()
        .map(|busid| use_exported(busid))
        .collect::<Result<Vec<_>>>()?;
    meter.idle("idle")?;
    meter.peak(|| export(&mut clients))?;
    meter.idle("idle again")
}

fn use_exported(busid: &str) -> Result<Client> {
    let mut client = Client::connect(busid)?;
    client.configure(1)?;
    Ok(client)
}

fn import(played: &[Played]) -> Result<()> {
    let mut devices = played
        .iter()
        .map(|played| usbfs::open(played.import.path()))
        .collect::<Result<Vec<_>>>()?;
    for endpoint in [BULK_IN, BULK_OUT] {
        let transfer = Transfer::bulk(endpoint, LENGTH);
        let mut all = devices
            .iter_mut()
            .map(|device| Repeated::new(device, transfer, DEPTH))
            .collect::<Result<Vec<_>>>()?;
        Repeated::run_all(&mut all, COUNT)?;
    }
    Ok(())
}

fn export(clients: &mut [Client]) -> Result<()> {
    let configuration = clients.first_mut().ok_or("no devices")?.configuration()?;
    for (_, endpoint) in bulk_endpoints(&configuration)? {
        let transfer = Transfer::bulk(endpoint, LENGTH);
        thread::scope(|scope| {
            let all: Vec<_> = clients
                .iter_mut()
                .map(|client| {
                    // A boxed error may not leave its thread.
                    let run = || {
                        client
                            .run(transfer, DEPTH, COUNT)
                            .map_err(|error| error.to_string())
                    };
                    scope.spawn(run)
                })
                .collect();
            for one in all {
                one.join().map_err(|_| "a client panicked")??;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
    }
    Ok(())
}

/// Prints what each of some devices takes.
struct Meter {
    /// What they are.
    name: &'static str,
    devices: u64,
    /// What was in use before there was any of them.
    used: u64,
    taken: u64,
}

impl Meter {
    fn new(name: &'static str, devices: usize) -> Result<Self> {
        let used = used()?;
        Ok(Self {
            name,
            devices: u64::try_from(devices)?,
            used,
            taken: taken()?,
        })
    }

    /// What they take while nothing happens.
    fn idle(&self, when: &str) -> Result<()> {
        self.print(when, used()?.saturating_sub(self.used));
        Ok(())
    }

    /// The most that they take while `run` runs.
    fn peak(&self, run: impl FnOnce() -> Result<()>) -> Result<()> {
        let is_over = AtomicBool::new(false);
        let most = thread::scope(|scope| {
            let looker = scope.spawn(|| {
                run_first()?;
                let mut most = 0;
                while !is_over.load(Ordering::Relaxed) {
                    most = taken()?.max(most);
                    thread::sleep(PAUSE);
                }
                Ok::<_, io::Error>(most)
            });
            let ran = run();
            is_over.store(true, Ordering::Relaxed);
            let most = looker.join().map_err(|_| "who looks at it panicked")?;
            ran?;
            Ok::<_, Box<dyn std::error::Error>>(most?)
        })?;
        let when = format!("bulk {} KiB x {DEPTH}", LENGTH / KIB);
        self.print(&when, most.saturating_sub(self.taken));
        Ok(())
    }

    fn print(&self, when: &str, bytes: u64) {
        println!("{}, {when}\tbytes\t{}", self.name, bytes / self.devices);
    }
}

/// Bytes of memory in use that the kernel accounts for, once nothing happens, without what it would
/// give back.
fn used() -> Result<u64> {
    thread::sleep(SETTLE);
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    fs::write("/proc/sys/vm/compact_memory", "1")?;
    thread::sleep(Duration::from_secs(2));
    Ok(sum(["Slab", "KernelStack", "PageTables", "Percpu"])?)
}

/// Bytes of memory that are not free now and hold neither files nor what belongs to programs. Data on
/// their way through sockets are in pages that only this counts.
fn taken() -> io::Result<u64> {
    let others = sum(["MemFree", "AnonPages", "Buffers", "Cached"])?;
    Ok(sum(["MemTotal"])?.saturating_sub(others))
}

/// The sum of fields of `/proc/meminfo`, in bytes.
fn sum<const N: usize>(names: [&str; N]) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let mut kibibytes = 0;
    for name in names {
        kibibytes += text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| *found == name)
            .and_then(|(_, value)| value.split_whitespace().next()?.parse::<u64>().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(kibibytes * 1024)
}
