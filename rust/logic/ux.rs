// SPDX-License-Identifier: GPL-2.0

//! What user space may ask of the node through which it carries a connection, and when.

/// A command of the node, by its full number: one whose argument has another size is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Says which socket the node stands for. The descriptor is the argument itself.
    #[doc(alias = "USBIP_UX_IOCSETSOCKFD")]
    SetSocket,
    /// Ends the connection.
    #[doc(alias = "USBIP_UX_IOCINTR")]
    Interrupt,
    /// Ends the connections of all nodes that the caller's process group has opened.
    #[doc(alias = "USBIP_UX_IOCINTRPGRP")]
    InterruptGroup,
    /// Tells what the node and its socket are called in logs.
    #[doc(alias = "USBIP_UX_IOCGETKADDR")]
    Names,
}

impl Command {
    /// Which command a number stands for.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0x4004_6d01 => Some(Self::SetSocket),
            0x0000_6d02 => Some(Self::Interrupt),
            0x0000_6d03 => Some(Self::InterruptGroup),
            0x8022_6d04 => Some(Self::Names),
            _ => None,
        }
    }
}

/// Where a node stands.
///
/// It carries one connection in its life. What was linked and not used can be linked again, as the
/// tools offer a socket to one port after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No connection yet.
    #[default]
    Waiting,
    /// A connection.
    Linked,
    /// The connection is over, or was called off.
    Ended,
}

/// A node cannot be linked: it is, or it was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl Phase {
    /// A connection begins.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn link(&mut self) -> Result<(), Unavailable> {
        match self {
            Self::Waiting => {
                *self = Self::Linked;
                Ok(())
            }
            Self::Linked | Self::Ended => Err(Unavailable),
        }
    }

    /// The connection was given up before it was used.
    pub fn unlink(&mut self) {
        if *self == Self::Linked {
            *self = Self::Waiting;
        }
    }

    /// Ends it for good. Gives whether that was news.
    pub fn end(&mut self) -> bool {
        let news = *self != Self::Ended;
        *self = Self::Ended;
        news
    }
}

/// Characters of a name, with the zero at its end.
pub const NAME_LEN: usize = 17;

/// The name of something that has a number: 16 hexadecimal digits, as wide as an address, which it
/// is not.
pub fn name(number: u64) -> [u8; NAME_LEN] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let mut name = [0; NAME_LEN];
    // Two digits for every byte; the zero behind them stays.
    for (pair, byte) in name.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        let [high, low] = pair else { continue };
        *high = digit(DIGITS, byte >> 4);
        *low = digit(DIGITS, byte & 0xf);
    }
    name
}

fn digit(digits: &[u8; 16], value: u8) -> u8 {
    digits.get(usize::from(value)).copied().unwrap_or(b'0')
}
