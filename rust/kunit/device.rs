// SPDX-License-Identifier: GPL-2.0

//! The device that tests of transfers use: a Gadget Zero that the job has plugged in.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

use usbip_usb::Device;

/// Where the job plugs it in.
const NAME: &[u8] = b"1-1";

/// The device.
///
/// # Errors
///
/// `ENODEV` if it is not there.
pub(crate) fn gadget() -> Result<ARef<Device>> {
    Device::find(NAME).ok_or(ENODEV)
}

#[kunit_tests(usbip_device)]
mod tests {
    use super::*;
    use usbip_proto::{
        Direction,
        TransferKind, //
    };
    use usbip_usb::Endpoint;

    #[test]
    fn is_found_by_its_name() -> Result {
        let device = gadget()?;
        assert!(device.name().to_bytes() == NAME);
        assert!(device.is_attached());
        assert!(!device.is_hub());
        assert_eq!(device.bus_number(), 1);
        assert!(Device::find(b"1-1.1").is_none());
        assert!(Device::find(b"").is_none());
        let hub = Device::find(b"usb1").ok_or(ENODEV)?;
        assert!(hub.is_hub());
        Ok(())
    }

    #[test]
    fn has_the_endpoints_of_its_configuration() -> Result {
        let device = gadget()?;
        let control = device.endpoint(0, Direction::In).ok_or(ENODEV)?;
        assert!(control.kind() == TransferKind::Control);
        assert!((1..16).any(|number| device
            .endpoint(number, Direction::In)
            .is_some_and(|endpoint| endpoint.kind() == TransferKind::Bulk)));
        assert!(device.endpoint(16, Direction::In).is_none());
        assert!(device.endpoint(255, Direction::Out).is_none());
        Ok(())
    }

    #[test]
    fn only_control_endpoints_have_two_directions() {
        let control = Endpoint::assumed(0, Direction::Out, TransferKind::Control);
        assert!(control.with_direction(Direction::In).direction() == Direction::In);
        let bulk = Endpoint::assumed(1, Direction::Out, TransferKind::Bulk);
        assert!(bulk.with_direction(Direction::In).direction() == Direction::Out);
        assert_eq!(
            Endpoint::assumed(0x1f, Direction::In, TransferKind::Bulk).number(),
            15
        );
    }

    #[test]
    fn locks_exclude_and_can_be_given_up() -> Result {
        let device = gadget()?;
        let held = device.try_lock_until(|| false).ok_or(ENODEV)?;
        let tries = core::cell::Cell::new(0_u32);
        let other = device.try_lock_until(|| {
            tries.set(tries.get().wrapping_add(1));
            tries.get() > 3
        });
        assert!(other.is_none());
        drop(held);
        assert!(device.try_lock_until(|| false).is_some());
        Ok(())
    }
}
