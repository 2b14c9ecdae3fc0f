// SPDX-License-Identifier: GPL-2.0-or-later

//! Reads and writes of an imported disk, past the page cache.

use std::{
    fs::{
        self,
        File, //
    },
    os::unix::fs::FileExt,
    path::{
        Path,
        PathBuf, //
    }, //
};

use rustix::fs::{
    Mode,
    OFlags, //
};

use crate::{
    cases::{
        connect,
        Result, //
    },
    link::{
        wait_for,
        Speed, //
    },
    meter::{
        Amount,
        Meter,
        Options, //
    }, //
};

const SIZES: [(&str, usize, usize); 3] = [
    ("4 KiB", 4 << 10, 320),
    ("64 KiB", 64 << 10, 160),
    ("1 MiB", 1 << 20, 32),
];
/// The part of the disk that is used.
const SPAN: u64 = 64 << 20;

/// Exports and imports the disk `busid`.
pub(crate) fn run(options: &Options, busid: &str) -> Result<()> {
    let meter = Meter::new(options)?;
    let import = connect(busid, Speed::Super)?;
    let past_the_cache = OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    // It has a name and a size for a moment before it can be opened.
    let open = |node| rustix::fs::open(node, past_the_cache, Mode::empty()).ok();
    let file = wait_for("the disk", || node(import.path()).and_then(open))?;
    let file = File::from(file);
    for (size, length, count) in SIZES {
        let memory = memory(length);
        let amount = Amount::in_turn(count);
        meter.measure(&format!("disk read {size}"), amount, |count| {
            each(count, length, |offset| file.read_exact_at(memory, offset))
        })?;
        meter.measure(&format!("disk write {size}"), amount, |count| {
            each(count, length, |offset| {
                File::write_all_at(&file, memory, offset)
            })
        })?;
    }
    Ok(())
}

/// Lets `access` run at so many places.
fn each(
    count: usize,
    length: usize,
    mut access: impl FnMut(u64) -> std::io::Result<()>,
) -> Result<()> {
    let length = u64::try_from(length)?;
    for index in 0..u64::try_from(count)? {
        access(index * length % SPAN)?;
    }
    Ok(())
}

/// What direct access to a disk asks of addresses, in bytes.
const ALIGNMENT: usize = 4096;

/// Memory that is aligned as the disk wants it; for the rest of the program's life.
fn memory(length: usize) -> &'static mut [u8] {
    let all = vec![0; length + ALIGNMENT].leak();
    let begin = all.as_ptr().align_offset(ALIGNMENT);
    all.get_mut(begin..begin + length).unwrap_or_default()
}

/// The node of the disk that belongs to a device in sysfs, once it has a size.
fn node(device: &Path) -> Option<PathBuf> {
    for entry in fs::read_dir("/sys/block").ok()? {
        let entry = entry.ok()?;
        let path = fs::canonicalize(entry.path()).ok()?;
        let size = fs::read_to_string(path.join("size")).ok()?;
        if path.starts_with(device) && size.trim() != "0" {
            return Some(Path::new("/dev").join(entry.file_name()));
        }
    }
    None
}
