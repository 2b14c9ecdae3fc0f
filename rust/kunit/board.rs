// SPDX-License-Identifier: GPL-2.0

//! A platform device of a test's own, and what its driver has made of it.

use kernel::{
    device,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use usbip_kernel::platform::{
    Device,
    Driver,
    OwnedDevice,
    Registration, //
};

/// What a driver makes of a device. It is dropped when the device goes.
pub(crate) trait Made: Send + Sized + Unpin + 'static {
    /// The name of driver and device.
    const NAME: &'static CStr;

    /// Makes it.
    ///
    /// # Errors
    ///
    /// The device has no driver then.
    fn make(device: &device::Device) -> Result<Self>;
}

#[pin_data]
struct Maker<T> {
    #[pin]
    made: Mutex<Option<T>>,
}

impl<T: Made> Driver for Maker<T> {
    const NAME: &'static CStr = T::NAME;

    fn probe(&self, device: &Device) -> Result {
        let made = T::make(device.as_ref())?;
        *self.made.lock() = Some(made);
        Ok(())
    }

    fn remove(&self, _device: &Device) {
        let made = self.made.lock().take();
        drop(made);
    }

    fn suspend(&self, _device: &Device) -> Result {
        Ok(())
    }

    fn resume(&self, _device: &Device) -> Result {
        Ok(())
    }
}

/// The device and its driver. Dropping it takes out both.
pub(crate) struct Board<T: Made> {
    _device: OwnedDevice,
    driver: Pin<KBox<Registration<Maker<T>>>>,
}

impl<T: Made> Board<T> {
    /// Makes both.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let maker = pin_init!(Maker {
            made <- new_mutex!(None, "kunit::board"),
        });
        let driver = KBox::pin_init(Registration::new(maker, &crate::THIS_MODULE), GFP_KERNEL)?;
        Ok(Self {
            _device: OwnedDevice::new(T::NAME, 1)?,
            driver,
        })
    }

    /// Looks at what the driver has made.
    ///
    /// # Errors
    ///
    /// `ENODEV` if it could not make it.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&T) -> R) -> Result<R> {
        let made = self.driver.data().made.lock();
        Ok(look(made.as_ref().ok_or(ENODEV)?))
    }
}
