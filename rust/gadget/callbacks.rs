// SPDX-License-Identifier: GPL-2.0

//! The way from the controller to the gadget driver that is bound to it.
//!
//! Lock order: [`Gate::inner`] is taken alone, for moments; never while a callback runs.
//!
//! A gadget driver may be unbound at any time, but not while one of its callbacks runs: udc-core switches callbacks
//! off first, and that waits.

use core::ptr::NonNull;

use kernel::{
    bindings::{
        usb_device_speed,
        usb_device_state_USB_STATE_ADDRESS,
        usb_device_state_USB_STATE_POWERED, //
    },
    error::to_result,
    prelude::*,
    time::Delta, //
};

use usbip_kernel::{
    bh::BottomHalvesOff,
    irqlock::SpinLockIrq,
    new_spinlock_irq,
    time::sleep, //
};

use crate::{
    bindings,
    controller::Device, //
};

/// How long whoever switches callbacks off waits before looking again.
const POLL: Delta = Delta::from_millis(1);

/// What the host has made of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is connected.
    Powered,
    /// It has an address.
    Addressed,
}

/// # Invariants
///
/// `driver` is bound to the device. While `enabled` or `users` is not 0, it stays so.
struct Inner {
    driver: Option<NonNull<bindings::usb_gadget_driver>>,
    enabled: bool,
    users: u32,
}

/// Whether callbacks may run, and how many do.
#[pin_data]
pub(crate) struct Gate {
    #[pin]
    inner: SpinLockIrq<Inner>,
}

// SAFETY: The pointer is to what udc-core lets any thread use.
unsafe impl Send for Gate {}
// SAFETY: As above; the lock serialises access.
unsafe impl Sync for Gate {}

impl Gate {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: There is no driver.
            inner <- new_spinlock_irq!(
                Inner {
                    driver: None,
                    enabled: false,
                    users: 0,
                },
                "gadget::Gate"
            ),
        })
    }

    /// A driver is bound.
    ///
    /// # Safety
    ///
    /// It must stay bound until [`Self::unbind`] is called, which must be after [`Self::disable`].
    pub(crate) unsafe fn bind(&self, driver: NonNull<bindings::usb_gadget_driver>) {
        let mut inner = self.inner.lock();
        // INVARIANT: By this function's requirements.
        inner.driver = Some(driver);
        // Not left to udc-core: where users disconnect a gadget and connect it again, it says so only once.
        inner.enabled = true;
    }

    /// The driver is about to be unbound.
    pub(crate) fn unbind(&self) {
        let mut inner = self.inner.lock();
        inner.driver = None;
        inner.enabled = false;
    }

    /// The speed that the driver is made for, if there is one.
    pub(crate) fn max_speed(&self) -> Option<usb_device_speed> {
        let inner = self.inner.lock();
        let driver = inner.driver?;
        // SAFETY: By the type invariant; it cannot be unbound as long as the lock is held, as that takes the lock.
        Some(unsafe { (*driver.as_ptr()).max_speed })
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.inner.lock().driver.is_some()
    }

    pub(crate) fn enable(&self) {
        self.inner.lock().enabled = true;
    }

    /// Switches callbacks off, and waits until none runs. Sleeps.
    pub(crate) fn disable(&self) {
        self.inner.lock().enabled = false;
        while self.inner.lock().users > 0 {
            sleep(POLL);
        }
    }

    fn enter(&self) -> Option<NonNull<bindings::usb_gadget_driver>> {
        let mut inner = self.inner.lock();
        if !inner.enabled {
            return None;
        }
        let driver = inner.driver?;
        inner.users = inner.users.checked_add(1)?;
        Some(driver)
    }

    fn leave(&self) {
        let mut inner = self.inner.lock();
        inner.users = inner.users.saturating_sub(1);
    }
}

/// The gadget driver, which stays bound as long as this lives. Its callbacks run as if in an interrupt.
///
/// # Invariants
///
/// Counted as a user of the device's gate; `driver` is bound.
pub struct Callbacks<'a> {
    device: &'a Device,
    driver: NonNull<bindings::usb_gadget_driver>,
}

