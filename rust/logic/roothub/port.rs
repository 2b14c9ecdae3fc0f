// SPDX-License-Identifier: GPL-2.0

//! One port of a root hub: its status bits, and the two things that take time.
//!
//! Whether there is a device, and how fast it is, is known apart from the bits, so that no request
//! can make up or outlive a device.

use usbip_proto::{
    sysfs_text::HubSpeed,
    Speed, //
};

// Status bits: USB 2.0 table 11-21, USB 3.2 table 10-13.
const CONNECTION: u32 = 0x0001;
const ENABLE: u32 = 0x0002;
const SUSPEND: u32 = 0x0004;
const RESET: u32 = 0x0010;
const POWER: u32 = 0x0100;
const SUPER_POWER: u32 = 0x0200;
const LOW_SPEED: u32 = 0x0200;
const HIGH_SPEED: u32 = 0x0400;

// Change bits: USB 2.0 table 11-22.
const C_CONNECTION: u32 = 0x0001_0000;
const C_ENABLE: u32 = 0x0002_0000;
const C_SUSPEND: u32 = 0x0004_0000;
const C_OVER_CURRENT: u32 = 0x0008_0000;
const C_RESET: u32 = 0x0010_0000;

/// The changes that the hub driver is told of.
const CHANGES: u32 = C_CONNECTION | C_ENABLE | C_SUSPEND | C_OVER_CURRENT | C_RESET;

/// How long a reset is signalled, in milliseconds.
const RESET_TIME: u64 = 50;

/// How long a resume is signalled, in milliseconds.
const RESUME_TIME: u64 = 20;

/// One port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    /// Status and change bits, as set and cleared; some are shown otherwise, see [`Port::bits`].
    bits: u32,
    /// The device that is connected.
    device: Option<Speed>,
    /// When the reset that is signalled is over.
    reset_until: Option<u64>,
    /// When the resume that is signalled is over.
    resume_until: Option<u64>,
}

impl Port {
    pub(super) const fn new() -> Self {
        Self {
            bits: 0,
            device: None,
            reset_until: None,
            resume_until: None,
        }
    }

    pub(super) fn connect(&mut self, speed: Speed) {
        self.idle();
        self.device = Some(speed);
        self.bits |= C_CONNECTION;
    }

    pub(super) fn disconnect(&mut self) {
        if self.device.take().is_some() {
            self.idle();
            self.bits |= C_CONNECTION;
        }
    }

    pub(super) fn has_device(&self) -> bool {
        self.device.is_some()
    }

    /// Ends whatever went on with a device that was here.
    fn idle(&mut self) {
        self.bits &= !(ENABLE | SUSPEND | RESET);
        self.reset_until = None;
        self.resume_until = None;
    }

    /// Returns the bits as the hub driver sees them. Connection and speed are always those of the
    /// device, not of the one that was there before.
    pub(super) fn bits(&self, hub: HubSpeed) -> u32 {
        let mut derived = CONNECTION;
        if hub == HubSpeed::High {
            derived |= LOW_SPEED | HIGH_SPEED;
        }
        let mut bits = self.bits & !derived;
        if let Some(speed) = self.device {
            bits |= CONNECTION;
            bits |= match (hub, speed) {
                (HubSpeed::High, Speed::Low) => LOW_SPEED,
                (HubSpeed::High, Speed::High) => HIGH_SPEED,
                _ => 0,
            };
        }
        bits
    }

    /// Returns the extended port status (USB 3.2 table 10-14): the speed of the link, by its number
    /// in the capabilities of the hub. One lane each way counts as 0.
    pub(super) fn extended_bits(&self) -> u32 {
        match self.device {
            Some(Speed::SuperPlus) => extended(super::descriptor::GEN_2),
            Some(_) => extended(super::descriptor::GEN_1),
            None => 0,
        }
    }

    pub(super) fn has_changed(&self) -> bool {
        self.bits & CHANGES != 0
    }

    /// Ends a reset and a resume whose time is over.
    pub(super) fn complete(&mut self, now: u64) {
        if self.resume_until.is_some_and(|until| now > until) {
            self.resume_until = None;
            self.bits &= !SUSPEND;
            self.bits |= C_SUSPEND;
        }
        if self.bits & RESET != 0 && self.reset_until.is_some_and(|until| now > until) {
            self.reset_until = None;
            self.bits &= !RESET;
            self.bits |= C_RESET;
            if self.device.is_some() {
                self.bits |= ENABLE;
            }
        }
    }

    pub(super) fn suspend(&mut self) {
        self.bits |= SUSPEND;
    }

    pub(super) fn resume(&mut self, now: u64) {
        if self.bits & SUSPEND != 0 {
            self.resume_until = Some(now.saturating_add(RESUME_TIME));
        }
    }

    pub(super) fn power_on(&mut self, hub: HubSpeed) {
        self.bits |= power(hub);
    }

    pub(super) fn power_off(&mut self, hub: HubSpeed) {
        self.bits &= !power(hub);
    }

    /// Starts a reset. On a SuperSpeed hub it works without power, and brings it; a change that the
    /// hub driver has not seen yet stays.
    pub(super) fn reset(&mut self, hub: HubSpeed, now: u64) {
        match hub {
            HubSpeed::Super => self.bits = (self.bits & CHANGES) | SUPER_POWER,
            HubSpeed::High => self.bits &= !ENABLE,
        }
        self.reset_until = Some(now.saturating_add(RESET_TIME));
        if self.bits & power(hub) != 0 {
            self.bits |= RESET;
        }
    }

    /// Sets any other bit, which takes power.
    pub(super) fn set(&mut self, bit: u32, hub: HubSpeed) {
        if self.bits & power(hub) != 0 {
            self.bits |= bit;
        }
    }

    /// Clears any other bit.
    pub(super) fn clear(&mut self, bit: u32) {
        self.bits &= !bit;
    }
}

const fn power(hub: HubSpeed) -> u32 {
    match hub {
        HubSpeed::High => POWER,
        HubSpeed::Super => SUPER_POWER,
    }
}

/// The same speed for both directions: bits 3..0 receive, bits 7..4 send.
fn extended(id: u8) -> u32 {
    u32::from(id) | (u32::from(id) << 4)
}
