// SPDX-License-Identifier: GPL-2.0

//! A USB device, held by reference.
//!
//! A reference keeps the memory, not the hardware: every operation on a device that was unplugged
//! fails with `ENODEV` or the like.

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    bindings,
    device,
    error::to_result,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};

use usbip_kernel::bindings::{
    usbip_helper_device_lock,
    usbip_helper_device_unlock,
    usbip_helper_usb_trylock_device, //
};

use usbip_proto::{
    Direction,
    TransferKind, //
};

use crate::{
    buffer::Scatter,
    Endpoint,
    LockedDevice, //
};

/// `bDeviceClass` of a hub (USB 2.0 section 11.23.1).
const CLASS_HUB: u8 = 9;

/// How often a device lock that somebody else holds is tried, in milliseconds.
const LOCK_INTERVAL_MS: u32 = 5;

/// A USB device.
///
/// C header: [`include/linux/usb.h`](srctree/include/linux/usb.h)
///
/// # Invariants
///
/// The pointer is to a valid `struct usb_device`, whose reference count is above zero.
#[repr(transparent)]
#[doc(alias = "usb_device")]
pub struct Device(Opaque<bindings::usb_device>);

// SAFETY: A `struct usb_device` may be released by any thread that may sleep.
unsafe impl Send for Device {}
// SAFETY: All methods may be called from several threads at once; see there.
unsafe impl Sync for Device {}

// SAFETY: `usb_get_dev` and `usb_put_dev` count the references.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: The pointer is valid by the type invariant.
        unsafe { bindings::usb_get_dev(self.as_raw()) };
    }

    unsafe fn dec_ref(device: NonNull<Self>) {
        // SAFETY: The caller gives up the reference that it owned.
        unsafe { bindings::usb_put_dev(device.cast().as_ptr()) };
    }
}

impl AsRef<device::Device> for Device {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: The pointer is valid by the type invariant.
        let raw = unsafe { ptr::addr_of_mut!((*self.as_raw()).dev) };
        // SAFETY: The embedded device lives as long as the device around it.
        unsafe { device::Device::from_raw(raw) }
    }
}