impl<'a> Callbacks<'a> {
    /// `None` if there is no driver, or udc-core does not want it to be called.
    pub(crate) fn enter(device: &'a Device) -> Option<Self> {
        // INVARIANT: `enter` counts the user.
        let driver = device.gate().enter()?;
        Some(Self { device, driver })
    }

    /// Passes a setup packet on. What the driver answers, it queues on the control endpoint, now or later.
    ///
    /// # Errors
    ///
    /// The device stalls.
    pub fn setup(&self, packet: &[u8; 8]) -> Result {
        let [kind, request, value @ .., _, _, _, _] = *packet;
        let [.., index_low, index_high, length_low, length_high] = *packet;
        let mut control = bindings::usb_ctrlrequest {
            bRequestType: kind,
            bRequest: request,
            // Fields of the structure are in USB's byte order, as the packet is.
            wValue: u16::from_ne_bytes(value),
            wIndex: u16::from_ne_bytes([index_low, index_high]),
            wLength: u16::from_ne_bytes([length_low, length_high]),
        };
        // SAFETY: By the type invariant the driver is bound to this gadget.
        let setup = unsafe { (*self.driver.as_ptr()).setup }.ok_or(EINVAL)?;
        // SAFETY: As above; the packet is used during the call only. libcomposite writes to it, too: it makes the length
        // of a request smaller that is larger than its buffer.
        to_result(as_interrupt(|| unsafe {
            setup(self.device.gadget(), &raw mut control)
        }))
    }

    /// Says that the host is gone.
    pub fn disconnect(&self) {
        // SAFETY: By the type invariant the driver is bound to this gadget.
        if let Some(disconnect) = unsafe { (*self.driver.as_ptr()).disconnect } {
            // SAFETY: As above.
            as_interrupt(|| unsafe { disconnect(self.device.gadget()) });
        }
    }

    /// Says that the bus was reset.
    pub fn reset(&self) {
        // SAFETY: By the type invariant the driver is bound to this gadget.
        if unsafe { (*self.driver.as_ptr()).reset }.is_some() {
            // SAFETY: As above, and the callback that this calls is there.
            as_interrupt(|| unsafe {
                bindings::usb_gadget_udc_reset(self.device.gadget(), self.driver.as_ptr());
            });
        }
    }

    /// Shows users what the host has made of the device.
    pub fn set_state(&self, state: State) {
        let state = match state {
            State::Powered => usb_device_state_USB_STATE_POWERED,
            State::Addressed => usb_device_state_USB_STATE_ADDRESS,
        };
        // SAFETY: The gadget is registered as long as a driver is bound to it.
        unsafe { bindings::usb_gadget_set_state(self.device.gadget(), state) };
    }
}

impl Drop for Callbacks<'_> {
    fn drop(&mut self) {
        self.device.gate().leave();
    }
}

/// Runs a callback as it would be run by the interrupt of a controller in hardware: drivers rely on that no other
/// interrupt of this CPU takes their locks meanwhile.
pub(crate) fn as_interrupt<R>(callback: impl FnOnce() -> R) -> R {
    // Soft interrupts are off in an interrupt, too. A callback that found them on would switch them off and on itself,
    // as `netif_rx` does, and run them with interrupts off. On PREEMPT_RT, where interrupts are threads and locks may
    // sleep, that is all.
    let _off = BottomHalvesOff::try_enter();
    #[cfg(not(CONFIG_PREEMPT_RT))]
    {
        // SAFETY: Interrupts are switched to what they were below, by the same thread.
        let flags = unsafe { usbip_kernel::bindings::usbip_helper_local_irq_save() };
        let result = callback();
        // SAFETY: `flags` is what the call above returned.
        unsafe { usbip_kernel::bindings::usbip_helper_local_irq_restore(flags) };
        result
    }
    #[cfg(CONFIG_PREEMPT_RT)]
    callback()
}
