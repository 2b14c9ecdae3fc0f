// SPDX-License-Identifier: GPL-2.0

//! The layout of the 48 byte header that every PDU of a running connection starts with.
//!
//! Byte order is part of the field types, so a field cannot be read in the wrong one. Values are
//! not judged here: `pdu` turns these structures into types that hold only what makes sense.

use zerocopy::{
    big_endian::{
        I32,
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

/// The length of the header of every PDU of a running connection.
pub const HEADER_LEN: usize = 48;

const BODY_LEN: usize = 28;

/// What the four commands have in common, and the bytes in which they differ.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[doc(alias = "usbip_header_basic")]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) command: U32,
    pub(crate) seqnum: U32,
    pub(crate) devid: U32,
    pub(crate) direction: U32,
    pub(crate) endpoint: U32,
    pub(crate) body: [u8; BODY_LEN],
}

/// The rest of a submission.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[doc(alias = "usbip_header_cmd_submit")]
#[repr(C)]
pub(crate) struct SubmitBody {
    pub(crate) flags: U32,
    pub(crate) length: I32,
    pub(crate) start_frame: I32,
    pub(crate) packets: I32,
    pub(crate) interval: I32,
    pub(crate) setup: [u8; 8],
}

/// The rest of the answer to a submission.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[doc(alias = "usbip_header_ret_submit")]
#[repr(C)]
pub(crate) struct SubmittedBody {
    pub(crate) status: I32,
    pub(crate) actual_length: I32,
    pub(crate) start_frame: I32,
    pub(crate) packets: I32,
    pub(crate) error_count: I32,
    pub(crate) padding: [u8; 8],
}

/// The rest of an unlink.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[doc(alias = "usbip_header_cmd_unlink")]
#[repr(C)]
pub(crate) struct UnlinkBody {
    pub(crate) target: U32,
    pub(crate) padding: [u8; 24],
}

/// The rest of the answer to an unlink.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[doc(alias = "usbip_header_ret_unlink")]
#[repr(C)]
pub(crate) struct UnlinkedBody {
    pub(crate) status: I32,
    pub(crate) padding: [u8; 24],
}

const _: () = {
    assert!(size_of::<Header>() == HEADER_LEN);
    assert!(size_of::<SubmitBody>() == BODY_LEN);
    assert!(size_of::<SubmittedBody>() == BODY_LEN);
    assert!(size_of::<UnlinkBody>() == BODY_LEN);
    assert!(size_of::<UnlinkedBody>() == BODY_LEN);
};

impl Header {
    pub(crate) fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        transmute!(*bytes)
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        transmute!(self)
    }

    pub(crate) fn submit(&self) -> SubmitBody {
        transmute!(self.body)
    }

    pub(crate) fn submitted(&self) -> SubmittedBody {
        transmute!(self.body)
    }

    pub(crate) fn unlink(&self) -> UnlinkBody {
        transmute!(self.body)
    }

    pub(crate) fn unlinked(&self) -> UnlinkedBody {
        transmute!(self.body)
    }
}

impl SubmitBody {
    pub(crate) fn to_bytes(self) -> [u8; BODY_LEN] {
        transmute!(self)
    }
}

impl SubmittedBody {
    pub(crate) fn to_bytes(self) -> [u8; BODY_LEN] {
        transmute!(self)
    }
}

impl UnlinkBody {
    pub(crate) fn to_bytes(self) -> [u8; BODY_LEN] {
        transmute!(self)
    }
}

impl UnlinkedBody {
    pub(crate) fn to_bytes(self) -> [u8; BODY_LEN] {
        transmute!(self)
    }
}
