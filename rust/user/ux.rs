// SPDX-License-Identifier: GPL-2.0-or-later

//! The kernel's side of a connection that a program carries: `/dev/usbip-ux`.

use std::{
    io,
    os::fd::{
        AsFd,
        AsRawFd,
        BorrowedFd,
        OwnedFd, //
    }, //
};

use rustix::{
    event::{
        poll,
        PollFd,
        PollFlags,
        Timespec, //
    },
    fs::{
        Mode,
        OFlags, //
    },
    io::Errno,
    ioctl::{
        ioctl,
        opcode,
        IntegerSetter,
        Opcode, //
    }, //
};

/// `USBIP_UX_IOCSETSOCKFD` of linux/usbip_ux.h.
const SET_SOCKET: Opcode = opcode::write::<i32>(b'm', 1);

/// An open node. Reading and writing it, not blocking, is up to the program.
pub struct Node(OwnedFd);

impl Node {
    /// Opens a node for the connection that a socket stands for.
    ///
    /// # Errors
    ///
    /// ENOENT if the module is not loaded; those of the ioctl (Documentation/ux.md) otherwise.
    pub fn open(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let node = rustix::fs::open("/dev/usbip-ux", flags, Mode::empty())?;
        let number = usize::try_from(socket.as_raw_fd()).map_err(|_| Errno::BADF)?;
        // SAFETY: The command takes a descriptor as its argument, and writes to no memory.
        unsafe { ioctl(&node, IntegerSetter::<SET_SOCKET>::new_usize(number)) }?;
        Ok(Self(node))
    }

    /// Whether the connection is over.
    ///
    /// # Errors
    ///
    /// Those of poll(2).
    pub fn has_ended(&self) -> io::Result<bool> {
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
