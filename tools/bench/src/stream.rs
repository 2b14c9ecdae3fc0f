// SPDX-License-Identifier: GPL-2.0-or-later

//! The receiving side of a connection, with a buffer.

use std::{
    io::{
        self,
        ErrorKind,
        IoSlice,
        Read,
        Write, //
    },
    net::TcpStream, //
};

use rustix::net::{
    recv,
    RecvFlags, //
};

const READ_AHEAD: usize = 64 << 10;
/// From so many bytes on data is dropped by the kernel, which does not copy it.
const LARGE: usize = 4096;
/// The longest data that there is in [`DATA`].
const MAX_DATA: usize = 64 << 10;

/// What is sent as data.
pub(crate) static DATA: [u8; MAX_DATA] = [0; MAX_DATA];

/// A connection.
pub(crate) struct Stream {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer is still to be looked at.
    from: usize,
    to: usize,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            buffer: vec![0; READ_AHEAD],
            from: 0,
            to: 0,
        }
    }

    /// How many bytes can be had without a system call.
    pub(crate) fn available(&self) -> usize {
        self.to - self.from
    }

    /// The next bytes of the stream.
    pub(crate) fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        loop {
            let there = self.buffer.get(self.from..self.to).unwrap_or_default();
            if let Some(bytes) = there.first_chunk::<N>() {
                let bytes = *bytes;
                self.from += N;
                return Ok(bytes);
            }
            self.fill()?;
        }
    }

    /// Leaves bytes of the stream out.
    pub(crate) fn skip(&mut self, mut count: usize) -> io::Result<()> {
        loop {
            let there = count.min(self.available());
            self.from += there;
            count -= there;
            if count == 0 {
                return Ok(());
            }
            if count < LARGE {
                self.fill()?;
                continue;
            }
            // With this flag TCP drops the bytes, and writes none: the buffer, which is empty now, says
            // how many.
            let room = count.min(self.buffer.len());
            let room = self.buffer.get_mut(..room).unwrap_or_default();
            match recv(&self.socket, room, RecvFlags::TRUNC)? {
                (_, 0) => return Err(ErrorKind::UnexpectedEof.into()),
                (_, dropped) => count = count.saturating_sub(dropped),
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        let room = self.buffer.get_mut(self.to..).unwrap_or_default();
        match self.socket.read(room)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.to += count;
                Ok(())
            }
        }
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        while slices.iter().any(|slice| !slice.is_empty()) {
            match self.socket.write_vectored(slices)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                sent => IoSlice::advance_slices(&mut slices, sent),
            }
        }
        Ok(())
    }
}
