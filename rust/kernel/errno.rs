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
    /// Protocol error.
    eproto = EPROTO;
    /// Connection reset by peer.
    econnreset = ECONNRESET;
    /// Cannot send after transport endpoint shutdown.
    eshutdown = ESHUTDOWN;
    /// Transport endpoint is not connected.
    enotconn = ENOTCONN;
    /// Connection aborted.
    econnaborted = ECONNABORTED;
    /// Remote I/O error.
    eremoteio = EREMOTEIO;
    /// Illegal byte sequence.
    eilseq = EILSEQ;
    /// Operation already in progress.
    ealready = EALREADY;
    /// Operation now in progress.
    einprogress = EINPROGRESS;
    /// No message of the desired type.
    enomsg = ENOMSG;
    /// Communication error on send.
    ecomm = ECOMM;
    /// Timer expired.
    etime = ETIME;
    /// Not a socket.
    enotsock = ENOTSOCK;
    /// Operation not supported on that kind of object.
    eopnotsupp = EOPNOTSUPP;
    /// No route to host.
    ehostunreach = EHOSTUNREACH;
    /// Operation cancelled.
    ecanceled = ECANCELED;
}

/// The negative number that C knows an error by.
#[inline]
pub fn status_of(error: Error) -> i32 {
    error.to_errno()
}
