// SPDX-License-Identifier: GPL-2.0

//! usbip-ux: connections whose bytes a process carries.
//!
//! A process opens `/dev/usbip-ux` and says which socket its [`Node`] stands for. When that socket
//! is handed to a device or a port, `usbip_core` finds the node among the [`Nodes`] and connects it
//! instead of the socket; sockets without a node are none of this module's business.
//!
//! Nothing is buffered here. What the kernel sends is copied to the process from where it lies, and
//! what the process writes is taken by the receiving machine itself, run by the process.
//!
//! [`Node`]: crate::node::Node
//! [`Nodes`]: crate::nodes::Nodes

#![crate_name = "usbip_ux"]
#![forbid(unsafe_code)]

mod carry;
mod node;
mod nodes;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_core::ProviderRegistration;
use usbip_kernel::chardev::Registration;

use crate::{
    node::Node,
    nodes::Nodes, //
};

module! {
    type: Module,
    name: "usbip_ux",
    authors: ["The USB/IP in Rust authors"],
    description: "USB/IP Userspace Transport",
    license: "GPL",
}

usbip_kernel::modinfo! {
    "version" = "0.1.0",
}

/// What the module owns; unloading it drops the fields in this order.
struct Module {
    _device: Registration<Node>,
    _provider: ProviderRegistration,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let nodes: Arc<Nodes> = Arc::pin_init(Nodes::new(), GFP_KERNEL)?;
        let provider = ProviderRegistration::new(nodes.clone(), module)?;
        // Last: from then on there are users.
        let device = Registration::new(c"usbip", c"usbip-ux", nodes, module)?;
        Ok(Self {
            _device: device,
            _provider: provider,
        })
    }
}
