// SPDX-License-Identifier: GPL-2.0-or-later

//! One direction: bytes from one descriptor to another, as far as both let.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::io::Errno;
use usbip_user::ux::Node;

/// Bytes that are moved at a time.
const BUFFER: usize = 256 * 1024;

/// How far a flow got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// One of the descriptors is not ready.
    Waits,
    /// One of the sides is at its end.
    Ended,
}

/// A direction.
pub(crate) struct Flow<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    buffer: Vec<u8>,
    /// What of the buffer was read and not written.
    start: usize,
    end: usize,
}

impl<'a> Flow<'a> {
    pub(crate) fn new(from: &'a impl AsFd, to: &'a impl AsFd) -> Self {
        Self {
            from: from.as_fd(),
            to: to.as_fd(),
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
        }
    }

    /// Moves bytes until one of the descriptors is not ready.
    pub(crate) fn run(&mut self, node: &Node) -> io::Result<Outcome> {
        loop {
            let moved = if self.start == self.end {
                self.start = 0;
                self.end = 0;
                rustix::io::read(self.from, &mut self.buffer[..]).map(|count| self.end = count)
            } else {
                rustix::io::write(self.to, &self.buffer[self.start..self.end])
                    .map(|count| self.start += count)
            };
            match moved {
                Ok(()) if self.end == 0 => return Ok(Outcome::Ended),
                Ok(()) => {}
                Err(Errno::AGAIN) => return Ok(Outcome::Waits),
                Err(Errno::INTR) if !node.has_ended()? => {}
                Err(Errno::INTR | Errno::PIPE | Errno::CONNRESET) => return Ok(Outcome::Ended),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
