// SPDX-License-Identifier: GPL-2.0

//! Drivers of whole devices, as opposed to drivers of interfaces.
//!
//! Such a driver matches every device and decides in [`DeviceDriver::probe`]; the USB core tries
//! it for each device that has no driver.

use core::{
    mem::{
        offset_of,
        ManuallyDrop, //
    },
    ops::Deref,
    ptr, //
};

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

use usbip_kernel::{
    bindings::{
        usbip_helper_dev_get_drvdata,
        usbip_helper_dev_set_drvdata,
        usbip_helper_pm_runtime_put_autosuspend,
        usbip_helper_pm_runtime_put_noidle,
        usbip_helper_pm_runtime_resume_and_get, //
    },
    sysfs::{
        DriverAttribute,
        DriverData,
        DriverFiles, //
    }, //
};

use crate::{
    Device,
    LockedDevice, //
};

/// A driver of whole devices.
///
/// All functions run in process context, with the device and the one it hangs on locked.
#[doc(alias = "usb_device_driver")]
pub trait DeviceDriver: Send + Sync + Sized + 'static {
    /// What the driver is called in sysfs.
    const NAME: &'static CStr;

    /// What the driver keeps with each device that it is bound to.
    type Data: Send + Sync + 'static;

    /// Decides whether to bind to `device`.
    ///
    /// On success the port of the device is claimed, which keeps drivers of interfaces and user
    /// programs off. [`Self::disconnect`] is called if that fails.
    ///
    /// # Errors
    ///
    /// `ENODEV` lets other drivers try.
    fn probe(&self, device: &Device) -> Result<Self::Data>;

    /// Lets go of a device: it has been unplugged, or is to get another driver.
    ///
    /// When this returns, the driver has no transfers under way.
    fn disconnect(&self, device: &Device, data: Self::Data);

    /// The machine is awake again; nobody looks yet which devices are still there. Transfers were taken away when it
    /// went to sleep: see [`Complete::complete`](crate::Complete::complete).
    ///
    /// Called if the device has lost its power or its address, or is to be [reset when
    /// awake](LockedDevice::reset_when_awake). Nobody but its driver resets it, and it is taken for
    /// unplugged if that has not happened when this returns.
    fn resume(&self, _device: &LockedDevice<'_>, _data: &Self::Data) {}
}

/// A driver with what the C side knows of it.
///
/// # Invariants
///
/// `driver` is embedded in this, which is pinned as long as it is registered.
#[pin_data]
pub struct Registered<T: DeviceDriver> {
    #[pin]
    driver: Opaque<bindings::usb_device_driver>,
    this: T,
}

// SAFETY: The C side uses `driver` under its own locks; `this` may be sent.
unsafe impl<T: DeviceDriver> Send for Registered<T> {}
// SAFETY: As above; `this` may be shared.
unsafe impl<T: DeviceDriver> Sync for Registered<T> {}

impl<T: DeviceDriver> Deref for Registered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.this
    }
}

// SAFETY: Files are only made by `Registration::add_file`, for the driver that is embedded in
// a `Registered<T>`, and are removed before that is dropped.
unsafe impl<T: DeviceDriver> DriverData for Registered<T> {
    unsafe fn of<'a>(driver: *mut bindings::device_driver) -> &'a Self {
        // SAFETY: The caller promises that it is embedded in a `Registered<T>`.
        unsafe { Self::from_driver(driver) }
    }
}

impl<T: DeviceDriver> Registered<T> {
    /// Finds the driver object around the part that the driver core knows.
    ///
    /// # Safety
    ///
    /// `driver` is embedded in a `Registered<T>` that lives for `'a`.
    unsafe fn from_driver<'a>(driver: *const bindings::device_driver) -> &'a Self {
        // The address of `driver` is that of the `struct usb_device_driver` in it: `Opaque` is
        // transparent.
        let inner = offset_of!(bindings::usb_device_driver, driver);
        // SAFETY: The caller promises that there is such an object around it.
        unsafe {
            &*driver
                .byte_sub(inner)
                .byte_sub(offset_of!(Self, driver))
                .cast()
        }
    }

