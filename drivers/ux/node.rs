// SPDX-License-Identifier: GPL-2.0

//! A node: one open file of `/dev/usbip-ux`, for one connection.
//!
//! Lock order: [`Node::state`] is held for moments and comes before no other lock.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use usbip_core::usbip_dbg;
use usbip_kernel::{
    chardev::{
        Argument,
        OpenFile,
        Readiness, //
    },
    loan::{
        Inbox,
        Outbox, //
    },
    net::{
        Socket,
        SocketIdentity, //
    },
    process_group::ProcessGroup,
    user_bytes::{
        FromUser,
        ToUser, //
    },
    waitq::Watch, //
};
use usbip_logic::ux::{
    name,
    Command,
    Phase,
    NAME_LEN, //
};

use crate::nodes::Nodes;

struct State {
    socket: Option<SocketIdentity>,
    phase: Phase,
}

/// An open node.
#[pin_data]
pub(crate) struct Node {
    number: u64,
    group: ProcessGroup,
    nodes: Arc<Nodes>,
    #[pin]
    state: Mutex<State>,
    /// What the kernel sends.
    #[pin]
    outbox: Outbox,
    /// What the kernel receives.
    #[pin]
    inbox: Inbox,
}

impl Node {
    fn new(number: u64, nodes: Arc<Nodes>, watch: Watch) -> Result<Arc<Self>> {
        let group = ProcessGroup::of_current()?;
        Arc::pin_init(
            try_pin_init!(Self {
                number,
                group,
                nodes,
                state <- new_mutex!(
                    State {
                        socket: None,
                        phase: Phase::Waiting,
                    },
                    "ux::Node"
                ),
                outbox <- Outbox::new(watch.clone()),
                inbox <- Inbox::new(watch),
            }? Error),
            GFP_KERNEL,
        )
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Whether it was opened by a process of `group`.
    pub(crate) fn is_of(&self, group: &ProcessGroup) -> bool {
        self.group == *group
    }

    /// Whether this is the node of that socket.
    pub(crate) fn stands_for(&self, socket: &SocketIdentity) -> bool {
        self.state.lock().socket.as_ref() == Some(socket)
    }

    /// Makes this the node of a socket.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it has one.
    pub(crate) fn bind(&self, socket: SocketIdentity) -> Result {
        let mut state = self.state.lock();
        if state.socket.is_some() {
            return Err(EBUSY);
        }
        state.socket = Some(socket);
        Ok(())
    }

    /// A connection is to begin.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is one already, or there was.
    pub(crate) fn link(&self) -> Result {
        let mut state = self.state.lock();
        state.phase.link().map_err(|_| EINVAL)?;
        self.outbox.link();
        self.inbox.link();
        Ok(())
    }

    /// The connection was not to be. All who wait return. Does not wait for them.
    pub(crate) fn unlink(&self) {
        let mut state = self.state.lock();
        state.phase.unlink();
        self.outbox.unlink();
        self.inbox.unlink();
    }

    /// Ends the connection, or rules it out. All who wait return. Does not wait for them.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        if state.phase.end() {
            usbip_dbg!(Ux, "node {}: ends\n", self.number);
        }
        self.outbox.unlink();
        self.inbox.unlink();
    }

    fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// The number of the socket's inode, or none.
    fn inode(&self) -> u64 {
        let state = self.state.lock();
        state.socket.as_ref().map_or(0, SocketIdentity::inode)
    }

    fn set_socket(&self, fd: i32) -> Result {
        let socket = Socket::from_fd(fd).map_err(|_| EINVAL)?;
        if !socket.is_stream() || !socket.is_connected() {
            return Err(EINVAL);
        }
        self.nodes.bind(self, &socket)?;
        usbip_dbg!(Ux, "node {}: socket {}\n", self.number, self.inode());
        Ok(())
    }
}

impl OpenFile for Node {
    type Shared = Nodes;

    fn open(nodes: &Arc<Nodes>, watch: Watch) -> Result<Arc<Self>> {
        nodes.add(|number| Self::new(number, nodes.clone(), watch))
    }

    fn close(&self) {
        self.nodes.remove(self);
        self.end();
    }

    fn read(&self, to: &mut ToUser<'_, '_>, nonblocking: bool) -> Result<usize> {
        self.outbox.read(to, nonblocking)
    }

    fn write(&self, from: &mut FromUser<'_, '_>, nonblocking: bool) -> Result<usize> {
        self.inbox.write(from, nonblocking)
    }

    fn ioctl(&self, command: u32, argument: Argument) -> Result {
        match Command::from_number(command).ok_or(EINVAL)? {
            Command::SetSocket => self.set_socket(argument.number()),
            Command::Interrupt => {
                self.end();
                Ok(())
            }
            Command::InterruptGroup => {
                self.nodes.end_group(&ProcessGroup::of_current()?);
                Ok(())
            }
            Command::Names => {
                let mut names = [0; 2 * NAME_LEN];
                let (node, socket) = names.split_at_mut(NAME_LEN);
                node.copy_from_slice(&name(self.number));
                socket.copy_from_slice(&name(self.inode()));
                argument.write(&names)
            }
        }
    }

    fn poll(&self) -> Readiness {
        match self.phase() {
            Phase::Waiting => Readiness::default(),
            Phase::Linked => Readiness {
                readable: self.outbox.is_full(),
                writable: self.inbox.is_open(),
                hung_up: false,
            },
            Phase::Ended => Readiness {
                hung_up: true,
                ..Readiness::default()
            },
        }
    }
}
