// SPDX-License-Identifier: GPL-2.0

//! Sockets that user space made and handed over by file descriptor.
//!
//! It must never look at the bytes.

use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    fs::file::LocalFile,
    prelude::*,
    types::Opaque, //
};

use crate::{
    bindings as helpers,
    iovec::{
        ReadVec,
        WriteVec, //
    },
    time::Timeout, //
};

/// The directions of an I/O vector, as the kernel counts them (linux/uio.h).
const ITER_DEST: c_uint = 0;
const ITER_SOURCE: c_uint = 1;

/// What one call moves at most, so that the number of bytes fits its result (`MAX_RW_COUNT`).
const MOST_BYTES: usize = 0x7fff_f000;

/// What whoever waits gives to a socket at a time that is not TCP's: those of other families begin the timeout anew
/// with each buffer that they fill, and would take the whole of a large frame as slowly as the peer likes.
const AT_ONCE: usize = 0x1_0000;

/// What TCP takes (net/tcp.h: `MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPINTVL`, `MAX_TCP_KEEPCNT`).
const KEEPALIVE_SECONDS: (u32, u32) = (1, 32767);
const KEEPALIVE_PROBES: (u32, u32) = (1, 127);

/// A socket, kept open by our reference to its file.
///
/// One thread may receive while another one sends. A thread that stands between the kernel and its
/// memory does so within [`NoIo`](crate::mem::NoIo). Dropping it lets go of the file. Any context; if
/// the reference was the last one, the kernel closes the socket later, in a context that may sleep.
///
/// # Invariants
///
/// `socket` is alive, its `file` is set, and we own a reference to that.
pub struct Socket {
    socket: NonNull<bindings::socket>,
}

// SAFETY: Sockets may be used from any thread.
unsafe impl Send for Socket {}
// SAFETY: Sockets do their own locking.
unsafe impl Sync for Socket {}

impl Socket {
    /// Takes a reference to the socket behind a file descriptor of the current process. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` when that is not open or not a socket.
    #[doc(alias = "sockfd_lookup")]
    pub fn from_fd(fd: i32) -> Result<Self> {
        let mut error = 0;
        // SAFETY: Any number may be asked for; `error` is a local.
        let socket = unsafe { bindings::sockfd_lookup(fd, &mut error) };
        // INVARIANT: `sockfd_lookup` found the socket through its file, to which it took a
        // reference.
        Ok(Self {
            socket: NonNull::new(socket).ok_or(EINVAL)?,
        })
    }

    /// Whether it carries a stream of bytes, in order and without gaps. Any context.
    #[doc(alias = "SOCK_STREAM")]
    pub fn is_stream(&self) -> bool {
        // SAFETY: By the invariant. The type is set before the file is and never changes.
        c_uint::try_from(unsafe { (*self.socket.as_ptr()).type_ })
            == Ok(bindings::sock_type_SOCK_STREAM)
    }

    /// Whether it is a TCP socket, so that the TCP options mean something. Any context.
    pub fn is_tcp(&self) -> bool {
        self.sock()
            // SAFETY: `sock` gives a valid socket.
            .is_some_and(|sk| unsafe { helpers::usbip_helper_sk_is_tcp(sk.as_ptr()) })
    }

    /// Whether that file is this socket. Any context.
    pub fn is_file(&self, file: &LocalFile) -> bool {
        // SAFETY: By the invariant.
        unsafe { (*self.socket.as_ptr()).file == file.as_ptr() }
    }

    /// Whether there is another side. May sleep.
    ///
    /// The protocol is asked: not every family keeps the state of its sockets where others do.
    #[doc(alias = "getpeername")]
    pub fn is_connected(&self) -> bool {
        let address = Opaque::<bindings::__kernel_sockaddr_storage>::uninit();
        // SAFETY: By the invariant. A storage has room for the address of any family, and is a
        // local.
        let length =
            unsafe { bindings::kernel_getpeername(self.socket.as_ptr(), address.get().cast()) };
        length >= 0
    }