    /// Finds the driver that a device is bound to, or being bound to.
    ///
    /// # Safety
    ///
    /// `device` is valid for `'a`, and this driver is bound to it, or being bound.
    unsafe fn from_device<'a>(device: *mut bindings::usb_device) -> &'a Self {
        // SAFETY: The caller promises that the driver is one of this type, which the driver core
        // keeps registered as long as it calls it.
        unsafe { Self::from_driver((*device).dev.driver) }
    }

    /// Called by the USB core to offer a device.
    ///
    /// # Safety
    ///
    /// `raw` is a valid device that is locked, and that this driver is being bound to.
    unsafe extern "C" fn probe_callback(raw: *mut bindings::usb_device) -> c_int {
        // SAFETY: The caller promises it.
        let driver = unsafe { Self::from_device(raw) };
        // SAFETY: The device is valid during the call.
        let device = unsafe { Device::from_raw(raw) };
        from_result(|| {
            // Before the driver does anything that would have to be undone.
            let room = KBox::<T::Data>::new_uninit(GFP_KERNEL)?;
            let awake = Awake::wake(device)?;
            let data = driver.this.probe(device)?;
            if let Err(error) = claim_port(device) {
                driver.this.disconnect(device, data);
                return Err(error);
            }
            let data = room.write(data);
            // SAFETY: Valid; nobody else sets it while this driver is bound.
            unsafe { set_drvdata(raw, KBox::into_raw(data).cast()) };
            awake.stay();
            Ok(0)
        })
    }

    /// Called by the USB core when the driver is to let go of a device.
    ///
    /// # Safety
    ///
    /// `raw` is a valid device that is locked, and that this driver is bound to.
    unsafe extern "C" fn disconnect_callback(raw: *mut bindings::usb_device) {
        // SAFETY: The caller promises it.
        let driver = unsafe { Self::from_device(raw) };
        // SAFETY: The device is valid during the call.
        let device = unsafe { Device::from_raw(raw) };
        // SAFETY: Valid; set by the probe, if at all.
        let data = unsafe { drvdata(raw) }.cast::<T::Data>();
        if data.is_null() {
            return;
        }
        // SAFETY: As above.
        unsafe { set_drvdata(raw, ptr::null_mut()) };
        release_port(device);
        // SAFETY: It comes from `KBox::into_raw`, and was just taken out of the device.
        let data = unsafe { KBox::from_raw(data) };
        driver.this.disconnect(device, KBox::into_inner(data));
        Awake::end(device);
    }

    /// Called by the USB core before the machine goes to sleep, and when a device is to fall asleep that this driver has
    /// let go of, but that the driver core still calls its own.
    ///
    /// # Safety
    ///
    /// `raw` is a valid device that this driver is bound to, or was until just now.
    unsafe extern "C" fn suspend_callback(
        raw: *mut bindings::usb_device,
        message: bindings::pm_message_t,
    ) -> c_int {
        // SAFETY: Valid; set by the probe, taken out before the device may fall asleep on its own.
        if unsafe { drvdata(raw) }.is_null() {
            // Else it would count as asleep, and so would its hub, while its port is awake.
            // SAFETY: The caller promises it.
            return unsafe { as_usbcore(raw, message, |usbcore| usbcore.suspend) };
        }
        0
    }

    /// Called by the USB core when the machine is awake again, and when a device is to wake up that is being bound.
    ///
    /// # Safety
    ///
    /// `raw` is a valid device that is locked, and that this driver is bound to, or being bound.
    unsafe extern "C" fn resume_callback(
        raw: *mut bindings::usb_device,
        message: bindings::pm_message_t,
    ) -> c_int {
        // A device that has this driver is never put to sleep on its own: it was before, by the driver of the USB core.
        // SAFETY: Valid; only usbcore's power management, which calls this, lets it fall asleep or wake up.
        if unsafe { (*raw).state } == bindings::usb_device_state_USB_STATE_SUSPENDED {
            // SAFETY: The caller promises it.
            let status = unsafe { as_usbcore(raw, message, |usbcore| usbcore.resume) };
            if status != 0 {
                return status;
            }
        }
        // SAFETY: The caller promises it.
        unsafe { Self::with_data(raw, T::resume) }
    }

