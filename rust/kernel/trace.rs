// SPDX-License-Identifier: GPL-2.0

//! The tracepoints of `include/trace/events/usbip.h`.
//!
//! A tracepoint that is off costs one jump that is not taken.

use kernel::jump_label::static_branch_unlikely;

use crate::bindings;

/// Which driver an event comes from; the value is that of the events' `role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Role {
    /// The exporting side.
    Host = 0,
    /// The importing side.
    Vhci = 1,
    /// The exporting side of a device made in software.
    Vudc = 2,
}

/// Declares a safe function that fires a tracepoint.
macro_rules! event {
    ($(#[$attr:meta])* $name:ident, $tracepoint:ident, $call:ident, ($($arg:ident: $type:ty),*)) => {
        $(#[$attr])*
        #[inline(always)]
        pub fn $name(role: Role, $($arg: $type),*) {
            // SAFETY: This is the static key of a tracepoint that events.c defines.
            if unsafe {
                static_branch_unlikely!(
                    bindings::$tracepoint,
                    kernel::bindings::tracepoint,
                    key
                )
            } {
                // SAFETY: The function takes plain numbers, in any context.
                // CAST: The enum is one of `u32`.
                unsafe { bindings::$call(role as u32, $($arg),*) };
            }
        }
    };
}

event! {
    /// A request is passed on: to the device, or to the peer.
    submit, __tracepoint_usbip_submit, rust_do_trace_usbip_submit,
    (devid: u32, seqnum: u32, endpoint: u32, direction: u32, length: i32)
}

event! {
    /// The answer to a request is passed on: to the peer, or to the driver that made it.
    returned, __tracepoint_usbip_return, rust_do_trace_usbip_return,
    (devid: u32, seqnum: u32, endpoint: u32, direction: u32, length: i32, status: i32)
}

event! {
    /// A request is to be taken back.
    unlink, __tracepoint_usbip_unlink, rust_do_trace_usbip_unlink,
    (devid: u32, seqnum: u32, victim: u32, status: i32)
}

event! {
    /// A session goes from one state to another.
    session_state, __tracepoint_usbip_session_state, rust_do_trace_usbip_session_state,
    (devid: u32, from: u32, to: u32)
}
