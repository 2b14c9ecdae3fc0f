// SPDX-License-Identifier: GPL-2.0

//! The descriptor of one packet of an isochronous transfer.
//!
//! Offsets and lengths are passed on as the peer sent them; `usbip_logic::iso` judges them.

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

use crate::Status;

/// The length of a packet descriptor on the wire.
pub const ISO_DESC_LEN: usize = 16;

/// The largest number of packets that a transfer may have.
#[doc(alias = "USBIP_MAX_ISO_PACKETS")]
pub const MAX_ISO_PACKETS: u16 = 1024;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    offset: U32,
    length: U32,
    actual_length: U32,
    status: I32,
}

const _: () = assert!(size_of::<Wire>() == ISO_DESC_LEN);

/// One packet of an isochronous transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(alias = "usbip_iso_packet_descriptor")]
pub struct IsoPacket {
    /// Where the packet starts in the buffer of the transfer.
    pub offset: u32,
    /// The bytes that it may take there.
    pub length: u32,
    /// The bytes that were moved.
    pub actual_length: u32,
    /// How it ended, as it stands on the wire: see [`Status::normalise`].
    pub status: Status,
}

impl IsoPacket {
    /// Reads a descriptor.
    pub fn decode(bytes: &[u8; ISO_DESC_LEN]) -> Self {
        let wire: Wire = transmute!(*bytes);
        Self {
            offset: wire.offset.get(),
            length: wire.length.get(),
            actual_length: wire.actual_length.get(),
            status: Status::from_raw(wire.status.get()),
        }
    }

    /// Returns the descriptor as it goes over the wire.
    pub fn encode(&self) -> [u8; ISO_DESC_LEN] {
        transmute!(Wire {
            offset: self.offset.into(),
            length: self.length.into(),
            actual_length: self.actual_length.into(),
            status: self.status.get().into(),
        })
    }
}
