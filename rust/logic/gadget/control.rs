// SPDX-License-Identifier: GPL-2.0

//! The standard requests that a device controller answers itself (USB 2.0 section 9.4, USB 3.2
//! section 9.4); all others are the gadget driver's.

/// `bmRequestType` (USB 2.0 table 9-2).
mod kind {
    pub(super) const TO_DEVICE: u8 = 0x00;
    pub(super) const TO_ENDPOINT: u8 = 0x02;
    pub(super) const FROM_DEVICE: u8 = 0x80;
    pub(super) const FROM_INTERFACE: u8 = 0x81;
    pub(super) const FROM_ENDPOINT: u8 = 0x82;
}

/// `bRequest` (USB 2.0 table 9-4, USB 3.2 table 9-5).
mod request {
    pub(super) const GET_STATUS: u8 = 0;
    pub(super) const CLEAR_FEATURE: u8 = 1;
    pub(super) const SET_FEATURE: u8 = 3;
    pub(super) const SET_ADDRESS: u8 = 5;
    pub(super) const SET_SEL: u8 = 48;
}

/// `wValue` of SET_FEATURE and CLEAR_FEATURE (USB 3.2 table 9-7).
mod selector {
    pub(super) const ENDPOINT_HALT: u16 = 0;
    pub(super) const REMOTE_WAKEUP: u16 = 1;
    pub(super) const U1_ENABLE: u16 = 48;
    pub(super) const U2_ENABLE: u16 = 49;
    pub(super) const LTM_ENABLE: u16 = 50;
}

/// A feature of the device as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// The device may wake the host.
    RemoteWakeup,
    /// The link may enter U1.
    U1,
    /// The link may enter U2.
    U2,
    /// The device may send latency tolerance messages.
    LatencyTolerance,
}

impl Feature {
    fn of(selector: u16, super_speed: bool) -> Option<Self> {
        match selector {
            selector::REMOTE_WAKEUP => Some(Self::RemoteWakeup),
            selector::U1_ENABLE if super_speed => Some(Self::U1),
            selector::U2_ENABLE if super_speed => Some(Self::U2),
            selector::LTM_ENABLE if super_speed => Some(Self::LatencyTolerance),
            _ => None,
        }
    }

    /// Its bit in the answer to GET_STATUS.
    const fn bit(self) -> u8 {
        match self {
            Self::RemoteWakeup => 1 << 1,
            Self::U1 => 1 << 2,
            Self::U2 => 1 << 3,
            Self::LatencyTolerance => 1 << 4,
        }
    }
}

/// What GET_STATUS of the device says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features(u8);

impl Features {
    /// The bit of a device that has power of its own.
    const SELF_POWERED: u8 = 1;

    /// Nothing is switched on.
    pub const NONE: Self = Self(0);

    /// Switches a feature on or off.
    pub fn set(&mut self, feature: Feature, on: bool) {
        self.set_bit(feature.bit(), on);
    }

    /// Whether a feature is on.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }

    /// Says whether the device has power of its own.
    pub fn set_self_powered(&mut self, on: bool) {
        self.set_bit(Self::SELF_POWERED, on);
    }

    /// Forgets what a host has switched on.
    pub fn reset(&mut self) {
        self.0 &= Self::SELF_POWERED;
    }

    /// The first byte of the answer to GET_STATUS.
    pub const fn byte(self) -> u8 {
        self.0
    }

    fn set_bit(&mut self, bit: u8, on: bool) {
        if on {
            self.0 |= bit;
        } else {
            self.0 &= !bit;
        }
    }
}

/// Who answers a request, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The gadget driver.
    Gadget,
    /// The controller: it is done, with no data.
    Done,
    /// The controller stalls.
    Stall,
    /// The controller, once it has taken the address.
    Address(u8),
    /// The controller, once it has switched a feature of the device.
    Feature(Feature, bool),
    /// The controller, once it has halted an endpoint or ended its halt. Endpoints that do not
    /// exist stall the request. The address is one of a descriptor.
    Halt(u8, bool),
    /// The controller sends the status of the device.
    DeviceStatus,
    /// The controller sends the status of an interface, which is nothing.
    InterfaceStatus,
    /// The controller sends whether an endpoint is halted. Endpoints that do not exist stall the
    /// request.
    EndpointStatus(u8),
}

/// Decides who answers the request of a setup packet.
pub fn decide(setup: &[u8; 8], super_speed: bool) -> Answer {
    let [to, what, value_low, value_high, index_low, _, _, _] = *setup;
    let value = u16::from_le_bytes([value_low, value_high]);
    let feature = |on| {
        Feature::of(value, super_speed)
            .map_or(Answer::Stall, |feature| Answer::Feature(feature, on))
    };
    match (to, what) {
        (kind::TO_DEVICE, request::SET_ADDRESS) => Answer::Address(value_low & 0x7f),
        (kind::TO_DEVICE, request::SET_FEATURE) => feature(true),
        (kind::TO_DEVICE, request::CLEAR_FEATURE) => feature(false),
        // The latencies of the way to the host: there is none that would have any.
        (kind::TO_DEVICE, request::SET_SEL) if super_speed => Answer::Done,
        (kind::TO_ENDPOINT, request::SET_FEATURE | request::CLEAR_FEATURE) => {
            let halt = what == request::SET_FEATURE;
            match (value, index_low & 0x7f) {
                (selector::ENDPOINT_HALT, 0) if halt => Answer::Stall,
                (selector::ENDPOINT_HALT, 0) => Answer::Done,
                (selector::ENDPOINT_HALT, _) => Answer::Halt(index_low, halt),
                _ => Answer::Stall,
            }
        }
        (kind::FROM_DEVICE, request::GET_STATUS) => Answer::DeviceStatus,
        // At SuperSpeed functions have a status of their own.
        (kind::FROM_INTERFACE, request::GET_STATUS) if !super_speed => Answer::InterfaceStatus,
        (kind::FROM_ENDPOINT, request::GET_STATUS) => Answer::EndpointStatus(index_low),
        _ => Answer::Gadget,
    }
}
