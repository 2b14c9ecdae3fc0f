// SPDX-License-Identifier: GPL-2.0

//! The nodes that are open.
//!
//! Lock order: the lock of the list comes before those of the nodes.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use usbip_core::{
    Provider,
    Transport, //
};
use usbip_kernel::{
    net::Socket,
    process_group::ProcessGroup, //
};

use crate::{
    carry::Carried,
    node::Node, //
};

struct List {
    open: KVec<Arc<Node>>,
    /// How many there have been.
    count: u64,
}

/// All open nodes.
#[pin_data]
pub(crate) struct Nodes {
    #[pin]
    list: Mutex<List>,
}

impl Nodes {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_mutex!(
                List {
                    open: KVec::new(),
                    count: 0,
                },
                "ux::Nodes"
            ),
        })
    }

    /// Adds the node that `make` makes of its number.
    ///
    /// # Errors
    ///
    /// Those of `make`; `ENOMEM`.
    pub(crate) fn add(&self, make: impl FnOnce(u64) -> Result<Arc<Node>>) -> Result<Arc<Node>> {
        let mut list = self.list.lock();
        let number = list.count.wrapping_add(1);
        let node = make(number)?;
        list.open.push(node.clone(), GFP_KERNEL)?;
        list.count = number;
        Ok(node)
    }

    /// Forgets a node.
    pub(crate) fn remove(&self, node: &Node) {
        let mut list = self.list.lock();
        list.open.retain(|other| other.number() != node.number());
        if list.open.is_empty() {
            list.open = KVec::new();
        }
    }

    /// Lets `node` stand for `socket`, which no other node may do.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the node has a socket, or the socket a node; `EINVAL` if nothing is behind it.
    pub(crate) fn bind(&self, node: &Node, socket: &Socket) -> Result {
        let identity = socket.identity()?;
        let list = self.list.lock();
        if list.open.iter().any(|other| other.stands_for(&identity)) {
            return Err(EBUSY);
        }
        node.bind(identity)
    }

    /// Ends the connections of all nodes that `group` has opened.
    pub(crate) fn end_group(&self, group: &ProcessGroup) {
        let list = self.list.lock();
        for node in list.open.iter().filter(|node| node.is_of(group)) {
            node.end();
        }
    }
}

impl Provider for Nodes {
    fn claim(&self, socket: &Socket) -> Result<Option<Arc<dyn Transport>>> {
        let list = self.list.lock();
        if list.open.is_empty() {
            return Ok(None);
        }
        let identity = socket.identity()?;
        match list.open.iter().find(|node| node.stands_for(&identity)) {
            Some(node) => Ok(Some(Arc::new(Carried::link(node)?, GFP_KERNEL)?)),
            None => Ok(None),
        }
    }
}
