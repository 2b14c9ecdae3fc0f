// SPDX-License-Identifier: GPL-2.0

//! Debug messages, gated by the bits of `usbip_debug_flag`.
//!
//! The flag is one for all modules. It can be set when usbip-core is loaded, in
//! `/sys/module/usbip_core/parameters/usbip_debug_flag` (decimal), and through the `usbip_debug`
//! files of the drivers (hexadecimal).

use core::fmt::Write;

use kernel::prelude::*;

use usbip_kernel::sysfs::PageWriter;
use usbip_proto::sysfs_text::parse_debug_flags;

use crate::params;

/// A class of debug messages; the value is its bit in the flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// PDUs on the wire.
    Xmit = 0,
    /// Reads and writes of sysfs files.
    Sysfs = 1,
    /// URBs.
    Urb = 2,
    /// Connections that begin and end.
    Event = 3,
    /// Root hub requests.
    RootHub = 8,
    /// Devices and controllers.
    Device = 9,
    /// The receiving threads.
    Rx = 10,
    /// The sending threads.
    Tx = 11,
    /// Connections that user space carries.
    Ux = 13,
}

/// Whether messages of `class` are wanted.
#[inline]
pub fn enabled(class: Class) -> bool {
    // CAST: a class is the number of its bit, 13 at most.
    params::DEBUG_FLAG.get() & (1_u64 << (class as u32)) != 0
}

/// Writes the flag as the `usbip_debug` files show it.
///
/// # Errors
///
/// `EOVERFLOW` if `out` is full.
pub fn show(out: &mut PageWriter<'_>) -> Result {
    writeln!(out, "{:x}", params::DEBUG_FLAG.get()).map_err(|_| EOVERFLOW)
}

/// Sets the flag from what was written to a `usbip_debug` file.
///
/// # Errors
///
/// `EINVAL` if `text` does not begin with a hexadecimal number.
pub fn store(text: &[u8]) -> Result {
    params::DEBUG_FLAG.set(parse_debug_flags(text).ok_or(EINVAL)?)
}

/// Prints a message of a debug class, if that class is wanted.
#[macro_export]
macro_rules! usbip_dbg {
    ($class:ident, $($arg:tt)*) => {
        if $crate::debug::enabled($crate::debug::Class::$class) {
            ::kernel::print_macro!(::kernel::print::format_strings::DEBUG, false, $($arg)*);
        }
    };
}
