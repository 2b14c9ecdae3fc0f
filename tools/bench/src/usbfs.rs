// SPDX-License-Identifier: GPL-2.0-or-later

//! Transfers through usbfs, again and again.

use std::{
    fs,
    path::Path, //
};

use usbip_proto::TransferKind;
use usbip_user::usbfs::{
    self,
    Completion,
    Kind,
    Queue, //
};

use crate::cases::Result;

/// What to transfer again and again.
#[derive(Clone, Copy)]
pub(crate) struct Transfer {
    pub(crate) kind: TransferKind,
    /// The endpoint's address.
    pub(crate) endpoint: u8,
    /// Bytes of data, without the setup packet.
    pub(crate) length: usize,
    /// Packets, if it is isochronous.
    pub(crate) packets: usize,
    /// The setup packet, if it is a control transfer.
    pub(crate) setup: [u8; 8],
}

impl Transfer {
    /// A bulk transfer.
    pub(crate) fn bulk(endpoint: u8, length: usize) -> Self {
        Self {
            kind: TransferKind::Bulk,
            endpoint,
            length,
            packets: 0,
            setup: [0; 8],
        }
    }

    fn for_usbfs(&self) -> usbfs::Transfer {
        let kind = match self.kind {
            TransferKind::Control => Kind::Control { setup: self.setup },
            TransferKind::Bulk => Kind::Bulk,
            TransferKind::Interrupt => Kind::Interrupt,
            TransferKind::Isochronous => Kind::Isochronous {
                packets: self.packets,
            },
        };
        usbfs::Transfer {
            kind,
            endpoint: self.endpoint,
            length: self.length,
        }
    }
}

/// Opens the device whose folder in sysfs is `path`, and claims its first interface.
pub(crate) fn open(path: &Path) -> Result<usbfs::Device> {
    let read =
        |name: &str| -> Result<u32> { Ok(fs::read_to_string(path.join(name))?.trim().parse()?) };
    let device = usbfs::Device::open(read("busnum")?, read("devnum")?)?;
    device.claim(0)?;
    Ok(device)
}

/// A transfer that is made again and again.
pub(crate) struct Repeated<'a> {
    queue: Queue<'a>,
    /// Bytes that each must bring.
    length: usize,
    /// How many are with the kernel.
    busy: usize,
    /// How many are still to be submitted.
    unsent: usize,
}

impl<'a> Repeated<'a> {
    /// Prepares `depth` of them.
    pub(crate) fn new(
        device: &'a mut usbfs::Device,
        transfer: Transfer,
        depth: usize,
    ) -> Result<Self> {
        Ok(Self {
            queue: device.queue(&transfer.for_usbfs(), depth)?,
            length: transfer.length,
            busy: 0,
            unsent: 0,
        })
    }

    /// Makes `count` transfers, as many as there are at a time, and waits for the last one.
    pub(crate) fn run(&mut self, count: usize) -> Result<()> {
        self.begin(count)?;
        while self.busy > 0 {
            self.turn()?;
        }
        Ok(())
    }

    /// As [`Repeated::run`], for several side by side: each gets its turn.
    pub(crate) fn run_all(all: &mut [Self], count: usize) -> Result<()> {
        for one in &mut *all {
            one.begin(count)?;
        }
        while all.iter().any(|one| one.busy > 0) {
            for one in &mut *all {
                if one.busy > 0 {
                    one.turn()?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, count: usize) -> Result<()> {
        let first = count.min(self.queue.depth());
        for index in 0..first {
            self.submit(index)?;
        }
        self.unsent = count - first;
        Ok(())
    }

    /// Waits for one, and submits it again while there is something to do.
    fn turn(&mut self) -> Result<()> {
        let done = self
            .queue
            .reap()
            .map_err(|error| format!("reap: {error}"))?;
        self.busy -= 1;
        let Completion {
            index,
            status,
            actual,
        } = done;
        if status != 0 || actual != self.length {
            let wanted = self.length;
            return Err(format!("transfer: status {status}, {actual} of {wanted} bytes").into());
        }
        if self.unsent > 0 {
            self.unsent -= 1;
            self.submit(index)?;
        }
        Ok(())
    }

    fn submit(&mut self, index: usize) -> Result<()> {
        self.queue
            .submit(index)
            .map_err(|error| format!("submit: {error}"))?;
        self.busy += 1;
        Ok(())
    }
}
