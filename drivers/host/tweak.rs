// SPDX-License-Identifier: GPL-2.0

//! Control requests that this machine has to know of.
//!
//! They change what the controller and the USB core know of the device: which endpoints there
//! are, and where their data toggles stand. So they are not passed on as they are; the USB core
//! is asked to do the same, which includes the request to the device.

use kernel::{
    prelude::*, //
};

use usbip_kernel::{
    errno,
    ratelimit::RateLimit, //
};
use usbip_proto::Status;
use usbip_usb::{
    Device,
    LockedDevice, //
};

/// `bmRequestType`, `bRequest` (USB 2.0 tables 9-2, 9-4, 11-15).
mod code {
    pub(super) const TO_DEVICE: u8 = 0x00;
    pub(super) const TO_INTERFACE: u8 = 0x01;
    pub(super) const TO_ENDPOINT: u8 = 0x02;
    pub(super) const TO_PORT: u8 = 0x23;
    pub(super) const CLEAR_FEATURE: u8 = 1;
    pub(super) const SET_FEATURE: u8 = 3;
    pub(super) const SET_ADDRESS: u8 = 5;
    pub(super) const SET_CONFIGURATION: u8 = 9;
    pub(super) const SET_INTERFACE: u8 = 11;
    pub(super) const ENDPOINT_HALT: u16 = 0;
    pub(super) const PORT_RESET: u16 = 4;
}

/// A request that the USB core carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tweak {
    /// `CLEAR_FEATURE(ENDPOINT_HALT)`.
    ClearHalt { endpoint: u16 },
    /// `SET_INTERFACE`.
    SetInterface { number: u16, setting: u16 },
    /// `SET_CONFIGURATION`.
    SetConfiguration { value: u16 },
    /// `SET_FEATURE(PORT_RESET)`, by which the importing machine asks for a reset.
    Reset,
    /// `SET_ADDRESS`. Addresses are each machine's own: passed on, it would be lost to this one, or answer in the
    /// place of its neighbour.
    SetAddress,
}

/// What became of it.
pub(crate) enum Outcome {
    /// The USB core did it.
    Done,
    /// It did not, and says nothing of the device: the request is passed on as it is.
    Failed,
    /// This machine cannot do it, such as for want of bandwidth. A device that did it all the same would have other
    /// endpoints than this machine knows of.
    Refused(Status),
    /// The device goes away.
    Gone,
}

impl Tweak {
    /// Recognises a request by its setup packet.
    pub(crate) fn of(setup: &[u8; 8]) -> Option<Self> {
        let [kind, request, value_low, value_high, index_low, index_high, _, _] = *setup;
        let value = u16::from_le_bytes([value_low, value_high]);
        let index = u16::from_le_bytes([index_low, index_high]);
        match (kind, request) {
            (code::TO_ENDPOINT, code::CLEAR_FEATURE) if value == code::ENDPOINT_HALT => {
                Some(Self::ClearHalt { endpoint: index })
            }
            (code::TO_INTERFACE, code::SET_INTERFACE) => Some(Self::SetInterface {
                number: index,
                setting: value,
            }),
            (code::TO_DEVICE, code::SET_CONFIGURATION) => Some(Self::SetConfiguration { value }),
            (code::TO_PORT, code::SET_FEATURE) if value == code::PORT_RESET => Some(Self::Reset),
            (code::TO_DEVICE, code::SET_ADDRESS) => Some(Self::SetAddress),
            _ => None,
        }
    }

    /// Carries it out. Sleeps.
    ///
    /// `leaving` says that whoever holds the lock of the device may be waiting for this thread.
    pub(crate) fn run(
        self,
        device: &Device,
        log: &RateLimit,
        leaving: impl Fn() -> bool,
    ) -> Outcome {
        let result = match self {
            Self::SetAddress => Ok(()),
            Self::ClearHalt { endpoint } => device.clear_halt(endpoint),
            _ => match device.try_lock_until(leaving) {
                Some(locked) => self.run_locked(&locked),
                None => return Outcome::Gone,
            },
        };
        self.report(device, log, result);
        match result {
            Ok(()) => Outcome::Done,
            Err(error) => match self {
                Self::SetInterface { .. } | Self::SetConfiguration { .. }
                    if error == ENOSPC || error == ENOMEM || error == errno::ehostunreach() =>
                {
                    Outcome::Refused(Status::from_raw(error.to_errno()))
                }
                _ => Outcome::Failed,
            },
        }
    }

    fn run_locked(self, device: &LockedDevice<'_>) -> Result {
        match self {
            Self::ClearHalt { .. } | Self::SetAddress => Ok(()),
            Self::SetInterface { number, setting } => device.set_interface(number, setting),
            Self::SetConfiguration { value } => device.set_configuration(value),
            Self::Reset => device.reset(),
        }
    }

    /// Says what became of it, unless the peer makes too many of them.
    fn report(self, device: &Device, log: &RateLimit, result: Result) {
        if !log.allows() {
            return;
        }
        let number = device.number();
        let device: &kernel::device::Device = device.as_ref();
        match (self, result) {
            (Self::ClearHalt { endpoint }, Ok(())) => dev_info!(
                device,
                "usb_clear_halt done: devnum {} endp {}\n",
                number,
                endpoint & 0xf
            ),
            (Self::ClearHalt { endpoint }, Err(error)) => dev_err!(
                device,
                "usb_clear_halt error: devnum {} endp {} ret {}\n",
                number,
                endpoint & 0xf,
                error.to_errno()
            ),
            (Self::SetInterface { number, setting }, Ok(())) => dev_info!(
                device,
                "usb_set_interface done: inf {} alt {}\n",
                number,
                setting
            ),
            (Self::SetInterface { number, setting }, Err(error)) => dev_err!(
                device,
                "usb_set_interface error: inf {} alt {} ret {}\n",
                number,
                setting,
                error.to_errno()
            ),
            (Self::SetConfiguration { .. }, Ok(())) | (Self::SetAddress, _) => {}
            (Self::SetConfiguration { value }, Err(error)) => {
                if error != ENODEV {
                    dev_err!(
                        device,
                        "can't set config #{}, error {}\n",
                        value,
                        error.to_errno()
                    );
                }
            }
            (Self::Reset, Ok(())) => dev_info!(device, "usb_queue_reset_device\n"),
            (Self::Reset, Err(error)) => dev_err!(
                device,
                "could not reset the device, error {}\n",
                error.to_errno()
            ),
        }
    }
}
