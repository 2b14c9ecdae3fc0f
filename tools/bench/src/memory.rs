// SPDX-License-Identifier: GPL-2.0-or-later

//! Memory that an idle imported device takes.

use std::{
    fs,
    net::TcpStream,
    thread,
    time::Duration, //
};

use usbip_proto::DevId;

use crate::{
    cases::Result,
    exporter::Exporter,
    link::{
        self,
        Import,
        Speed, //
    }, //
};
const DEVICES: u64 = 16;
/// After so long a device counts as idle.
const SETTLE: Duration = Duration::from_secs(150);

/// Attaches devices that nobody uses, and prints what each of them took from the machine.
///
/// What user space takes for playing them is in it, and the same for all modules.
pub(crate) fn run() -> Result<()> {
    let mut played = Vec::new();
    // What is made once, with the first device, is not counted.
    played.push(device()?);
    let before = used()?;
    for _ in 0..DEVICES {
        played.push(device()?);
    }
    let after = used()?;
    println!(
        "memory per idle device\tbytes\t{}",
        after.saturating_sub(before) / DEVICES
    );
    Ok(())
}

fn device() -> Result<(Import, Exporter, TcpStream)> {
    let (ours, theirs) = link::connection()?;
    let exporter = Exporter::start(ours)?;
    let import = Import::attach(&theirs, Speed::High, DevId::new(1, 2))?;
    Ok((import, exporter, theirs))
}

/// Bytes of memory in use, without what the kernel would give back.
fn used() -> Result<u64> {
    thread::sleep(SETTLE);
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    fs::write("/proc/sys/vm/compact_memory", "1")?;
    thread::sleep(Duration::from_secs(2));
    let text = fs::read_to_string("/proc/meminfo")?;
    let field = |name: &str| -> Result<u64> {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .ok_or("meminfo")?;
        Ok(line
            .split_whitespace()
            .nth(1)
            .ok_or("meminfo")?
            .parse::<u64>()?
            * 1024)
    };
    Ok(field("Slab:")? + field("KernelStack:")? + field("PageTables:")? + field("Percpu:")?)
}
