// SPDX-License-Identifier: GPL-2.0

//! The speed of a device, as the numbers and the texts that USB/IP uses for it.
//!
//! Never an unknown speed: who may meet one says `Option<Speed>`.

/// The speed of a device. The numbers are those of `enum usb_device_speed`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[doc(alias = "usb_device_speed")]
pub enum Speed {
    /// 1.5 Mbit/s.
    Low,
    /// 12 Mbit/s.
    Full,
    /// 480 Mbit/s.
    High,
    /// Wireless USB, up to 480 Mbit/s; no kernel drives it any more, but the number is accepted.
    Wireless,
    /// 5 Gbit/s.
    Super,
    /// 10 Gbit/s and more.
    SuperPlus,
}

impl Speed {
    /// Reads the number that stands in `attach`, in `status` and in management PDUs.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Low),
            2 => Some(Self::Full),
            3 => Some(Self::High),
            4 => Some(Self::Wireless),
            5 => Some(Self::Super),
            6 => Some(Self::SuperPlus),
            _ => None,
        }
    }

    /// Returns the number that stands in `attach`, in `status` and in management PDUs.
    pub const fn number(self) -> u32 {
        match self {
            Self::Low => 1,
            Self::Full => 2,
            Self::High => 3,
            Self::Wireless => 4,
            Self::Super => 5,
            Self::SuperPlus => 6,
        }
    }

    /// Reads the `speed` attribute of a USB device, without a newline.
    pub fn from_sysfs(text: &str) -> Option<Self> {
        match text {
            "1.5" => Some(Self::Low),
            "12" => Some(Self::Full),
            "480" => Some(Self::High),
            "53.3-480" => Some(Self::Wireless),
            "5000" => Some(Self::Super),
            "10000" | "20000" => Some(Self::SuperPlus),
            _ => None,
        }
    }

    /// Returns whether a device of this speed sits on a SuperSpeed hub.
    pub const fn is_super(self) -> bool {
        matches!(self, Self::Super | Self::SuperPlus)
    }

    /// Returns the name that kernel messages use.
    #[doc(alias = "usb_speed_string")]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low-speed",
            Self::Full => "full-speed",
            Self::High => "high-speed",
            Self::Wireless => "wireless",
            Self::Super => "super-speed",
            Self::SuperPlus => "super-speed-plus",
        }
    }
}
