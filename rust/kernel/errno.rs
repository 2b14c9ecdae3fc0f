// SPDX-License-Identifier: GPL-2.0

//! The error codes that the kernel crate does not name.
//!
//! It must never be used for what travels in a protocol: such numbers are data, not errors of ours.

use kernel::{
    bindings,
    error::Error,
    ffi::c_int, //
};

macro_rules! errno {
    ($($(#[$attr:meta])* $name:ident = $code:ident;)*) => {$(
        #[doc = concat!("`", stringify!($code), "`:")]
        $(#[$attr])*
        #[inline]
        pub fn $name() -> Error {
            // CAST: Error codes are small positive numbers.
            Error::from_errno(-(bindings::$code as c_int))
        }
    )*};
}

errno! {
    /// Cannot send after transport endpoint shutdown.
    eshutdown = ESHUTDOWN;
    /// No route to host.
    ehostunreach = EHOSTUNREACH;
}
