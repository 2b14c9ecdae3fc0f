// SPDX-License-Identifier: GPL-2.0

//! USB device controllers, for any driver: the endpoints that gadget drivers use, the requests that they queue, and
//! the way back to them.
//!
//! It must never hold policy: what a host asks for and when a request ends is up to the driver. A request that a
//! gadget driver has queued is owned by exactly one value at any time, and only that value can give it back.

#![crate_name = "usbip_gadget"]
#![deny(clippy::undocumented_unsafe_blocks)]

mod bindings;
mod callbacks;
mod controller;
mod endpoint;
mod ops;
mod request;

pub use crate::{
    callbacks::{
        Callbacks,
        State, //
    },
    controller::{
        Device,
        Registered,
        Unregistered, //
    },
    endpoint::{
        Endpoint,
        EndpointConfig,
        ENDPOINTS, //
    },
    ops::{
        Controller,
        Halt,
        Refused, //
    },
    request::{
        Front,
        Request,
        RequestId,
        RequestQueue, //
    },
};

/// What this crate's own messages begin with: the module that it is linked into.
const __LOG_PREFIX: &[u8] = b"usbip_vudc\0";
