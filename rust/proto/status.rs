// SPDX-License-Identifier: GPL-2.0

//! The result of a transfer, a negative errno of Linux.
//!
//! Never a `Result`: a transfer that ended with an error is data to pass on, not a failure of ours.

use core::fmt;

/// How a transfer, a packet of it, or its cancelling ended: 0 or a negative errno.
///
/// On the wire stands the number of the exporting host's architecture. All that USB/IP is used on
/// share the numbers below.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Status(i32);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $errno:literal,)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self($errno);)*

            /// Returns the name of the errno, if it is one that this crate knows.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($errno => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// Success.
    OK = 0,
    /// The transfer was killed, or there is no such endpoint.
    NOENT = -2,
    /// No memory.
    NOMEM = -12,
    /// The device is busy.
    BUSY = -16,
    /// Some packets of an isochronous transfer are incomplete.
    XDEV = -18,
    /// The device is gone.
    NODEV = -19,
    /// The request makes no sense.
    INVAL = -22,
    /// No bandwidth left on the bus.
    NOSPC = -28,
    /// The endpoint is stalled.
    PIPE = -32,
    /// The lengths of setup packet and buffer of a control transfer differ.
    BADR = -53,
    /// A device did not answer within the time of the bus.
    TIME = -62,
    /// The host could not keep up with the device.
    COMM = -70,
    /// A protocol error, on the bus or of the peer.
    PROTO = -71,
    /// The device sent more than the buffer takes.
    OVERFLOW = -75,
    /// A checksum or bit stuffing error on the bus.
    ILSEQ = -84,
    /// A length is invalid or too large.
    MSGSIZE = -90,
    /// The transfer was unlinked.
    CONNRESET = -104,
    /// The device or its controller is shut down.
    SHUTDOWN = -108,
    /// A timeout.
    TIMEDOUT = -110,
    /// The device is asleep.
    HOSTUNREACH = -113,
    /// The transfer is still under way; never a result.
    INPROGRESS = -115,
    /// The device sent less than was asked for, and that counts as an error.
    REMOTEIO = -121,
}

impl Status {
    /// The largest errno that the kernel knows.
    const MAX_ERRNO: i32 = 4095;

    /// Wraps a number, from the wire or from a finished transfer.
    pub const fn from_raw(errno: i32) -> Self {
        Self(errno)
    }

    /// Returns the number.
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Returns whether this is success.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Makes a status from the wire safe to hand to a driver.
    ///
    /// A number that is no errno, and "in progress", become [`Status::PROTO`].
    #[must_use]
    pub const fn normalise(self) -> Self {
        if self.0 > 0 || self.0 < -Self::MAX_ERRNO || self.0 == Self::INPROGRESS.0 {
            Self::PROTO
        } else {
            self
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
