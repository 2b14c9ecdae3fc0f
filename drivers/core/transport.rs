// SPDX-License-Identifier: GPL-2.0

//! What carries the PDUs of one connection, chosen when the connection is made.
//!
//! There is no switch for the whole system: [`open`] decides for the file descriptor that it is
//! given, and the session only ever sees the trait.

use core::ops::Deref;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_kernel::{
    iovec::{
        ReadVec,
        WriteVec, //
    },
    kthread::ShouldStop,
    module_ref::ModuleRef,
    net::Socket,
    time::Timeout, //
};

use crate::{
    params,
    patience::stall_period,
    provider,
    Fault, //
};

/// What a call of [`Source::receive`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// That many bytes, at least one.
    Bytes(usize),
    /// Nothing for a while.
    Nothing,
    /// The peer closed its side; nothing more will come.
    End,
}

/// How long a peer may say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// As long as it likes.
    Free,
    /// That is counted, in periods of [`stall_period`].
    Counted,
}

/// Where the next bytes come from.
pub trait Source {
    /// Receives at least one byte into `into`, from its start, as soon as there is one.
    ///
    /// [`Progress::Nothing`] after each period, or more often, if the silence is counted.
    ///
    /// # Errors
    ///
    /// [`Fault::Transport`] with the error of the socket.
    fn receive(&mut self, into: &mut ReadVec<'_>, silence: Silence) -> Result<Progress, Fault>;
}

/// The receiving half of a connection, as transports see it: it takes bytes and carries out what
/// they say.
///
/// It belongs to whoever holds it exclusively; that need not be the thread that it was made for.
pub trait Machine: Send {
    /// Takes what one call of `source` brings. May sleep.
    ///
    /// # Errors
    ///
    /// The fault of the source, or why the bytes end the connection. The machine is then of no use
    /// any more.
    fn step(&mut self, source: &mut dyn Source) -> Result<Progress, Fault>;

    /// Sees whether the peer has stalled; to be called every [`stall_period`] while nothing comes.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`Fault::Stalled`] if it has.
    fn look(&mut self) -> Result<(), Fault>;

    /// Whether the last PDU is complete.
    fn at_boundary(&self) -> bool;
}

/// What ends a connection whose stream ends here.
pub fn fault_at_end(machine: &dyn Machine) -> Fault {
    if machine.at_boundary() {
        Fault::Closed
    } else {
        Fault::Truncated
    }
}

/// What [`Transport::send`] does when the peer does not take all of it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It leaves the rest.
    None,
    /// It waits for a [`stall_period`].
    Period,
}

/// A byte stream to the peer, with one receiving and one sending thread.
///
/// All methods may sleep. Dropping a transport gives its file back and does *not* shut the stream
/// down: a descriptor that was refused stays usable for the process that owns it.
pub trait Transport: Send + Sync {
    /// Gives `machine` all that is received, until the connection ends or the thread is told to
    /// stop; it is told after [`shut_down`](Self::shut_down) only.
    ///
    /// Returns why; `None` if it was told to stop.
    fn receive(&self, machine: &mut dyn Machine, stop: &ShouldStop) -> Option<Fault>;

    /// Sends `frame` without its first `skip` bytes, of which there are more, as far as the peer takes it;
    /// gives how many bytes that were. Only one thread at a time may do so.
    ///
    /// # Errors
    ///
    /// [`Fault::Transport`] with the error of the socket.
    fn send(&self, frame: &WriteVec<'_>, skip: usize, wait: Wait) -> Result<usize, Fault>;

    /// Ends the stream in both directions and wakes the receiver and the sender.
    ///
    /// May be called by any task, and more than once.
    fn shut_down(&self);
}

/// A transport, with the module that its code is in, which cannot be unloaded meanwhile.
#[derive(Clone)]
pub struct Carrier {
    // First: the module may be unloaded as soon as the reference to it is gone.
    transport: Arc<dyn Transport>,
    _module: Option<ModuleRef>,
}

impl Carrier {
    /// `module` is whose code `transport` is, unless that is this module.
    pub(crate) fn new(transport: Arc<dyn Transport>, module: Option<ModuleRef>) -> Self {
        Self {
            transport,
            _module: module,
        }
    }
}

impl Deref for Carrier {
    type Target = dyn Transport;

    fn deref(&self) -> &Self::Target {
        &*self.transport
    }
}

/// Takes over the stream socket behind the file descriptor `fd` of the current process.
///
/// The family is not looked at: TCP, kTLS, AF_UNIX and vsock all serve. If a module has a claim to
/// the socket, it carries the connection; the socket then only says which connection that is.
///
/// # Errors
///
/// `EINVAL` if `fd` is not open, is not a socket, or is not a stream socket, or if its owner cannot
/// carry a connection now; `ENOMEM`.
pub fn open(fd: i32) -> Result<Carrier> {
    let socket = Socket::from_fd(fd).map_err(|_| EINVAL)?;
    if !socket.is_stream() {
        return Err(EINVAL);
    }
    if let Some(carrier) = provider::claimed(&socket)? {
        return Ok(carrier);
    }
    socket.set_noio();
    watch_link(&socket, params::LINK_TIMEOUT.get_u32());
    let period = stall_period().into();
    let transport = Arc::new(KernelSocket { socket, period }, GFP_KERNEL)?;
    Ok(Carrier::new(transport, None))
}

/// Lets TCP notice within `seconds` that the peer has vanished; 0 leaves the socket alone.
///
/// Keepalive finds a dead peer on an idle link, the user timeout one that owes acknowledgements.
/// After half of the time three probes are sent, so that two of them may get lost.
fn watch_link(socket: &Socket, seconds: u32) {
    const PROBES: u32 = 3;

    if seconds == 0 || !socket.is_tcp() {
        return;
    }
    let idle = (seconds / 2).max(1);
    let interval = ((seconds - seconds / 2) / PROBES).max(1);
    socket.set_keepalive(idle, interval, PROBES);
    socket.set_user_timeout(seconds.saturating_mul(1000));
}

/// The transport of nearly every connection: the kernel reads and writes the socket itself.
struct KernelSocket {
    socket: Socket,
    period: Timeout,
}

impl Source for &KernelSocket {
    fn receive(&mut self, into: &mut ReadVec<'_>, silence: Silence) -> Result<Progress, Fault> {
        // A wait with an end takes a timer.
        let timeout = match silence {
            Silence::Free => Timeout::NEVER,
            Silence::Counted => self.period,
        };
        match self.socket.receive(into, timeout) {
            Ok(0) => Ok(Progress::End),
            Ok(count) => Ok(Progress::Bytes(count)),
            Err(error) if error == EAGAIN => Ok(Progress::Nothing),
            Err(error) => Err(Fault::Transport(error)),
        }
    }
}

impl Transport for KernelSocket {
    fn receive(&self, machine: &mut dyn Machine, stop: &ShouldStop) -> Option<Fault> {
        let mut source = self;
        while !stop.get() {
            match machine.step(&mut source) {
                Ok(Progress::Bytes(_) | Progress::Nothing) => {}
                Ok(Progress::End) => return Some(fault_at_end(machine)),
                Err(fault) => return Some(fault),
            }
        }
        None
    }

    fn send(&self, frame: &WriteVec<'_>, skip: usize, wait: Wait) -> Result<usize, Fault> {
        let timeout = match wait {
            Wait::None => None,
            Wait::Period => Some(self.period),
        };
        self.socket
            .send(frame, skip, timeout)
            .map_err(Fault::Transport)
    }

    fn shut_down(&self) {
        self.socket.shut_down();
    }
}
