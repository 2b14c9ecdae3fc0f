// SPDX-License-Identifier: GPL-2.0-or-later

//! USB devices through usbfs, `/dev/bus/usb` (Documentation/driver-api/usb/usb.rst of the kernel).

mod queue;

use std::{
    ffi::c_void,
    fs::{
        File,
        OpenOptions, //
    },
    io,
    os::fd::AsRawFd, //
};

use crate::checked;

pub use queue::{
    Completion,
    Queue, //
};

/// What to transfer again and again.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// How.
    pub kind: Kind,
    /// The endpoint's address, with its direction in bit 7.
    pub endpoint: u8,
    /// Bytes of data, without a setup packet.
    pub length: usize,
}

/// The ways to transfer, with what belongs to each.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Of an endpoint that control requests go to.
    Control {
        /// The setup packet; its last two bytes are the length of the data.
        setup: [u8; 8],
    },
    /// Of a bulk endpoint.
    Bulk,
    /// Of an interrupt endpoint.
    Interrupt,
    /// Of an isochronous endpoint, as soon as possible.
    Isochronous {
        /// Packets in each transfer, 1 to [`Queue::MAX_PACKETS`], all of the same length.
        packets: usize,
    },
}

/// The number of an ioctl of usbfs: direction, size, type `U`, number.
const fn number(direction: u32, size: u32, number: u32) -> u32 {
    (direction << 30) | (size << 16) | (0x55 << 8) | number
}

/// A device that is open in usbfs.
pub struct Device {
    file: File,
}

impl Device {
    /// Opens the device with that number on that bus.
    ///
    /// # Errors
    ///
    /// Those of open(2): ENOENT if there is none, EACCES without the right to write.
    pub fn open(busnum: u32, devnum: u32) -> io::Result<Self> {
        let node = format!("/dev/bus/usb/{busnum:03}/{devnum:03}");
        let file = OpenOptions::new().read(true).write(true).open(node)?;
        Ok(Self { file })
    }

    /// Claims an interface, which is taken from the driver that may have it.
    ///
    /// # Errors
    ///
    /// ENOENT if there is no such interface, EBUSY if another program has it.
    pub fn claim(&self, interface: u32) -> io::Result<()> {
        /// `struct usbdevfs_disconnect_claim`: interface, flags, a driver's name.
        const DISCONNECT_CLAIM_SIZE: usize = 264;
        const DISCONNECT_CLAIM: u32 = number(2, 264, 27);
        const CLAIM_INTERFACE: u32 = number(2, 4, 15);
        let mut claim = [0_u8; DISCONNECT_CLAIM_SIZE];
        claim[..4].copy_from_slice(&interface.to_ne_bytes());
        // SAFETY: The command reads and writes 264 bytes, which are there.
        if unsafe { self.ioctl(DISCONNECT_CLAIM, claim.as_mut_ptr().cast()) }.is_ok() {
            return Ok(());
        }
        let mut interface = interface;
        // SAFETY: The command reads a number.
        unsafe { self.ioctl(CLAIM_INTERFACE, (&raw mut interface).cast()) }
    }

    /// Prepares `depth` transfers. One queue at a time: what comes back first is anybody's.
    ///
    /// # Errors
    ///
    /// EINVAL for lengths or packets that cannot be, ENOMEM beyond usbfs's limit of memory.
    pub fn queue(&mut self, transfer: &Transfer, depth: usize) -> io::Result<Queue<'_>> {
        Queue::new(self, transfer, depth)
    }

    /// # Safety
    ///
    /// `argument` must be what the ioctl demands.
    unsafe fn ioctl(&self, number: u32, argument: *mut c_void) -> io::Result<()> {
        // SAFETY: By this function's requirements.
        checked(unsafe {
            libc::ioctl(self.file.as_raw_fd(), libc::c_ulong::from(number), argument)
        })?;
        Ok(())
    }
}
