// SPDX-License-Identifier: GPL-2.0

//! The transfer flags on the wire, and which of them one side believes of the other.
//!
//! Never lets a flag through that speaks of the memory of the host that is to use it.

use crate::{
    Direction,
    TransferKind, //
};

/// The `transfer_flags` of a submission.
///
/// The numbers are those of the kernel's `URB_*` flags, which they were taken from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TransferFlags(u32);

impl TransferFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// A short read is an error.
    #[doc(alias = "URB_SHORT_NOT_OK")]
    pub const SHORT_NOT_OK: Self = Self(0x0001);
    /// Start an isochronous transfer as soon as possible.
    #[doc(alias = "URB_ISO_ASAP")]
    pub const ISO_ASAP: Self = Self(0x0002);
    /// The sender's buffer has a DMA address already. Poison when believed.
    #[doc(alias = "URB_NO_TRANSFER_DMA_MAP")]
    pub const NO_TRANSFER_DMA_MAP: Self = Self(0x0004);
    /// End a write with a packet that is not full, an empty one if needed.
    #[doc(alias = "URB_ZERO_PACKET")]
    pub const ZERO_PACKET: Self = Self(0x0040);
    /// A hint: no interrupt is needed when this transfer ends.
    #[doc(alias = "URB_NO_INTERRUPT")]
    pub const NO_INTERRUPT: Self = Self(0x0080);
    /// The sender's buffer is to be freed with its URB. Poison when believed.
    #[doc(alias = "URB_FREE_BUFFER")]
    pub const FREE_BUFFER: Self = Self(0x0100);
    /// The transfer reads from the device.
    #[doc(alias = "URB_DIR_IN")]
    pub const DIR_IN: Self = Self(0x0200);
    /// The sender's buffer is a scatter-gather list: a hint that the transfer is large.
    #[doc(alias = "URB_DMA_MAP_SG")]
    pub const DMA_MAP_SG: Self = Self(0x0004_0000);

    /// What of the flags of an URB is worth sending; the rest is about the sender's memory.
    const SENT: u32 = Self::SHORT_NOT_OK.0
        | Self::ISO_ASAP.0
        | Self::ZERO_PACKET.0
        | Self::NO_INTERRUPT.0
        | Self::DIR_IN.0;

    /// Takes the field as it stands on the wire, every bit of it.
    pub const fn from_wire(flags: u32) -> Self {
        Self(flags)
    }

    /// Makes the flags to send for an URB, where `scattered` says that its buffer is a
    /// scatter-gather list.
    pub const fn from_urb(urb_flags: u32, scattered: bool) -> Self {
        let sent = Self(urb_flags & Self::SENT);
        if scattered {
            sent.with(Self::DMA_MAP_SG)
        } else {
            sent
        }
    }

    /// Returns the flags as a number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns whether all of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the flags of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns what an exporting host may hand to its own controller: exactly the flags that
    /// usbcore allows for such a transfer, and none about memory.
    #[must_use]
    pub const fn receive_mask(self, kind: TransferKind, direction: Direction) -> Self {
        let mut allowed = Self::NO_INTERRUPT;
        match (kind, direction) {
            (TransferKind::Isochronous, _) => allowed = allowed.with(Self::ISO_ASAP),
            (_, Direction::In) => allowed = allowed.with(Self::SHORT_NOT_OK),
            (TransferKind::Bulk | TransferKind::Interrupt, Direction::Out) => {
                allowed = allowed.with(Self::ZERO_PACKET);
            }
            (TransferKind::Control, Direction::Out) => {}
        }
        Self(self.0 & allowed.0)
    }

    /// Returns whether the sender hints that its buffer is a scatter-gather list.
    pub const fn wants_sg(self) -> bool {
        self.contains(Self::DMA_MAP_SG)
    }
}
