// SPDX-License-Identifier: GPL-2.0

//! The names of devices, and the files in which users list those to export.
//!
//! Which names are listed is `usbip_logic::busid`'s to know.

use core::{
    fmt,
    str, //
};

/// The name of a USB device, such as `1-1.4`: 1 to 31 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "SYSFS_BUS_ID_SIZE")]
pub struct BusId {
    bytes: [u8; BusId::SIZE],
    len: usize,
}

impl BusId {
    /// The space that a name has in C structures and on the wire, its NUL included.
    pub const SIZE: usize = 32;

    /// Takes a name, which must be neither empty nor too long, and must be printable.
    pub fn new(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::SIZE];
        let is_name =
            !name.is_empty() && name.len() < Self::SIZE && name.iter().all(u8::is_ascii_graphic);
        if !is_name {
            return None;
        }
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self {
            bytes,
            len: name.len(),
        })
    }

    /// Takes a name from a field of the wire, which NULs fill up.
    pub fn from_field(field: &[u8; Self::SIZE]) -> Option<Self> {
        Self::new(until_nul(field))
    }

    /// Reads a write to a file that takes just a name, such as `rebind`: the name, and perhaps a
    /// newline.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = until_nul(text);
        Self::new(text.strip_suffix(b"\n").unwrap_or(text))
    }

    /// Returns the name.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the name as a field of the wire, filled up with NULs.
    pub const fn to_field(&self) -> [u8; Self::SIZE] {
        self.bytes
    }
}

impl fmt::Display for BusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for BusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A write to `match_busid`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchCommand {
    /// Export the device of this name when it is bound.
    Add(BusId),
    /// Do so no more.
    Del(BusId),
}

impl MatchCommand {
    /// Reads a write: a verb, one space and a name, perhaps with a newline after it, which C took
    /// for a part of the name. `None` stands for `-EINVAL`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if let Some(name) = text.strip_prefix(b"add ") {
            BusId::parse(name).map(Self::Add)
        } else if let Some(name) = text.strip_prefix(b"del ") {
            BusId::parse(name).map(Self::Del)
        } else {
            None
        }
    }
}

/// The command as the tools write it, without a newline.
impl fmt::Display for MatchCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(name) => write!(f, "add {name}"),
            Self::Del(name) => write!(f, "del {name}"),
        }
    }
}

/// Prints what a read of `match_busid` gives: each name and a space, then a newline.
pub fn write_busids<'a>(
    out: &mut dyn fmt::Write,
    names: impl IntoIterator<Item = &'a BusId>,
) -> fmt::Result {
    for name in names {
        write!(out, "{name} ")?;
    }
    out.write_str("\n")
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}
