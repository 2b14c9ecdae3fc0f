// SPDX-License-Identifier: GPL-2.0-or-later

//! Loads the USB/IP modules from user space and prints what that costs; `make bench` runs it.
//!
//! It is the same for whosever modules are loaded, and does as little as it can itself, so that what
//! differs between two runs is the modules. What it prints are lines of `case TAB value`.

#![forbid(unsafe_code)]

mod carried;
mod cases;
mod client;
mod count;
mod descriptors;
mod disk;
mod exporter;
mod gadget;
mod idle;
mod link;
mod memory;
mod meter;
mod stream;
mod usbfs;

use std::{
    env,
    fs,
    process::ExitCode, //
};

use cases::Result;
use meter::Options;

const USAGE: &str = "usage: usbip-bench [--count] [--only TEXT] [--among FILE] [--times N] SUITE [BUSID]
  vhci          an exporter in user space, imported by vhci-hcd
  host BUSID    a source-sink gadget, exported by usbip-host to a client in user space
  both BUSID    the same gadget, exported by usbip-host and imported by vhci-hcd
  disk BUSID    a disk, exported by usbip-host and imported by vhci-hcd
  many          16 exporters in user space at once
  ux            an exporter in user space, imported by vhci-hcd over a connection that ux-pump carries
  vudc          a source-sink gadget on usbip-vudc.0, imported by vhci-hcd; waiting included
  memory [BUSID..]  what an imported device takes, idle and under load; or what exported source-sink gadgets do,
                of which the first only warms up
--count counts calls, wake-ups and allocations instead of time; --only runs the cases that contain TEXT;
--among those whose names are lines of FILE; --times makes so many times the usual number of transfers";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("usbip-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut options = Options::default();
    let mut words = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--count" => options.count = true,
            "--times" => options.times = arguments.next().ok_or(USAGE)?.parse()?,
            "--only" => options.only = arguments.next().ok_or(USAGE)?,
            "--among" => {
                let names = fs::read_to_string(arguments.next().ok_or(USAGE)?)?;
                options.among = Some(names.lines().map(str::to_owned).collect());
            }
            _ => words.push(argument),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["vhci"] => cases::vhci(&options),
        ["host", busid] => cases::host(&options, busid),
        ["both", busid] => cases::both(&options, busid),
        ["disk", busid] => disk::run(&options, busid),
        ["many"] => cases::many(&options),
        ["ux"] => carried::run(&options),
        ["vudc"] => gadget::run(&options),
        ["memory"] => memory::imported(),
        ["memory", busids @ ..] => memory::exported(busids),
        _ => Err(USAGE.into()),
    }
}
