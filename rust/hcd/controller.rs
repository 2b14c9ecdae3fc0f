// SPDX-License-Identifier: GPL-2.0

//! A controller with two buses: one for high speed and below, one for SuperSpeed.
//!
//! The buses are allocated first, so that the driver's hubs can refer to them, then registered, and taken out in
//! the reverse order when the registration is dropped. After that no callback runs.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings::synchronize_rcu,
    device::Device,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

use crate::{
    bindings,
    bus::Bus,
    ops::{
        Ops,
        RootHub, //
    },
    port::{
        Ports,
        Unregistered, //
    },
};

/// The two buses of a controller whose root hubs are driven by a `T`, not registered yet.
pub struct Allocated<T: RootHub> {
    high: Unregistered,
    super_speed: Unregistered,
    _hub: PhantomData<fn(T)>,
}

impl<T: RootHub> Allocated<T> {
    /// Allocates both buses for `device`, which the driver is being bound to.
    ///
    /// usbcore keeps the primary bus in the device's driver data.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[doc(alias = "usb_create_hcd")]
    pub fn new(device: &Device) -> Result<Self> {
        // A `Device` is a transparent wrapper.
        let raw = core::ptr::from_ref(device)
            .cast_mut()
            .cast::<kernel::bindings::device>();
        // SAFETY: The driver table is a constant; usbcore looks at the device and its name for registered buses
        // only, and the bus is taken out before the device is unbound.
        let high =
            unsafe { bindings::usb_create_hcd(Ops::<T>::TABLE, raw, device.name().as_char_ptr()) };
        // SAFETY: As `usb_create_hcd` has just returned it.
        let high = unsafe { Self::adopt(high) }?;
        // SAFETY: As above; the primary bus is valid.
        let super_speed = unsafe {
            bindings::usb_create_shared_hcd(
                Ops::<T>::TABLE,
                raw,
                device.name().as_char_ptr(),
                high.as_ptr(),
            )
        };
        // SAFETY: As `usb_create_shared_hcd` has just returned it.
        let super_speed = unsafe { Self::adopt(super_speed) }?;
        // SAFETY: The bus is valid, and nobody else knows of it yet.
        unsafe { bindings::usbip_helper_hcd_set_has_tt(high.as_ptr(), true) };
        Ok(Self {
            high: Unregistered::new(high),
            super_speed: Unregistered::new(super_speed),
            _hub: PhantomData,
        })
    }

    /// Takes over a bus that has been created.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if it has not.
    ///
    /// # Safety
    ///
    /// `hcd` must be what usbcore has just created with the table of `T`: null, or valid, with a reference.
    unsafe fn adopt(hcd: *mut bindings::usb_hcd) -> Result<Bus> {
        let hcd = NonNull::new(hcd).ok_or(ENOMEM)?;
        // SAFETY: It was created with this table, and just now.
        unsafe { Ops::<T>::own_table(hcd.as_ptr()) };
        // SAFETY: It is valid, and the reference passes on.
        Ok(unsafe { Bus::from_raw(hcd) })
    }

    /// The bus for high speed and below, with its ports.
    pub fn high(&mut self) -> Ports<'_> {
        self.high.ports()
    }

    /// The bus for SuperSpeed and SuperSpeed Plus, with its ports.
    pub fn super_speed(&mut self) -> Ports<'_> {
        self.super_speed.ports()
    }

    /// Registers both buses, with the hubs that drive them.
    ///
    /// # Errors
    ///
    /// What usbcore fails with; nothing is registered then.
    #[doc(alias = "usb_add_hcd")]
    pub fn register(self, high: Arc<T>, super_speed: Arc<T>) -> Result<Registered<T>> {
        // The order of creation is that of registration; dropping the vector of one takes it out again.
        let high = Added::new(self.high.into_bus(), high)?;
        let super_speed = Added::new(self.super_speed.into_bus(), super_speed)?;
        Ok(Registered { super_speed, high })
    }
}

/// A controller whose buses are registered. Dropping it takes them out, which disconnects all of their devices.
///
/// The SuperSpeed bus goes first: usbcore wants the primary one last.
pub struct Registered<T: RootHub> {
    super_speed: Added<T>,
    high: Added<T>,
}

impl<T: RootHub> Registered<T> {
    /// The hub for high speed and below.
    pub fn high(&self) -> &Arc<T> {
        &self.high.hub
    }

    /// The hub for SuperSpeed and SuperSpeed Plus.
    pub fn super_speed(&self) -> &Arc<T> {
        &self.super_speed.hub
    }
}

/// A bus that is registered.
///
/// # Invariants
///
/// `usb_add_hcd` has succeeded for the bus, and its private data points to what `hub` points to.
struct Added<T: RootHub> {
    bus: Bus,
    hub: Arc<T>,
}

impl<T: RootHub> Added<T> {
    fn new(bus: Bus, hub: Arc<T>) -> Result<Self> {
        // SAFETY: The bus is not registered, so nobody else looks at its private data, which has room for a
        // pointer.
        unsafe { Ops::<T>::set_hub(bus.as_ptr(), Arc::as_ptr(&hub)) };
        // SAFETY: The bus is valid and was not registered before. The callbacks find the hub, which lives until
        // the bus is taken out.
        to_result(unsafe { bindings::usb_add_hcd(bus.as_ptr(), 0, 0) })?;
        // INVARIANT: Both was just done.
        Ok(Self { bus, hub })
    }
}

impl<T: RootHub> Drop for Added<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the bus is registered; this is a driver's process context.
        unsafe { bindings::usb_remove_hcd(self.bus.as_ptr()) };
        // SAFETY: No requirements. Whoever polled the bus may still be in the driver: see `Bus::poll`.
        unsafe { synchronize_rcu() };
    }
}
