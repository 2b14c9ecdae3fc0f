// SPDX-License-Identifier: GPL-2.0-or-later

//! A connected stream socket of any family.

use std::{
    io,
    net::{
        Ipv4Addr,
        Shutdown,
        TcpListener,
        TcpStream,
        ToSocketAddrs, //
    },
    os::{
        fd::{
            AsFd,
            AsRawFd,
            BorrowedFd,
            OwnedFd,
            RawFd, //
        },
        unix::net::UnixStream,
    },
    time::Duration,
};

/// A connected stream socket of any family.
///
/// The standard library has no type for that. Nothing that is used of its `UnixStream` here knows
/// the family: reading, writing, timeouts and shutting down are the same calls for all of them.
#[derive(Debug)]
pub struct Socket(UnixStream);

impl Socket {
    /// Makes a pair of local sockets.
    ///
    /// # Errors
    ///
    /// Those of `socketpair`.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self(one), Self(other)))
    }

    /// Makes a TCP connection over the loopback, without delays, and returns both ends.
    ///
    /// # Errors
    ///
    /// Those of the calls that it takes.
    pub fn tcp_pair() -> io::Result<(Self, Self)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let one = TcpStream::connect(listener.local_addr()?)?;
        let (other, _) = listener.accept()?;
        Ok((Self::from_tcp(one)?, Self::from_tcp(other)?))
    }

    /// Connects over TCP.
    ///
    /// # Errors
    ///
    /// Those of `connect`.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::from_tcp(TcpStream::connect(address)?)
    }

    /// Takes a TCP connection, and sends from then on without delay.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn from_tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(UnixStream::from(OwnedFd::from(stream))))
    }

    /// A second descriptor of the same socket.
    ///
    /// # Errors
    ///
    /// Those of `dup`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Lets reads and writes fail with `WouldBlock` after so long.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)?;
        self.0.set_write_timeout(timeout)
    }

    /// Ends the stream in one direction or both.
    ///
    /// # Errors
    ///
    /// Those of `shutdown`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    /// For reading and writing, which take no exclusive reference.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.0
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.0.into()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
