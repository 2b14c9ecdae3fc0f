// SPDX-License-Identifier: GPL-2.0-or-later

//! A buffered stream in both directions.
//!
//! What is to be sent goes out when it is much, when [`Link::flush`] is called, and before anything
//! is waited for; so a batch of requests that arrived together is answered with one call.

use std::{
    io::{
        self,
        IoSlice,
        Read,
        Write, //
    },
    net::Shutdown,
};

use crate::Socket;

/// Bytes that are received ahead.
const READ_AHEAD: usize = 256 * 1024;

/// Bytes to send from which on they go out at once.
const ENOUGH: usize = 128 * 1024;

/// Bytes from which on sending them from where they are is cheaper than copying them.
const LARGE: usize = 8 * 1024;

/// A buffered stream in both directions.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
}

impl Link {
    /// Takes a socket.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            input: vec![0; READ_AHEAD],
            start: 0,
            end: 0,
            output: Vec::with_capacity(ENOUGH + LARGE),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// How many bytes have arrived and were not taken.
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Queues bytes.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() >= LARGE {
            return self.send_with(bytes);
        }
        self.output.extend_from_slice(bytes);
        if self.output.len() >= ENOUGH {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what is queued.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let mut stream = self.socket.stream();
        let sent = stream.write_all(&self.output);
        self.output.clear();
        sent
    }

    /// Sends what is queued, and these bytes, without copying them.
    fn send_with(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.socket.stream();
        let mut done = 0;
        let all = self.output.len() + bytes.len();
        while done < all {
            let queued = self.output.get(done..).unwrap_or_default();
            let rest = bytes
                .get(done.saturating_sub(self.output.len())..)
                .unwrap_or_default();
            match stream.write_vectored(&[IoSlice::new(queued), IoSlice::new(rest)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        Ok(())
    }

    /// Receives once, after sending what is queued; returns whether anything came.
    fn fill(&mut self) -> io::Result<bool> {
        self.flush()?;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.input.len() {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.input.get_mut(self.end..).unwrap_or_default();
        let count = read(&self.socket, room)?;
        self.end += count;
        Ok(count > 0)
    }

    /// Takes an array; nothing if the stream ended before it.
    ///
    /// # Errors
    ///
    /// Those of `read`; `UnexpectedEof` if the stream ended within it.
    pub fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        loop {
            let bytes = self.input.get(self.start..self.end).unwrap_or_default();
            if let Some(array) = bytes.first_chunk::<N>() {
                self.start += N;
                return Ok(Some(*array));
            }
            if !self.fill()? {
                return match self.buffered() {
                    0 => Ok(None),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// Takes as many bytes as `into` has room for; large ones are received to where they belong.
    ///
    /// # Errors
    ///
    /// Those of `read`; `UnexpectedEof` if the stream ended before.
    pub fn take_into(&mut self, into: &mut [u8]) -> io::Result<()> {
        let count = self.buffered().min(into.len());
        let (ready, mut rest) = into.split_at_mut(count);
        ready.copy_from_slice(
            self.input
                .get(self.start..self.start + count)
                .unwrap_or_default(),
        );
        self.start += count;
        if !rest.is_empty() {
            self.flush()?;
        }
        while !rest.is_empty() {
            if rest.len() < LARGE {
                if !self.fill()? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                return self.take_into(rest);
            }
            let count = read(&self.socket, rest)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            rest = rest.split_at_mut(count).1;
        }
        Ok(())
    }

    /// Takes bytes without looking at them.
    ///
    /// # Errors
    ///
    /// Those of `read`; `UnexpectedEof` if the stream ended before.
    pub fn skip(&mut self, mut count: usize) -> io::Result<()> {
        loop {
            let now = self.buffered().min(count);
            self.start += now;
            count -= now;
            if count == 0 {
                return Ok(());
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends what is queued and ends the sending direction.
    ///
    /// # Errors
    ///
    /// Those of `write` and `shutdown`.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.socket.shutdown(Shutdown::Write)
    }
}

fn read(socket: &Socket, into: &mut [u8]) -> io::Result<usize> {
    let mut stream = socket.stream();
    loop {
        match stream.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
