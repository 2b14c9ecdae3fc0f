// SPDX-License-Identifier: GPL-2.0

//! The requests of the hub driver, and the port features that they set and clear.
//!
//! Never decides whether a port exists: that is for the hub.

use usbip_proto::sysfs_text::HubSpeed;

// Request types and requests together: USB 2.0 table 11-15, USB 3.2 table 10-7.
const CLEAR_HUB_FEATURE: u16 = 0x2001;
const SET_HUB_FEATURE: u16 = 0x2003;
const SET_HUB_DEPTH: u16 = 0x200c;
const CLEAR_PORT_FEATURE: u16 = 0x2301;
const SET_PORT_FEATURE: u16 = 0x2303;
const GET_DESCRIPTOR: u16 = 0x8006;
const GET_HUB_STATUS: u16 = 0xa000;
const GET_HUB_DESCRIPTOR: u16 = 0xa006;
const GET_PORT_STATUS: u16 = 0xa300;
const GET_PORT_ERROR_COUNT: u16 = 0xa310;

/// The kind of port status that has eight bytes (USB 3.2 table 10-12).
const EXTENDED_STATUS: u16 = 2;

/// A request to a root hub. Ports count from 0; `None` is no port at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HubRequest {
    /// Clears a feature of the hub; there is none.
    ClearHubFeature,
    /// Sets a feature of the hub; there is none.
    SetHubFeature,
    /// Asks for the status of the hub.
    GetHubStatus,
    /// Asks for the hub descriptor.
    GetHubDescriptor {
        /// Type and index of the descriptor.
        value: u16,
    },
    /// Asks for a descriptor of the device that the hub is.
    GetDescriptor {
        /// Type and index of the descriptor.
        value: u16,
    },
    /// Asks for the number of link errors of a port.
    GetPortErrorCount,
    /// Tells the hub how many hubs are above it.
    SetHubDepth,
    /// Asks for the status of a port.
    GetPortStatus {
        /// The port.
        port: Option<u8>,
        /// Whether the extended status is wanted, too.
        extended: bool,
    },
    /// Sets a feature of a port.
    SetPortFeature {
        /// The port.
        port: Option<u8>,
        /// The number of the feature.
        feature: u16,
    },
    /// Clears a feature of a port.
    ClearPortFeature {
        /// The port.
        port: Option<u8>,
        /// The number of the feature.
        feature: u16,
    },
    /// Anything else.
    Unknown,
}

impl HubRequest {
    /// Reads a request as usbcore passes it: request type and request in one number, value, index.
    ///
    /// Only the low byte of the index is the port. It counts from 1.
    pub const fn decode(type_and_request: u16, value: u16, index: u16) -> Self {
        let [_, low] = index.to_be_bytes();
        let port = low.checked_sub(1);
        match type_and_request {
            CLEAR_HUB_FEATURE => Self::ClearHubFeature,
            SET_HUB_FEATURE => Self::SetHubFeature,
            GET_HUB_STATUS => Self::GetHubStatus,
            GET_HUB_DESCRIPTOR => Self::GetHubDescriptor { value },
            GET_DESCRIPTOR => Self::GetDescriptor { value },
            GET_PORT_ERROR_COUNT => Self::GetPortErrorCount,
            SET_HUB_DEPTH => Self::SetHubDepth,
            GET_PORT_STATUS => Self::GetPortStatus {
                port,
                extended: value == EXTENDED_STATUS,
            },
            SET_PORT_FEATURE => Self::SetPortFeature {
                port,
                feature: value,
            },
            CLEAR_PORT_FEATURE => Self::ClearPortFeature {
                port,
                feature: value,
            },
            _ => Self::Unknown,
        }
    }

    /// Returns the port that the request is about.
    pub const fn port(self) -> Option<u8> {
        match self {
            Self::GetPortStatus { port, .. }
            | Self::SetPortFeature { port, .. }
            | Self::ClearPortFeature { port, .. } => port,
            _ => None,
        }
    }
}

// Features: USB 2.0 table 11-17, USB 3.2 table 10-9.
const FEATURE_SUSPEND: u16 = 2;
const FEATURE_RESET: u16 = 4;
const FEATURE_LINK_STATE: u16 = 5;
const FEATURE_POWER: u16 = 8;
const FEATURE_U1_TIMEOUT: u16 = 23;
const FEATURE_U2_TIMEOUT: u16 = 24;
const FEATURE_BH_PORT_RESET: u16 = 28;

/// The bit that a warm reset leaves, which is that of the feature's number.
pub(super) const BH_PORT_RESET: u32 = 1 << FEATURE_BH_PORT_RESET;

/// What setting or clearing a feature does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Feature {
    /// Suspends, or starts to resume.
    Suspend,
    /// Switches power.
    Power,
    /// Resets the device.
    Reset,
    /// Resets the device, and its link.
    WarmReset,
    /// Controls the link, of which there is none.
    Link,
    /// Sets or clears just the bit of the feature's number.
    Bit(u32),
}

impl Feature {
    /// Finds out what setting a feature does; `None` if that is not possible.
    pub(super) fn for_setting(feature: u16, hub: HubSpeed) -> Option<Self> {
        match (feature, hub) {
            (FEATURE_LINK_STATE | FEATURE_U1_TIMEOUT | FEATURE_U2_TIMEOUT, HubSpeed::Super) => {
                Some(Self::Link)
            }
            (FEATURE_BH_PORT_RESET, HubSpeed::Super) => Some(Self::WarmReset),
            (
                FEATURE_LINK_STATE
                | FEATURE_U1_TIMEOUT
                | FEATURE_U2_TIMEOUT
                | FEATURE_BH_PORT_RESET,
                HubSpeed::High,
            ) => None,
            (FEATURE_RESET, _) => Some(Self::Reset),
            _ => Self::for_clearing(feature, hub),
        }
    }

    /// Finds out what clearing a feature does; `None` if that is not possible.
    pub(super) fn for_clearing(feature: u16, hub: HubSpeed) -> Option<Self> {
        match (feature, hub) {
            (FEATURE_SUSPEND, HubSpeed::High) => Some(Self::Suspend),
            (FEATURE_SUSPEND, HubSpeed::Super) => None,
            (FEATURE_POWER, _) => Some(Self::Power),
            _ => 1_u32.checked_shl(u32::from(feature)).map(Self::Bit),
        }
    }
}