impl Device {
    /// Borrows a device of the C side.
    ///
    /// # Safety
    ///
    /// `raw` is valid, and stays so for `'a`.
    pub(crate) unsafe fn from_raw<'a>(raw: *mut bindings::usb_device) -> &'a Self {
        // SAFETY: The caller promises it; the type is transparent.
        unsafe { &*raw.cast() }
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::usb_device {
        self.0.get()
    }

    /// The bus that the device is on.
    fn bus(&self) -> *mut bindings::usb_bus {
        // SAFETY: Valid by the type invariant; set once, before anybody sees the device.
        unsafe { (*self.as_raw()).bus }
    }

    /// Finds a device by the name that sysfs knows it by, such as `1-1.4`.
    pub fn find(name: &[u8]) -> Option<ARef<Self>> {
        struct Search<'a> {
            name: &'a [u8],
            found: Option<ARef<Device>>,
        }

        /// # Safety
        ///
        /// `device` is valid, and `search` is the one of the call below.
        unsafe extern "C" fn visit(
            device: *mut bindings::usb_device,
            search: *mut kernel::ffi::c_void,
        ) -> kernel::ffi::c_int {
            // SAFETY: The USB core hands out a device that it holds a reference to.
            let device = unsafe { Device::from_raw(device) };
            // SAFETY: It is a valid and exclusive pointer during the call below.
            let search = unsafe { &mut *search.cast::<Search<'_>>() };
            if device.name().to_bytes() != search.name {
                return 0;
            }
            search.found = Some(device.into());
            1
        }

        let mut search = Search { name, found: None };
        // SAFETY: `visit` may be called with `search`, which outlives the call.
        unsafe { bindings::usb_for_each_dev(ptr::from_mut(&mut search).cast(), Some(visit)) };
        search.found
    }

    /// Waits until no device is on its way to sleep, or from there, on its own. Sleeps.
    #[doc(alias = "pm_runtime_barrier")]
    pub(crate) fn settle_all() {
        /// # Safety
        ///
        /// `device` is valid.
        unsafe extern "C" fn visit(
            device: *mut bindings::usb_device,
            _: *mut kernel::ffi::c_void,
        ) -> kernel::ffi::c_int {
            // SAFETY: The USB core hands out a device that it holds a reference to.
            unsafe { bindings::pm_runtime_barrier(&raw mut (*device).dev) };
            0
        }

        // SAFETY: `visit` may be called with any second argument.
        unsafe { bindings::usb_for_each_dev(ptr::null_mut(), Some(visit)) };
    }

    /// The name that sysfs knows the device by.
    pub fn name(&self) -> &CStr {
        let device: &device::Device = self.as_ref();
        device.name()
    }

    /// The number of the device's bus.
    pub fn bus_number(&self) -> u16 {
        // SAFETY: A device keeps its bus alive; the number is never changed.
        let number = unsafe { (*self.bus()).busnum };
        u16::try_from(number).unwrap_or(0)
    }

    /// The number of the device on its bus.
    pub fn number(&self) -> u16 {
        u16::try_from(self.raw_number()).unwrap_or(0)
    }

    pub(crate) fn raw_number(&self) -> u32 {
        // SAFETY: Valid by the type invariant. It may be changed while the device is reset; an
        // outdated value makes an URB fail.
        let number = unsafe { ptr::addr_of!((*self.as_raw()).devnum).read_volatile() };
        u32::try_from(number).unwrap_or(0)
    }

    /// The name of the device's controller.
    pub fn controller(&self) -> &CStr {
        // SAFETY: A device keeps its bus alive; the name is set before and never changed.
        let name = unsafe { (*self.bus()).bus_name };
        if name.is_null() {
            return c"";
        }
        // SAFETY: It is a C string, which the bus owns.
        unsafe { CStr::from_char_ptr(name) }
    }

    /// Whether the device is a hub, real or virtual.
    pub fn is_hub(&self) -> bool {
        // SAFETY: Valid by the type invariant; read once before the device is published.
        let class = unsafe { (*self.as_raw()).descriptor.bDeviceClass };
        class == CLASS_HUB
    }

    /// The endpoint of the given number and direction, if the device has it now.
    pub fn endpoint(&self, number: u8, direction: Direction) -> Option<Endpoint> {
        let index = usize::from(number);
        if index >= 16 {
            return None;
        }
        // SAFETY: Valid by the type invariant; `index` is within both arrays.
        let slot = unsafe {
            match direction {
                Direction::Out => ptr::addr_of!((*self.as_raw()).ep_out[index]),
                Direction::In => ptr::addr_of!((*self.as_raw()).ep_in[index]),
            }
        };
        // SAFETY: As above. The pointer may be cleared at any time, which is one store.
        let endpoint = unsafe { slot.read_volatile() };
        let endpoint = NonNull::new(endpoint)?;
        // SAFETY: Endpoints are part of the configurations, which live until the device is
        // released, and their descriptors do not change.
        let descriptor = unsafe { &(*endpoint.as_ptr()).desc };
        Some(Endpoint::new(descriptor, direction))
    }

    /// What the controller demands of data in several pieces; `None` if it takes only one.
    pub(crate) fn scatter(&self, endpoint: &Endpoint) -> Option<Scatter> {
        // SAFETY: A device keeps its bus alive; both are set when the controller starts.
        let (max_entries, any_size) = unsafe {
            let bus = self.bus();
            ((*bus).sg_tablesize, (*bus).no_sg_constraint() != 0)
        };
        let packet = usize::from(endpoint.max_packet());
        let whole = packet != 0 && kernel::page::PAGE_SIZE % packet == 0;
        (max_entries > 1 && (any_size || whole)).then_some(Scatter { max_entries })
    }

    /// Whether the device is still there.
    pub fn is_attached(&self) -> bool {
        self.state() != bindings::usb_device_state_USB_STATE_NOTATTACHED
    }

    pub(crate) fn state(&self) -> bindings::usb_device_state {
        // SAFETY: Valid by the type invariant; may change at any time, which is one store.
        unsafe { ptr::addr_of!((*self.as_raw()).state).read_volatile() }
    }

    /// Locks the device, unless `give_up` says that the one who holds the lock may be waiting for
    /// this thread, or the device is gone. Sleeps.
    pub fn try_lock_until(&self, give_up: impl Fn() -> bool) -> Option<LockedDevice<'_>> {
        loop {
            if give_up() || !self.is_attached() {
                return None;
            }
            // SAFETY: Valid by the type invariant.
            if unsafe { usbip_helper_usb_trylock_device(self.as_raw()) } != 0 {
                // SAFETY: The lock was just taken.
                return Some(unsafe { LockedDevice::new(self) });
            }
            // SAFETY: The callers may sleep.
            unsafe { bindings::msleep(LOCK_INTERVAL_MS) };
        }
    }

    /// Ends the halt of an endpoint and starts its data toggle anew. Sleeps.
    ///
    /// `endpoint` is as in `wIndex` of the request: number, and 0x80 for IN.
    ///
    /// # Errors
    ///
    /// What the device or the controller answered.
    #[doc(alias = "usb_clear_halt")]
    pub fn clear_halt(&self, endpoint: u16) -> Result {
        let direction = if endpoint & 0x80 == 0 {
            Direction::Out
        } else {
            Direction::In
        };
        let number = u8::try_from(endpoint & 0x0f).unwrap_or(0);
        let pipe =
            Endpoint::assumed(number, direction, TransferKind::Control).pipe(self.raw_number());
        // CAST: A pipe is a bit field; C passes it as either.
        let pipe = pipe as i32;
        // SAFETY: Valid by the type invariant; only number and direction of the pipe are used.
        to_result(unsafe { bindings::usb_clear_halt(self.as_raw(), pipe) })
    }

    /// Lets all drivers try to bind to the device, if it has none. Sleeps.
    ///
    /// # Errors
    ///
    /// What the driver core says.
    #[doc(alias = "device_attach")]
    pub fn find_driver(&self) -> Result {
        // A device that is being removed lets go of its parent, but not while it is locked.
        let locked = self.try_lock_until(|| false).ok_or(ENODEV)?;
        let parent = locked.parent().ok_or(ENODEV)?;
        drop(locked);

        let parent = ptr::from_ref::<device::Device>(&parent).cast_mut().cast();
        // SAFETY: Valid by the type invariant.
        let device = unsafe { ptr::addr_of_mut!((*self.as_raw()).dev) };
        // SAFETY: There is a reference to the parent. On this bus it has to be locked here.
        unsafe { usbip_helper_device_lock(parent) };
        // SAFETY: Both devices are valid, and the parent is locked.
        let found = unsafe { bindings::device_attach(device) };
        // SAFETY: It was locked above.
        unsafe { usbip_helper_device_unlock(parent) };
        to_result(found.min(0))
    }
}