    /// Calls a method with the data of a device.
    ///
    /// # Safety
    ///
    /// `raw` is a valid device that is locked, and that this driver is bound to.
    unsafe fn with_data(
        raw: *mut bindings::usb_device,
        method: fn(&T, &LockedDevice<'_>, &T::Data),
    ) -> c_int {
        // SAFETY: The caller promises it.
        let driver = unsafe { Self::from_device(raw) };
        // SAFETY: Valid during the call.
        let device = unsafe { Device::from_raw(raw) };
        // SAFETY: Locked as the caller promises; the lock stays the caller's, as this is not
        // dropped.
        let device = ManuallyDrop::new(unsafe { LockedDevice::new(device) });
        // SAFETY: Valid; set by the probe, and taken out only with the device locked.
        let data = unsafe { drvdata(raw).cast::<T::Data>().as_ref() };
        if let Some(data) = data {
            method(&driver.this, &device, data);
        }
        0
    }
}

/// The driver's data of a device.
///
/// # Safety
///
/// `device` is valid.
unsafe fn drvdata(device: *mut bindings::usb_device) -> *mut c_void {
    // SAFETY: The caller promises it.
    unsafe { usbip_helper_dev_get_drvdata(ptr::addr_of!((*device).dev)) }
}

/// Sets the driver's data of a device.
///
/// # Safety
///
/// `device` is valid, and the caller's driver is bound to it, or being bound.
unsafe fn set_drvdata(device: *mut bindings::usb_device, data: *mut c_void) {
    // SAFETY: The caller promises it.
    unsafe { usbip_helper_dev_set_drvdata(ptr::addr_of_mut!((*device).dev), data) }
}

/// A callback of a driver of devices for power management.
type Power =
    unsafe extern "C" fn(udev: *mut bindings::usb_device, message: bindings::pm_message_t) -> c_int;

/// Wakes a device, or lets it fall asleep, as the USB core's own driver of devices does, who knows how to treat a port.
///
/// The USB core would have that driver do it if this one were a `generic_subclass`, but then it would also choose a
/// configuration and have drivers look at the interfaces before this driver is asked at all.
///
/// # Safety
///
/// `raw` is a valid device, and the power management is calling for just that.
unsafe fn as_usbcore(
    raw: *mut bindings::usb_device,
    message: bindings::pm_message_t,
    callback: impl FnOnce(&bindings::usb_device_driver) -> Option<Power>,
) -> c_int {
    // SAFETY: The name ends with a zero, and the bus is that of the USB core, which is there as long as this is.
    let core = unsafe { bindings::driver_find(c"usb".as_char_ptr(), (*raw).dev.bus) };
    if core.is_null() {
        return ENODEV.to_errno();
    }
    // SAFETY: No two drivers of a bus have the same name, and the one called "usb" is a driver of devices, which is
    // registered as long as there is a USB core.
    let usbcore = unsafe {
        &*core
            .byte_sub(offset_of!(bindings::usb_device_driver, driver))
            .cast::<bindings::usb_device_driver>()
    };
    match callback(usbcore) {
        // SAFETY: It is called as the USB core would call it.
        Some(callback) => unsafe { callback(raw, message) },
        None => ENODEV.to_errno(),
    }
}

/// A device that is offered to a driver, and awake until that has been decided.
///
/// The USB core does that for drivers that do not support autosuspend, but would not let a device sleep again after it
/// was refused.
struct Awake<'a>(&'a Device);

impl<'a> Awake<'a> {
    /// Wakes a device, and keeps it awake. Sleeps.
    ///
    /// # Errors
    ///
    /// What the hub or the device answered; `ENODEV` if it is gone.
    #[doc(alias = "usb_autoresume_device")]
    fn wake(device: &'a Device) -> Result<Self> {
        // SAFETY: The device is valid.
        to_result(unsafe { usbip_helper_pm_runtime_resume_and_get(Self::raw(device)) })?;
        Ok(Self(device))
    }

    /// Keeps the device awake until [`Self::end`].
    fn stay(self) {
        let _kept = ManuallyDrop::new(self);
    }

