// SPDX-License-Identifier: GPL-2.0-or-later

//! The kernel's side of a connection: `/dev/usbip-ux`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::{
    event::{poll, PollFd, PollFlags, Timespec},
    fs::{Mode, OFlags},
    ioctl::{ioctl, opcode, IntegerSetter},
};

/// `USBIP_UX_IOCSETSOCKFD` of linux/usbip_ux.h.
const SET_SOCKET: rustix::ioctl::Opcode = opcode::write::<i32>(b'm', 1);

/// An open node.
pub(crate) struct Node(OwnedFd);

impl Node {
    /// Opens a node, not blocking, for the connection that a socket stands for.
    pub(crate) fn open(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let node = rustix::fs::open("/dev/usbip-ux", flags, Mode::empty())?;
        let number = socket.as_raw_fd().unsigned_abs();
        // SAFETY: The command takes a descriptor as its argument, and writes to no memory.
        unsafe {
            ioctl(
                &node,
                IntegerSetter::<SET_SOCKET>::new_usize(usize::try_from(number).unwrap_or(0)),
            )?;
        }
        Ok(Self(node))
    }

    /// Whether the connection is over.
    pub(crate) fn has_ended(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.0, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec::default()))?;
        Ok(fds[0].revents().contains(PollFlags::HUP))
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A descriptor that this process was started with, as one of its own.
pub(crate) fn descriptor(number: u32) -> io::Result<OwnedFd> {
    let raw = i32::try_from(number).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: Nobody in this process closes what it was started with; a number that is none gives an
    // error here.
    let inherited = unsafe { BorrowedFd::borrow_raw(raw) };
    Ok(rustix::io::dup(inherited)?)
}
