// SPDX-License-Identifier: GPL-2.0

//! The eight bytes that every management PDU starts with.
//!
//! Never accepts another version of the protocol than [`VERSION`].

use core::fmt;

use zerocopy::{
    big_endian::{
        U16,
        U32, //
    },
    transmute, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use crate::VERSION;

/// The length of the start of every management PDU.
pub const OP_COMMON_LEN: usize = 8;

/// The bit of the code that tells a request from a reply.
const REQUEST: u16 = 0x8000;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    version: U16,
    code: U16,
    status: U32,
}

const _: () = assert!(size_of::<Wire>() == OP_COMMON_LEN);

/// What a management PDU is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpCode {
    /// Details of a device; never implemented anywhere.
    DevInfo,
    /// Importing a device.
    Import,
    /// Keys for encryption; never implemented anywhere.
    CryptKey,
    /// The list of exported devices.
    DevList,
    /// Exporting a device to the peer; proposed, not part of Linux's usbipd.
    Export,
    /// Taking back an exported device; proposed, not part of Linux's usbipd.
    Unexport,
}

impl OpCode {
    /// Returns the number without the request bit.
    pub const fn number(self) -> u16 {
        match self {
            Self::DevInfo => 0x02,
            Self::Import => 0x03,
            Self::CryptKey => 0x04,
            Self::DevList => 0x05,
            Self::Export => 0x06,
            Self::Unexport => 0x07,
        }
    }

    /// Reads a number without the request bit.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            0x02 => Some(Self::DevInfo),
            0x03 => Some(Self::Import),
            0x04 => Some(Self::CryptKey),
            0x05 => Some(Self::DevList),
            0x06 => Some(Self::Export),
            0x07 => Some(Self::Unexport),
            _ => None,
        }
    }
}

/// How a management request ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpStatus {
    /// Done.
    #[doc(alias = "ST_OK")]
    Ok,
    /// Failed, for no reason given.
    #[doc(alias = "ST_NA")]
    NotAvailable,
    /// The device is exported to someone already.
    #[doc(alias = "ST_DEV_BUSY")]
    DeviceBusy,
    /// The device is out of order.
    #[doc(alias = "ST_DEV_ERR")]
    DeviceError,
    /// There is no such device.
    #[doc(alias = "ST_NODEV")]
    NoDevice,
    /// The request was not understood.
    #[doc(alias = "ST_ERROR")]
    Error,
    /// A number that this version does not know.
    Unknown(u32),
}

impl OpStatus {
    /// Reads the number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::NotAvailable,
            2 => Self::DeviceBusy,
            3 => Self::DeviceError,
            4 => Self::NoDevice,
            5 => Self::Error,
            other => Self::Unknown(other),
        }
    }

    /// Returns the number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::NotAvailable => 1,
            Self::DeviceBusy => 2,
            Self::DeviceError => 3,
            Self::NoDevice => 4,
            Self::Error => 5,
            Self::Unknown(other) => other,
        }
    }
}

/// The words of the tools, which scripts look for.
impl fmt::Display for OpStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "Request Completed Successfully",
            Self::NotAvailable => "Request Failed",
            Self::DeviceBusy => "Device busy (exported)",
            Self::DeviceError => "Device in error state",
            Self::NoDevice => "Device not found",
            Self::Error => "Unexpected response",
            Self::Unknown(_) => "Unknown Opcode Status",
        })
    }
}

/// The start of a management PDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "op_common")]
pub struct OpCommon {
    /// Whether this is a request, not a reply.
    pub request: bool,
    /// What it is about.
    pub code: OpCode,
    /// How the request ended; a request says [`OpStatus::Ok`].
    pub status: OpStatus,
}

/// Why the start of a management PDU has no meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpError {
    /// The peer speaks another version.
    Version(u16),
    /// The code is unknown.
    Code(u16),
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "unsupported version {version:#06x}"),
            Self::Code(code) => write!(f, "unknown code {code:#06x}"),
        }
    }
}

impl core::error::Error for OpError {}

impl OpCommon {
    /// Makes the start of a request.
    pub const fn request(code: OpCode) -> Self {
        Self {
            request: true,
            code,
            status: OpStatus::Ok,
        }
    }

    /// Makes the start of a reply.
    pub const fn reply(code: OpCode, status: OpStatus) -> Self {
        Self {
            request: false,
            code,
            status,
        }
    }

    /// Reads the start of a PDU.
    ///
    /// # Errors
    ///
    /// [`OpError`] if version or code are unknown.
    pub fn decode(bytes: &[u8; OP_COMMON_LEN]) -> Result<Self, OpError> {
        let wire: Wire = transmute!(*bytes);
        let version = wire.version.get();
        if version != VERSION {
            return Err(OpError::Version(version));
        }
        let code = wire.code.get();
        Ok(Self {
            request: code & REQUEST != 0,
            code: OpCode::from_number(code & !REQUEST).ok_or(OpError::Code(code))?,
            status: OpStatus::from_number(wire.status.get()),
        })
    }

    /// Returns the start of the PDU as it goes over the wire.
    pub fn encode(&self) -> [u8; OP_COMMON_LEN] {
        let number = self.code.number();
        let code = if self.request {
            number | REQUEST
        } else {
            number
        };
        transmute!(Wire {
            version: VERSION.into(),
            code: code.into(),
            status: self.status.number().into(),
        })
    }
}
