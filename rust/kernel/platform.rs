// SPDX-License-Identifier: GPL-2.0

//! Platform devices that a module makes itself, and a driver for them.
//!
//! The kernel crate's own adapter keeps its data where a USB host controller wants to keep its own
//! (`drvdata`), and knows neither suspend nor resume.

use core::pin::Pin;

use kernel::{
    bindings,
    container_of,
    device,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    ffi::c_int,
    prelude::*,
    types::Opaque,
    ThisModule, //
};

/// A platform device that is bound to our driver.
///
/// # Invariants
///
/// Points to a valid `struct platform_device`.
#[repr(transparent)]
pub struct Device(Opaque<bindings::platform_device>);

impl Device {
    /// Wraps the argument of a callback.
    ///
    /// # Safety
    ///
    /// `raw` must be valid for `'a`.
    unsafe fn from_raw<'a>(raw: *mut bindings::platform_device) -> &'a Self {
        // SAFETY: By the caller's promise; the type is transparent.
        unsafe { &*raw.cast() }
    }

    /// The number behind the dot of the device's name.
    pub fn id(&self) -> c_int {
        // SAFETY: Valid by the type's invariant; the number never changes.
        unsafe { (*self.0.get()).id }
    }
}

impl AsRef<device::Device> for Device {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: The embedded device is as valid as the platform device.
        unsafe { device::Device::from_raw(&raw mut (*self.0.get()).dev) }
    }
}

/// What a platform driver does. One value of it serves all of the driver's devices.
pub trait Driver: Send + Sync + 'static {
    /// The name of the driver, and of the devices that it serves.
    const NAME: &'static CStr;

    /// Takes a device into service.
    ///
    /// # Errors
    ///
    /// The device stays without a driver.
    fn probe(&self, device: &Device) -> Result;

    /// Lets go of a device.
    fn remove(&self, device: &Device);

    /// The system is about to suspend, and no device has been told so far.
    ///
    /// # Errors
    ///
    /// The system does not suspend, and no device notices that it was to.
    fn prepare(&self, _device: &Device) -> Result {
        Ok(())
    }

    /// Prepares for system suspend. What is behind the device sleeps already.
    ///
    /// # Errors
    ///
    /// The system does not suspend.
    fn suspend(&self, device: &Device) -> Result;

    /// Wakes up after system suspend.
    ///
    /// # Errors
    ///
    /// Are logged by the kernel.
    fn resume(&self, device: &Device) -> Result;
}

/// A registered platform driver; dropping it removes the driver from all devices.
///
/// # Invariants
///
/// `driver` is registered, and is where it was when it was registered.
#[pin_data(PinnedDrop)]
pub struct Registration<T: Driver> {
    #[pin]
    driver: Opaque<bindings::platform_driver>,
    #[pin]
    data: T,
}

// SAFETY: A platform driver may be unregistered from any thread.
unsafe impl<T: Driver> Send for Registration<T> {}
// SAFETY: A shared reference gives access to `data` only.
unsafe impl<T: Driver> Sync for Registration<T> {}

impl<T: Driver> Registration<T> {
    /// What is called for suspending to memory, and around the image of hibernation.
    const SLEEP: bindings::dev_pm_ops = bindings::dev_pm_ops {
        prepare: Some(prepare_callback::<T>),
        suspend: Some(suspend_callback::<T>),
        resume: Some(resume_callback::<T>),
        freeze: Some(suspend_callback::<T>),
        thaw: Some(resume_callback::<T>),
        poweroff: Some(suspend_callback::<T>),
        restore: Some(resume_callback::<T>),
        ..pin_init::zeroed()
    };

    /// Registers a driver with its data.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is a driver of that name; what `data` fails with.
    pub fn new<E>(
        data: impl PinInit<T, E>,
        module: &'static ThisModule,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(Self {
            data <- data,
            // The data comes first: devices may be probed while the driver is being registered.
            driver <- Opaque::try_ffi_init(|slot: *mut bindings::platform_driver| {
                let mut driver = bindings::platform_driver {
                    probe: Some(probe_callback::<T>),
                    remove: Some(remove_callback::<T>),
                    ..Default::default()
                };
                driver.driver.name = T::NAME.as_char_ptr();
                driver.driver.pm = &Self::SLEEP;
                // SAFETY: `slot` is ours to write.
                unsafe { slot.write(driver) };
                // SAFETY: The driver stays where it is until `drop` has unregistered it.
                to_result(unsafe {
                    bindings::__platform_driver_register(
                        slot,
                        module.as_ptr(),
                        T::NAME.as_char_ptr(),
                    )
                })
            }),
        }? Error)
    }

    /// The driver's data.
    pub fn data(&self) -> &T {
        &self.data
    }
}

#[pinned_drop]
impl<T: Driver> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered, by the type's invariant.
        unsafe { bindings::platform_driver_unregister(self.driver.get()) };
    }
}

