// SPDX-License-Identifier: GPL-2.0

//! The `status` files: a table with one row for each port of a controller.
//!
//! The rows that are printed are those of the C module, to the byte. Reading takes all that
//! libusbip's `sscanf` takes, and never gives up a whole table for one row.

use core::fmt;

use super::{
    scan::Scan,
    BusId, //
};
use crate::{
    DevId,
    Speed, //
};

/// The first line of a `status` file.
pub const STATUS_HEADER: &str = "hub port sta spd dev      sockfd local_busid\n";

/// Which of the two hubs of a controller a port belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HubSpeed {
    /// The hub for low, full and high speed devices.
    High,
    /// The hub for SuperSpeed devices.
    Super,
}

impl HubSpeed {
    /// Returns the hub for devices of a speed. The speed decides it, not the port number.
    pub const fn of(speed: Speed) -> Self {
        if speed.is_super() {
            Self::Super
        } else {
            Self::High
        }
    }

    /// Returns the word that starts a row of `status`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "hs",
            Self::Super => "ss",
        }
    }
}

/// What a port of an importing host is doing. The numbers are part of the `status` files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[doc(alias = "usbip_device_status")]
pub enum PortState {
    /// Free.
    #[doc(alias = "VDEV_ST_NULL")]
    Null,
    /// Connected, but its device has no address yet.
    #[doc(alias = "VDEV_ST_NOTASSIGNED")]
    NotAssigned,
    /// In use.
    #[doc(alias = "VDEV_ST_USED")]
    Used,
    /// Out of order until it is detached.
    #[doc(alias = "VDEV_ST_ERROR")]
    Error,
}

impl PortState {
    /// Reads the number in a row.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            4 => Some(Self::Null),
            5 => Some(Self::NotAssigned),
            6 => Some(Self::Used),
            7 => Some(Self::Error),
            _ => None,
        }
    }

    /// Returns the number in a row.
    pub const fn number(self) -> u32 {
        match self {
            Self::Null => 4,
            Self::NotAssigned => 5,
            Self::Used => 6,
            Self::Error => 7,
        }
    }
}

/// What a row of `status` says about its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowState {
    /// The controller is not there (yet, or any more).
    NotReady,
    /// No device to speak of; its state is that of the port.
    Empty(PortState),
    /// The port is in use.
    Used {
        /// The speed of the device.
        speed: Speed,
        /// The device on the exporting host.
        devid: DevId,
        /// The descriptor of the socket in the process that attached it.
        sockfd: u32,
        /// The name of the device on this host.
        busid: BusId,
    },
}

/// One row of `status`; its [`fmt::Display`] is the line, newline included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusRow {
    /// The hub.
    pub hub: HubSpeed,
    /// The number of the port, over all controllers.
    pub port: u32,
    /// What it does.
    pub state: RowState,
}

impl fmt::Display for StatusRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {:04} ", self.hub.name(), self.port)?;
        match self.state {
            RowState::NotReady => writeln!(
                f,
                "{:03} 000 00000000 0000000000000000 0-0",
                PortState::NotAssigned.number()
            ),
            RowState::Empty(state) => {
                writeln!(f, "{:03} 000 00000000 000000 0-0", state.number())
            }
            RowState::Used {
                speed,
                devid,
                sockfd,
                busid,
            } => writeln!(
                f,
                "{:03} {:03} {devid} {sockfd:06} {busid}",
                PortState::Used.number(),
                speed.number()
            ),
        }
    }
}

/// One row of `status` as a reader finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParsedRow {
    /// The hub.
    pub hub: HubSpeed,
    /// The number of the port, over all controllers.
    pub port: u32,
    /// The state of the port.
    pub state: PortState,
    /// The speed of the device; `None` if there is none.
    pub speed: Option<Speed>,
    /// The device on the exporting host.
    pub devid: DevId,
    /// The descriptor of the socket in the process that attached it.
    pub sockfd: u32,
    /// The name of the device on this host; `0-0` if there is none.
    pub busid: BusId,
}

impl ParsedRow {
    /// Reads one line, with or without its newline.
    ///
    /// # Errors
    ///
    /// [`BadRow`] if the line is no row.
    pub fn parse(line: &[u8]) -> Result<Self, BadRow> {
        Self::scan(&mut Scan::new(line)).ok_or(BadRow)
    }

    fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        // Whatever is not "hs" counts as SuperSpeed for libusbip, too.
        let hub = match scan.word(2)? {
            b"hs" => HubSpeed::High,
            _ => HubSpeed::Super,
        };
        let port = scan.unsigned()?;
        let state = PortState::from_number(scan.unsigned()?)?;
        let speed = Speed::from_number(scan.unsigned()?);
        scan.skip_space();
        let devid = DevId::from_wire(u32::try_from(scan.number(16)?).ok()?);
        let sockfd = scan.unsigned()?;
        let busid = BusId::new(scan.word(BusId::SIZE.checked_sub(1)?)?)?;
        Some(Self {
            hub,
            port,
            state,
            speed,
            devid,
            sockfd,
            busid,
        })
    }
}

/// A line of `status` that is no row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadRow;

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a row of a status table")
    }
}

impl core::error::Error for BadRow {}

/// Reads a `status` file: skips the first line, and empty ones.
pub fn parse_status(text: &[u8]) -> impl Iterator<Item = Result<ParsedRow, BadRow>> + '_ {
    text.split(|byte| *byte == b'\n')
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(ParsedRow::parse)
}
