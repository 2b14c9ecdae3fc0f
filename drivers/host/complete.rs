// SPDX-License-Identifier: GPL-2.0

//! What happens when a controller gives a request back, in atomic context.
//!
//! As little as possible: it is queued for the sending thread, which does the rest.

use usbip_usb::{
    Complete,
    Completed,
    Urb, //
};

use crate::request::Request;

impl Complete for Request {
    fn complete(mut urb: Urb<Completed, Self>) {
        // From here on the URB is in no hand that could give it back again, so that it needs the
        // way there no more; and in the outbox it must not keep the outbox alive.
        if let Some(wire) = urb.context_mut().take_wire() {
            wire.completed(urb);
        }
    }
}
