// SPDX-License-Identifier: GPL-2.0

//! Which port of which controller a write to `attach` or `detach` is about.
//!
//! Never looks at a port's state or at a socket: it only says in which order the checks come, and
//! which errno each of them has.

use core::fmt;

use usbip_proto::{
    sysfs_text::{
        AttachLine,
        HubSpeed, //
    },
    Speed, //
};

/// The number of controllers, and of ports that each of their two hubs has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    controllers: u8,
    ports: u8,
}

impl Geometry {
    /// The most ports that a hub can have; SuperSpeed knows no more.
    #[doc(alias = "USB_SS_MAXPORTS")]
    pub const MAX_PORTS: u8 = 15;

    /// The most controllers that there can be.
    #[doc(alias = "VHCI_NR_HCS")]
    pub const MAX_CONTROLLERS: u8 = 32;

    /// Checks a number of controllers (1 to 32) and of ports for each of their hubs (1 to 15).
    pub const fn new(controllers: u8, ports: u8) -> Option<Self> {
        if controllers == 0
            || controllers > Self::MAX_CONTROLLERS
            || ports == 0
            || ports > Self::MAX_PORTS
        {
            return None;
        }
        Some(Self { controllers, ports })
    }

    /// Returns the number of controllers.
    pub const fn controllers(self) -> u8 {
        self.controllers
    }

    /// Returns the number of ports of each hub.
    pub const fn ports(self) -> u8 {
        self.ports
    }

    /// Returns the number of all ports, which is what `nports` says.
    pub fn all_ports(self) -> u32 {
        u32::from(self.controllers).saturating_mul(self.controller_ports())
    }

    fn controller_ports(self) -> u32 {
        u32::from(self.ports).saturating_mul(2)
    }
}

/// One port: controller, hub, and the number on the hub, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// The controller.
    pub controller: u8,
    /// The hub.
    pub hub: HubSpeed,
    /// The port on that hub.
    pub port: u8,
}

impl Place {
    /// Finds the port of a number that counts over all controllers, as in `status` and `detach`.
    pub fn from_number(number: u32, geometry: Geometry) -> Option<Self> {
        let controller = number.checked_div(geometry.controller_ports())?;
        if controller >= u32::from(geometry.controllers) {
            return None;
        }
        let on_controller = number.checked_rem(geometry.controller_ports())?;
        let ports = u32::from(geometry.ports);
        Some(Self {
            controller: u8::try_from(controller).ok()?,
            hub: if on_controller < ports {
                HubSpeed::High
            } else {
                HubSpeed::Super
            },
            port: u8::try_from(on_controller.checked_rem(ports)?).ok()?,
        })
    }

    /// Returns the number of the port, counted over all controllers.
    pub fn number(self, geometry: Geometry) -> u32 {
        let before = match self.hub {
            HubSpeed::High => 0,
            HubSpeed::Super => u32::from(geometry.ports),
        };
        u32::from(self.controller)
            .saturating_mul(geometry.controller_ports())
            .saturating_add(before)
            .saturating_add(u32::from(self.port))
    }
}

/// A write to `attach` whose numbers are in range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttachRequest {
    /// The port. Its hub is chosen by the speed, whatever half the given number was in.
    pub place: Place,
    /// The speed of the device.
    pub speed: Speed,
    /// The line itself, for device and descriptor.
    pub line: AttachLine,
}

impl AttachRequest {
    /// Reads a write.
    ///
    /// # Errors
    ///
    /// [`AttachError::Malformed`], [`AttachError::NoSuchPort`] or [`AttachError::BadSpeed`].
    pub fn parse(text: &[u8], geometry: Geometry) -> Result<Self, AttachError> {
        let line = AttachLine::parse(text).ok_or(AttachError::Malformed)?;
        let numbered =
            Place::from_number(line.port, geometry).ok_or(AttachError::NoSuchPort(line.port))?;
        let speed = Speed::from_number(line.speed).ok_or(AttachError::BadSpeed(line.speed))?;
        Ok(Self {
            place: Place {
                hub: HubSpeed::of(speed),
                ..numbered
            },
            speed,
            line,
        })
    }
}

/// Why a device was not attached, in the order in which it is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachError {
    /// The line does not start with four numbers.
    Malformed,
    /// There is no such port.
    NoSuchPort(u32),
    /// There is no such speed.
    BadSpeed(u32),
    /// The controller is not there (yet, or any more).
    NotReady,
    /// Threads, or memory for them, were not to be had.
    NoThread,
    /// The port is not free. The tools try the next one on this errno, and on no other.
    Busy,
}

impl AttachError {
    /// Returns the errno, negative.
    pub const fn errno(self) -> i32 {
        const EAGAIN: i32 = 11;
        const EBUSY: i32 = 16;
        const EINVAL: i32 = 22;
        match self {
            Self::Malformed | Self::NoSuchPort(_) | Self::BadSpeed(_) | Self::NoThread => -EINVAL,
            Self::NotReady => -EAGAIN,
            Self::Busy => -EBUSY,
        }
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not four numbers"),
            Self::NoSuchPort(port) => write!(f, "no port {port}"),
            Self::BadSpeed(speed) => write!(f, "unsupported USB speed {speed}"),
            Self::NotReady => f.write_str("the controller is not ready"),
            Self::NoThread => f.write_str("no thread could be started"),
            Self::Busy => f.write_str("the port is in use"),
        }
    }
}

impl core::error::Error for AttachError {}
