// SPDX-License-Identifier: GPL-2.0-or-later

//! A peer that says whatever it likes, against the kernel's modules.
//!
//! Runs in a virtual machine and prints `ok NAME` or `not ok NAME (WHY)` for each test. The names
//! that begin with a letter and a number are those of the faults of the C modules that they stand
//! for.

#![forbid(unsafe_code)]

mod host;
mod random;
mod suite;
mod vhci;
mod vudc;

use std::{
    collections::HashMap,
    env,
    process::ExitCode, //
};

use suite::Outcome;

const USAGE: &str = "\
usage: usbip-hostile host [NAME=VALUE ..] [TEST ..]
       usbip-hostile vhci [NAME=VALUE ..] [TEST ..]
       usbip-hostile vudc [NAME=VALUE ..] [TEST ..]
       usbip-hostile random host|vhci [NAME=VALUE ..]

host     is a client of devices that are bound to usbip-host:
           disk=BUSID      mass storage, with bulk endpoints
           keyboard=BUSID  with an interrupt endpoint that never answers
           audio=BUSID     with an isochronous endpoint to the device
           echo=BUSID,..   that send back what they are sent, each on a bus of its own
vhci     is a server of devices that it makes up
vudc     is a client of devices made in software, with the same names, such as
         usbip-vudc.0; audio= is a source and sink, and
           configfs=FOLDER the folder of the gadget of which it is made
random   sends sequences of PDUs that are wrong in ways that matter:
           sequences=N     so many (1000)
           seed=N          of this family (by the clock)
           first=N         beginning with this one (0)
           seconds=N       or until so much time is over
without= says what may be lacking: keyboard, audio, echo, usbipd, usbip-host,
failslab (allocations that fail), with commas in between. Tests that need it are skipped
then; whatever else is lacking is a failure.
A TEST is a part of a name; without any, all are run.";

/// What is said on the command line as NAME=VALUE.
pub(crate) struct Settings(HashMap<String, String>);

impl Settings {
    /// The value of a name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The values of a name, between which there are commas.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).into_iter().flat_map(|text| text.split(','))
    }

    /// The value of a name, as a number.
    pub(crate) fn number(&self, name: &str) -> suite::Result<Option<u64>> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| format!("{name}={text}").into()))
            .transpose()
    }
}

fn main() -> ExitCode {
    let mut settings = HashMap::new();
    let mut words = Vec::new();
    for word in env::args().skip(1) {
        match word.split_once('=') {
            Some((name, value)) => {
                settings.insert(name.to_owned(), value.to_owned());
            }
            None => words.push(word),
        }
    }
    let settings = Settings(settings);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["host", tests @ ..] => host::run(&settings, tests),
        ["vhci", tests @ ..] => vhci::run(&settings, tests),
        ["vudc", tests @ ..] => vudc::run(&settings, tests),
        ["random", "host"] => random::host(&settings),
        ["random", "vhci"] => random::vhci(&settings),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(Outcome::Passed) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("usbip-hostile: {error}");
            ExitCode::from(2)
        }
    }
}
