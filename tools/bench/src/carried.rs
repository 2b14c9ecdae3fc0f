// SPDX-License-Identifier: GPL-2.0-or-later

//! The same transfers over a connection that a program carries, through `/dev/usbip-ux`.

use std::{
    net::TcpStream,
    os::fd::OwnedFd,
    process::{
        Child,
        Command,
        Stdio, //
    }, //
};

use usbip_proto::DevId;

use crate::{
    cases::{
        transfers,
        Result,
        KIB, //
    },
    descriptors::{
        BULK_IN,
        BULK_OUT, //
    },
    exporter::Exporter,
    link::{
        self,
        Import,
        Speed, //
    },
    meter::{
        Meter,
        Options, //
    },
    usbfs::{
        self,
        Repeated,
        Transfer, //
    }, //
};

const PROGRAM: &str = "/opt/usbip/sbin/ux-pump";

/// The program; ended when this is dropped.
struct Carrier(Child);

impl Carrier {
    /// Has the program carry what is behind `socket` to a port.
    fn start(socket: TcpStream, port: u32, speed: Speed, id: DevId) -> Result<Self> {
        let input = OwnedFd::from(socket.try_clone()?);
        let child = Command::new(PROGRAM)
            .args(["-", &link::attach_file()])
            .arg(link::attach_line(port, "{}", speed, id))
            .stdin(input)
            .stdout(Stdio::from(OwnedFd::from(socket)))
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        // It ends when its connection does, which is when the port was detached.
        if let Err(error) = self.0.wait() {
            eprintln!("usbip-bench: {PROGRAM}: {error}");
        }
    }
}

/// vhci-hcd with an exporter in user space, and a program in between.
pub(crate) fn run(options: &Options) -> Result<()> {
    let meter = Meter::new(options)?;
    let (ours, theirs) = link::connection()?;
    let exporter = Exporter::start(ours)?;
    let speed = Speed::High;
    let mut carrier = None;
    let import = Import::through(speed, |port| {
        carrier = Some(Carrier::start(theirs, port, speed, DevId::new(1, 2))?);
        Ok(())
    })?;
    let mut device = usbfs::open(import.path())?;
    for depth in [1, 32] {
        for (direction, endpoint) in [("in", BULK_IN), ("out", BULK_OUT)] {
            let transfer = Transfer::bulk(endpoint, 16 * KIB);
            let name = format!("ux bulk {direction} 16 KiB x {depth}");
            meter.measure(&name, transfers(transfer.length, depth), |count| {
                Repeated::new(&mut device, transfer, depth)?.run(count)
            })?;
        }
    }
    drop((device, import, exporter, carrier));
    Ok(())
}