    /// What tells this socket from all others. Any context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is nothing behind it.
    pub fn identity(&self) -> Result<SocketIdentity> {
        let sk = self.sock().ok_or(EINVAL)?;
        // SAFETY: `sock` gives a valid socket.
        unsafe { helpers::usbip_helper_sock_hold(sk.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Ok(SocketIdentity {
            sk,
            // SAFETY: By the invariant; a socket that came with a file has an inode.
            inode: unsafe { helpers::usbip_helper_socket_inode_number(self.socket.as_ptr()) },
        })
    }

    /// Receives what is there, at most what `into` has room for, and waits for the first byte.
    /// Gives how many bytes; zero when the other side sends no more. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there is no room; `EAGAIN` when the timeout is over; `EINTR` or
    /// `ERESTARTSYS` when the thread is to stop; else what the transport says.
    #[doc(alias = "SO_RCVTIMEO")]
    #[inline]
    pub fn receive(&self, into: &mut ReadVec<'_>, timeout: Timeout) -> Result<usize> {
        if let Some(sk) = self.sock() {
            // SAFETY: `sock` gives a valid socket.
            unsafe { helpers::usbip_helper_sk_set_rcvtimeo(sk.as_ptr(), timeout.jiffies()) };
        }
        let mut message = new_message();
        let (parts, count, bytes) = into.as_raw();
        if bytes == 0 {
            return Err(EINVAL);
        }
        // SAFETY: `message` is a local. By the invariant of `ReadVec` the parts are valid for
        // writes, and `into` is borrowed until this function ends.
        unsafe {
            bindings::iov_iter_kvec(
                &mut message.msg_iter,
                ITER_DEST,
                parts,
                count_of(count)?,
                bytes.min(MOST_BYTES),
            )
        };
        // SAFETY: By the invariant the socket is alive; `message` is complete.
        let got = unsafe { bindings::sock_recvmsg(self.socket.as_ptr(), &mut message, 0) };
        usize::try_from(got).map_err(|_| Error::from_errno(got))
    }

    /// Sends it without its first `skip` bytes, or a part of that: as much as the other side takes within
    /// `timeout`, or takes at once if there is none. Gives how many bytes were sent, which may be none.
    /// Sleeps, without a timeout for moments only.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when it is too long for one call; `EINVAL` when there is nothing left to be sent;
    /// else what the transport says.
    #[doc(alias = "SO_SNDTIMEO")]
    #[doc(alias = "MSG_DONTWAIT")]
    #[inline]
    pub fn send(
        &self,
        from: &WriteVec<'_>,
        skip: usize,
        timeout: Option<Timeout>,
    ) -> Result<usize> {
        let mut message = new_message();
        message.msg_flags = bindings::MSG_NOSIGNAL;
        match (timeout, self.sock()) {
            (Some(timeout), Some(sk)) => {
                // SAFETY: `sock` gives a valid socket.
                unsafe { helpers::usbip_helper_sk_set_sndtimeo(sk.as_ptr(), timeout.jiffies()) };
            }
            _ => message.msg_flags |= bindings::MSG_DONTWAIT,
        }
        let (parts, count, bytes) = from.as_raw();
        if bytes > MOST_BYTES {
            return Err(EMSGSIZE);
        }
        if skip >= bytes {
            return Err(EINVAL);
        }
        let end = match skip.saturating_add(AT_ONCE) {
            end if end < bytes && timeout.is_some() && !self.is_tcp() => end,
            _ => bytes,
        };
        // SAFETY: `message` is a local. By the invariant of `WriteVec` the parts are valid for
        // reads, and `from` is borrowed until this function ends. There are so many bytes to skip.
        unsafe {
            bindings::iov_iter_kvec(
                &mut message.msg_iter,
                ITER_SOURCE,
                parts,
                count_of(count)?,
                end,
            );
            if skip > 0 {
                bindings::iov_iter_advance(&mut message.msg_iter, skip);
            }
        };
        // SAFETY: By the invariant the socket is alive; `message` is complete.
        let sent = unsafe { bindings::sock_sendmsg(self.socket.as_ptr(), &mut message) };
        if sent == EAGAIN.to_errno() {
            return Ok(0);
        }
        match usize::try_from(sent) {
            // Whoever asks again would ask for ever.
            Ok(0) => Err(EIO),
            Ok(sent) => Ok(sent),
            Err(_) => Err(Error::from_errno(sent)),
        }
    }

    /// Ends both directions: who waits in [`receive`](Self::receive) or [`send`](Self::send)
    /// returns, and so does the other side. May be called by any thread, and again. May sleep.
    pub fn shut_down(&self) {
        // SAFETY: By the invariant. Fails only if there is no connection, and then there is nothing
        // to end.
        unsafe {
            bindings::kernel_sock_shutdown(
                self.socket.as_ptr(),
                bindings::sock_shutdown_cmd_SHUT_RDWR,
            )
        };
    }

    /// Makes the socket itself allocate without starting I/O, whoever causes it. May sleep.
    pub fn set_noio(&self) {
        if let Some(sk) = self.sock() {
            // SAFETY: `sock` gives a valid socket.
            unsafe { helpers::usbip_helper_sk_set_noio(sk.as_ptr()) };
        }
    }

    /// Lets TCP ask for a sign of life after `idle` seconds of silence, again every `interval`
    /// seconds, and end the connection after `probes` questions without an answer. May sleep.
    ///
    /// Values out of TCP's range become the nearest in it. Nothing happens if it is not TCP.
    #[doc(alias = "SO_KEEPALIVE")]
    pub fn set_keepalive(&self, idle: u32, interval: u32, probes: u32) {
        let Some(sk) = self.tcp() else {
            return;
        };
        let sk = sk.as_ptr();
        // SAFETY: `tcp` gives a valid TCP socket; the functions take its lock where they need it.
        // They refuse only what is out of range.
        unsafe {
            helpers::tcp_sock_set_keepidle(sk, within(idle, KEEPALIVE_SECONDS));
            helpers::tcp_sock_set_keepintvl(sk, within(interval, KEEPALIVE_SECONDS));
            helpers::tcp_sock_set_keepcnt(sk, within(probes, KEEPALIVE_PROBES));
            helpers::sock_set_keepalive(sk);
        }
    }

    /// Lets TCP end the connection when sent data is not acknowledged for so many milliseconds. Any
    /// context.
    ///
    /// Nothing happens if it is not TCP.
    #[doc(alias = "TCP_USER_TIMEOUT")]
    pub fn set_user_timeout(&self, milliseconds: u32) {
        if let Some(sk) = self.tcp() {
            let limit = c_int::try_from(milliseconds).unwrap_or(c_int::MAX);
            // SAFETY: `tcp` gives a valid TCP socket. The value is not negative, which is all that
            // is refused.
            unsafe { helpers::tcp_sock_set_user_timeout(sk.as_ptr(), limit) };
        }
    }

    /// The protocol's half of the socket, which lives as long as `self`.
    #[inline]
    fn sock(&self) -> Option<NonNull<bindings::sock>> {
        // SAFETY: By the invariant. A family sets this before there is a file, and the last `fput`
        // clears it.
        NonNull::new(unsafe { (*self.socket.as_ptr()).sk })
    }

    /// As [`sock`](Self::sock), if it is TCP.
    fn tcp(&self) -> Option<NonNull<bindings::sock>> {
        self.sock().filter(|_| self.is_tcp())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: By the invariant, and nobody uses our reference after this.
        unsafe { bindings::fput((*self.socket.as_ptr()).file) };
    }
}

/// Which socket it is, without keeping it open: whoever closes it ends the connection, as always.
///
/// Nothing else has the identity for as long as this lives.
///
/// # Invariants
///
/// We own a reference to `sk`.
pub struct SocketIdentity {
    sk: NonNull<bindings::sock>,
    inode: c_ulong,
}

// SAFETY: It is only compared, and the reference may be given back by any thread.
unsafe impl Send for SocketIdentity {}
// SAFETY: As above.
unsafe impl Sync for SocketIdentity {}

impl SocketIdentity {
    /// The number that user space sees in `/proc/self/fd` and `fstat`.
    pub fn inode(&self) -> u64 {
        u64::try_from(self.inode).unwrap_or(0)
    }
}

impl PartialEq for SocketIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.sk == other.sk
    }
}

impl Eq for SocketIdentity {}

impl Drop for SocketIdentity {
    fn drop(&mut self) {
        // SAFETY: By the invariant, and nobody uses our reference after this.
        unsafe { helpers::usbip_helper_sock_put(self.sk.as_ptr()) };
    }
}

/// A message header that names nobody and controls nothing.
#[inline]
fn new_message() -> bindings::msghdr {
    // SAFETY: All of its fields are integers, pointers, and optional functions, for which zero is a
    // value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn count_of(parts: usize) -> Result<c_ulong> {
    Ok(c_ulong::try_from(parts)?)
}

fn within(value: u32, (least, most): (u32, u32)) -> c_int {
    c_int::try_from(value.clamp(least, most)).unwrap_or(c_int::MAX)
}
