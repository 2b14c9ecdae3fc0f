// SPDX-License-Identifier: GPL-2.0

//! The line that is written to `attach`.
//!
//! Whether port, descriptor and speed are any good is judged by `usbip_logic::attach`.

use core::fmt;

use super::scan::Scan;
use crate::DevId;

/// A write to `attach`: four decimal numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttachLine {
    /// The number of the port, over all controllers.
    pub port: u32,
    /// The descriptor of the connected socket in the writing process.
    pub sockfd: u32,
    /// The device on the exporting host.
    pub devid: DevId,
    /// The speed of the device: see [`Speed::from_number`].
    ///
    /// [`Speed::from_number`]: crate::Speed::from_number
    pub speed: u32,
}

impl AttachLine {
    /// Reads a write. What follows the fourth number is ignored; `None` stands for `-EINVAL`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut scan = Scan::new(text);
        Some(Self {
            port: scan.unsigned()?,
            sockfd: scan.unsigned()?,
            devid: DevId::from_wire(scan.unsigned()?),
            speed: scan.unsigned()?,
        })
    }

    /// Returns the descriptor as file functions want it; one that cannot exist becomes -1.
    pub fn fd(&self) -> i32 {
        i32::try_from(self.sockfd).unwrap_or(-1)
    }
}

/// The line as the tools write it, without a newline.
impl fmt::Display for AttachLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.port,
            self.sockfd,
            self.devid.get(),
            self.speed
        )
    }
}