/// The device and the driver's data of a callback.
///
/// # Safety
///
/// `device` must be bound to a driver that [`Registration<T>`] registered, for `'a`.
unsafe fn parts<'a, T: Driver>(device: *mut bindings::platform_device) -> (&'a Device, &'a T) {
    // SAFETY: By the caller's promise the driver is set, and is the one in a `Registration<T>`.
    let registration = unsafe {
        let driver = container_of!((*device).dev.driver, bindings::platform_driver, driver);
        let driver: *mut Opaque<bindings::platform_driver> = driver.cast();
        &*container_of!(driver, Registration<T>, driver)
    };
    // SAFETY: By the caller's promise.
    (unsafe { Device::from_raw(device) }, &registration.data)
}

/// Called by the driver core when it binds a device to the driver.
///
/// # Safety
///
/// As for [`parts`].
unsafe extern "C" fn probe_callback<T: Driver>(device: *mut bindings::platform_device) -> c_int {
    // SAFETY: By this function's requirements.
    let (device, data) = unsafe { parts::<T>(device) };
    from_result(|| data.probe(device).map(|()| 0))
}

/// Called by the driver core when it takes a device from the driver.
///
/// # Safety
///
/// As for [`parts`].
unsafe extern "C" fn remove_callback<T: Driver>(device: *mut bindings::platform_device) {
    // SAFETY: By this function's requirements.
    let (device, data) = unsafe { parts::<T>(device) };
    data.remove(device);
}

/// As [`parts`], of the device inside of the platform device.
///
/// # Safety
///
/// `device` must be that of a platform device that [`parts`] may be called for.
unsafe fn parts_of<'a, T: Driver>(device: *mut bindings::device) -> (&'a Device, &'a T) {
    // SAFETY: By the caller's promise.
    unsafe { parts(container_of!(device, bindings::platform_device, dev)) }
}

/// Called by the driver core before it suspends anything.
///
/// # Safety
///
/// As for [`parts_of`].
unsafe extern "C" fn prepare_callback<T: Driver>(device: *mut bindings::device) -> c_int {
    // SAFETY: By this function's requirements.
    let (device, data) = unsafe { parts_of::<T>(device) };
    from_result(|| data.prepare(device).map(|()| 0))
}

/// Called by the driver core when it suspends.
///
/// # Safety
///
/// As for [`parts_of`].
unsafe extern "C" fn suspend_callback<T: Driver>(device: *mut bindings::device) -> c_int {
    // SAFETY: By this function's requirements.
    let (device, data) = unsafe { parts_of::<T>(device) };
    from_result(|| data.suspend(device).map(|()| 0))
}

/// Called by the driver core when it resumes.
///
/// # Safety
///
/// As for [`parts_of`].
unsafe extern "C" fn resume_callback<T: Driver>(device: *mut bindings::device) -> c_int {
    // SAFETY: By this function's requirements.
    let (device, data) = unsafe { parts_of::<T>(device) };
    from_result(|| data.resume(device).map(|()| 0))
}

/// A platform device that exists as long as this value does.
///
/// # Invariants
///
/// Points to a registered platform device.
pub struct OwnedDevice(core::ptr::NonNull<bindings::platform_device>);

// SAFETY: A platform device may be unregistered from any thread.
unsafe impl Send for OwnedDevice {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for OwnedDevice {}

impl OwnedDevice {
    /// Makes the device `name.id` directly below the platform bus.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if there is such a device.
    pub fn new(name: &'static CStr, id: c_int) -> Result<Self> {
        // The default of the platform bus.
        const NONE: u64 = 0;

        Self::register(name, id, NONE)
    }

    /// The same for a device whose data are moved by the processor, so that they may lie anywhere in memory: nobody
    /// has to copy them to where a controller with fewer address lines would find them.
    ///
    /// # Errors
    ///
    /// Those of [`Self::new`].
    #[doc(alias = "dma_mask")]
    pub fn new_reaching_all_memory(name: &'static CStr, id: c_int) -> Result<Self> {
        Self::register(name, id, u64::MAX)
    }

    fn register(name: &'static CStr, id: c_int, dma_mask: u64) -> Result<Self> {
        let info = bindings::platform_device_info {
            name: name.as_char_ptr(),
            id,
            dma_mask,
            ..Default::default()
        };
        // SAFETY: `info` is complete, and is only read during the call.
        let raw = from_err_ptr(unsafe { bindings::platform_device_register_full(&info) })?;
        // INVARIANT: Just registered.
        Ok(Self(core::ptr::NonNull::new(raw).ok_or(ENOMEM)?))
    }
}

impl Drop for OwnedDevice {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type's invariant.
        unsafe { bindings::platform_device_unregister(self.0.as_ptr()) };
    }
}
