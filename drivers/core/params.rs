// SPDX-License-Identifier: GPL-2.0

//! The parameters of usbip-core, which hold for all of the modules.

use kernel::time::Delta;

use usbip_kernel::module_param;

module_param! {
    /// The classes of debug messages that are printed; see [`crate::debug`].
    pub(crate) static DEBUG_FLAG = 0, in 0..=u64::MAX, mode 0o644;
    "usbip_debug_flag": "ulong", "debug messages to print, one bit a class (default 0)"
}

module_param! {
    /// Seconds until a TCP peer that has vanished is given up; 0 leaves the socket as it is.
    pub(crate) static LINK_TIMEOUT = 50, in 0..=3600, mode 0o644;
    "link_timeout": "uint",
    "seconds until a TCP peer that vanished is given up, 0 to leave the socket alone (0 to 3600, default 50)"
}

module_param! {
    /// Seconds that a peer may stop in the middle of a PDU, or keep somebody waiting who gives a
    /// transfer up; 0 lets it do so for ever.
    pub(crate) static STALL_TIMEOUT = 60, in 0..=3600, mode 0o644;
    "stall_timeout": "uint",
    "seconds that a peer may stop in the middle of a PDU or leave an unlink unanswered, 0 for ever (0 to 3600, default 60)"
}

/// How long a peer may stop in the middle of a PDU, or leave an unlink unanswered; nothing if it may
/// for ever.
pub(crate) fn stall_limit() -> Option<Delta> {
    match STALL_TIMEOUT.get_u32() {
        0 => None,
        seconds => Some(Delta::from_secs(i64::from(seconds))),
    }
}