    /// Lets a device sleep again that was to [stay](Self::stay) awake.
    #[doc(alias = "usb_autosuspend_device")]
    fn end(device: &Device) {
        // SAFETY: The device is valid. Not at once: while it has this driver, nobody would put it to sleep.
        unsafe { usbip_helper_pm_runtime_put_autosuspend(Self::raw(device)) };
    }

    fn raw(device: &Device) -> *mut bindings::device {
        // SAFETY: The device is valid.
        unsafe { ptr::addr_of_mut!((*device.as_raw()).dev) }
    }
}

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        // The driver core looks whether it may sleep once it has no driver any more.
        // SAFETY: The device is valid, and was counted on in `wake`.
        unsafe { usbip_helper_pm_runtime_put_noidle(Self::raw(self.0)) };
    }
}

/// Claims the port that a device is plugged into.
///
/// The claim is by the device itself: any address serves that nobody else uses.
fn claim_port(device: &Device) -> Result {
    let raw = device.as_raw();
    // SAFETY: The device is valid and, as during all of a probe, so is its parent, locked.
    to_result(unsafe {
        bindings::usb_hub_claim_port((*raw).parent, (*raw).portnum.into(), raw.cast())
    })
}

/// Gives the port of a device back.
fn release_port(device: &Device) {
    let raw = device.as_raw();
    // If the hub was unplugged, its ports are gone, and the claim with them.
    // SAFETY: The device is valid and, as during all of a disconnect, so is its parent, locked.
    unsafe { bindings::usb_hub_release_port((*raw).parent, (*raw).portnum.into(), raw.cast()) };
}

/// A registered driver; dropping it unbinds it from all of its devices. That sleeps.
pub struct Registration<T: DeviceDriver> {
    /// Goes first: the functions of a file use the driver.
    files: Option<DriverFiles>,
    driver: Pin<KBox<Registered<T>>>,
}

impl<T: DeviceDriver> Registration<T> {
    /// Registers a driver. Devices without one are probed at once.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if there is a driver of that name; `ENODEV` if USB is switched off.
    pub fn new(module: &'static ThisModule, this: T) -> Result<Self> {
        let driver = KBox::pin_init(
            pin_init!(Registered {
                driver <- Opaque::ffi_init(|slot: *mut bindings::usb_device_driver| {
                    let mut table = bindings::usb_device_driver {
                        name: T::NAME.as_char_ptr(),
                        probe: Some(Registered::<T>::probe_callback),
                        disconnect: Some(Registered::<T>::disconnect_callback),
                        suspend: Some(Registered::<T>::suspend_callback),
                        resume: Some(Registered::<T>::resume_callback),
                        ..Default::default()
                    };
                    // Which is to say that it looks after that itself: see `Awake`.
                    table.set_supports_autosuspend(1);
                    // SAFETY: `slot` is valid for writes.
                    unsafe { slot.write(table) };
                }),
                this,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The table is valid, and pinned until it is unregistered.
        to_result(unsafe {
            bindings::usb_register_device_driver(driver.driver.get(), module.as_ptr())
        })?;
        // SAFETY: The driver is valid.
        let core = unsafe { ptr::addr_of!((*driver.driver.get()).driver) };
        // SAFETY: It is registered until after the files have been dropped: see `drop`.
        let files = Some(unsafe { DriverFiles::new(core) });
        Ok(Self { files, driver })
    }

    /// Adds a file to the driver's folder.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if there is such a file.
    pub fn add_file<A: DriverAttribute<Registered<T>>>(&mut self) -> Result {
        let files = self.files.as_mut().ok_or(ENODEV)?;
        // SAFETY: The driver is embedded in a `Registered<T>`.
        unsafe { files.add::<Registered<T>, A>() }
    }
}

impl<T: DeviceDriver> Drop for Registration<T> {
    fn drop(&mut self) {
        self.files = None;
        // SAFETY: It is registered. When the call returns, no device has the driver, nor will.
        unsafe { bindings::usb_deregister_device_driver(self.driver.driver.get()) };
        // A device that had it may have begun to fall asleep when it was let go of: usbcore looks into the driver that
        // it had then until it sleeps, and nothing above waits for that.
        Device::settle_all();
    }
}
