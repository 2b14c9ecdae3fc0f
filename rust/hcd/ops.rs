// SPDX-License-Identifier: GPL-2.0

//! The callbacks of usbcore, and the one trait that they end in.
//!
//! Nothing here decides anything but what C leaves to every driver alike.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings::{
        gfp_t,
        usb_device,
        usb_device_speed_USB_SPEED_HIGH,
        usb_device_speed_USB_SPEED_SUPER_PLUS,
        usb_host_endpoint, //
    },
    ffi::{
        c_char,
        c_int,
        c_uint, //
    },
    prelude::*,
    str::as_char_ptr_in_const_context, //
};

use usbip_kernel::errno::eshutdown;

use crate::{
    bindings,
    bus::is_accessible,
    urb::{
        NewUrb,
        Outcome,
        Unlinking, //
    },
};

/// The most ports that a root hub may have.
#[doc(alias = "USB_MAXCHILDREN")]
pub const MAX_PORTS: u8 = 31;

/// The bytes of a bitmap with one bit for the hub and one for each port: usbcore's buffer is at least that long.
const BITMAP: usize = 4;

/// `HC_STATE_RUNNING` of linux/usb/hcd.h.
const STATE_RUNNING: c_int = 0x01;
/// `HC_STATE_SUSPENDED` of linux/usb/hcd.h.
const STATE_SUSPENDED: c_int = 0x04;

/// A class request to a root hub.
#[derive(Clone, Copy, Debug)]
pub struct HubRequest {
    /// `bmRequestType << 8 | bRequest`.
    pub type_and_request: u16,
    /// `wValue`.
    pub value: u16,
    /// `wIndex`.
    pub index: u16,
    /// `wLength`.
    pub length: u16,
}

/// A root hub, and the way to the devices behind it.
///
/// A lock protects the URBs of the device on a port: the one behind which the driver keeps the port's
/// [key](crate::PortKey). Methods of [`NewUrb`], [`Unlinking`] and [`Queued`](crate::Queued) ask for its guard.
pub trait RootHub: Send + Sync + 'static {
    /// The driver's name.
    const DESCRIPTION: &'static CStr;
    /// What the root hubs call themselves.
    const PRODUCT: &'static CStr;

    /// Takes an URB over, or refuses it. Any context; see [`NewUrb::may_sleep`].
    fn enqueue<'a>(&self, urb: NewUrb<'a>) -> Outcome<'a>;

    /// Begins to give an URB up. Any context.
    ///
    /// # Errors
    ///
    /// What [`Unlinking::check`] fails with. If there is no error, the URB is given back, now or later.
    fn dequeue(&self, urb: Unlinking<'_>) -> Result;

    /// Sets bit n of `bitmap` if port n, counted from 1, has changed; returns how many bytes of it count, 0 if
    /// nothing has. Any context.
    fn changes(&self, bitmap: &mut [u8]) -> usize;

    /// Answers a request; returns how many bytes of `data` are the answer, if that is not fixed by the request.
    ///
    /// # Errors
    ///
    /// `EPIPE` is a stall.
    fn control(&self, request: HubRequest, data: &mut [u8]) -> Result<usize>;
}

/// What usbcore keeps for the driver in a `struct usb_hcd`, `hcd_priv`.
///
/// The table is here because it must be there as long as the `struct usb_hcd` is. Whoever refers to a device refers to
/// that, not to the module, and usbcore looks at the table's `flags` when the module has long gone: for a program that
/// maps memory of usbfs's or gives it back, and in `usb_free_coherent`.
struct Private<T> {
    hub: *const T,
    table: bindings::hc_driver,
}

/// The callbacks for hubs of type `T`.
pub(crate) struct Ops<T>(PhantomData<T>);

impl<T: RootHub> Ops<T> {
    /// What a bus is created with. It then has a copy: see [`Self::own_table`].
    pub(crate) const TABLE: &'static bindings::hc_driver = &bindings::hc_driver {
        description: as_char_ptr_in_const_context(T::DESCRIPTION),
        product_desc: as_char_ptr_in_const_context(T::PRODUCT),
        hcd_priv_size: size_of::<Private<T>>(),
        // CAST: small constants; `From` is not const.
        flags: (bindings::HCD_USB31 | bindings::HCD_SHARED) as c_int,
        reset: Some(Self::reset),
        start: Some(Self::start),
        stop: Some(Self::stop),
        urb_enqueue: Some(Self::urb_enqueue),
        urb_dequeue: Some(Self::urb_dequeue),
        get_frame_number: Some(Self::get_frame_number),
        hub_status_data: Some(Self::hub_status_data),
        hub_control: Some(Self::hub_control),
        bus_suspend: Some(Self::bus_suspend),
        bus_resume: Some(Self::bus_resume),
        alloc_streams: Some(Self::alloc_streams),
        free_streams: Some(Self::free_streams),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `hcd` must be valid, and have been created with [`Self::TABLE`].
    unsafe fn private(hcd: *mut bindings::usb_hcd) -> *mut Private<T> {
        // C aligns the private data for a `s64`.
        const { assert!(align_of::<Private<T>>() <= align_of::<u64>()) };
        // SAFETY: By this function's requirements; there is room for it, see `hcd_priv_size`.
        unsafe { (&raw mut (*hcd).hcd_priv).cast() }
    }

    /// Gives `hcd` a table of its own, which is freed with it.
    ///
    /// The functions and strings that the table names stay the module's: usbcore makes use of them for registered
    /// buses only.
    ///
    /// # Safety
    ///
    /// `hcd` must have been created with [`Self::TABLE`], and nobody may have been told of it since.
    pub(crate) unsafe fn own_table(hcd: *mut bindings::usb_hcd) {
        // SAFETY: `hcd` is valid and was created with the table; nobody else looks at it or its private data yet.
        unsafe {
            let table = &raw mut (*Self::private(hcd)).table;
            table.write(*Self::TABLE);
            (*hcd).driver = table;
        }
    }

    /// Lets the callbacks for `hcd` end in `hub`.
    ///
    /// # Safety
    ///
    /// `hcd` must have been created with [`Self::TABLE`] and not be registered. `hub` must stay valid until it
    /// has been taken out and all readers of RCU that began before have left.
    pub(crate) unsafe fn set_hub(hcd: *mut bindings::usb_hcd, hub: *const T) {
        // SAFETY: `hcd` is valid and was created with the table; before it is registered nobody looks for the hub.
        unsafe { (*Self::private(hcd)).hub = hub };
    }

    /// # Safety
    ///
    /// Must only be called by a callback for `hcd`, which must not outlive it.
    unsafe fn hub<'a>(hcd: *mut bindings::usb_hcd) -> &'a T {
        // SAFETY: usbcore only calls back for registered buses; by the requirements of `set_hub` these were created
        // with the table, and the pointer is valid as long as that may be.
        unsafe { &*(*Self::private(hcd)).hub }
    }

    /// # Safety
    ///
    /// For usbcore only, while it registers `hcd`.
    unsafe extern "C" fn reset(hcd: *mut bindings::usb_hcd) -> c_int {
        // SAFETY: usbcore is registering `hcd`: it and its root hub are valid, and nobody else uses them yet.
        unsafe {
            let root_hub = (*hcd).self_.root_hub;
            if bindings::usb_hcd_is_primary_hcd(hcd) != 0 {
                // CAST: small constants of the header.
                (*hcd).speed = bindings::HCD_USB2 as c_int;
                (*root_hub).speed = usb_device_speed_USB_SPEED_HIGH;
            } else {
                (*hcd).speed = bindings::HCD_USB31 as c_int;
                (*root_hub).speed = usb_device_speed_USB_SPEED_SUPER_PLUS;
            }
            // Nothing here does DMA: scatter-gather lists of any length and shape will do.
            (*hcd).self_.sg_tablesize = c_uint::MAX;
            kernel::bindings::usb_bus::set_no_sg_constraint_raw(&raw mut (*hcd).self_, 1);
        }
        0
    }

    /// # Safety
    ///
    /// As for `reset`.
    unsafe extern "C" fn start(hcd: *mut bindings::usb_hcd) -> c_int {
        // SAFETY: As in `reset`.
        unsafe {
            (*hcd).power_budget = 0;
            bindings::usb_hcd::set_uses_new_polling_raw(hcd, 1);
            // No peer can say that its device wants to be woken. So usbcore does not let those sleep whose drivers
            // count on it.
            bindings::usb_hcd::set_cant_recv_wakeups_raw(hcd, 1);
            #[cfg(CONFIG_USB_OTG)]
            {
                (*hcd).self_.otg_port = 1;
            }
        }
        0
    }

    /// What there is to stop has been stopped before the bus is taken out.
    ///
    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn stop(_hcd: *mut bindings::usb_hcd) {}

    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn urb_enqueue(
        hcd: *mut bindings::usb_hcd,
        urb: *mut kernel::bindings::urb,
        flags: gfp_t,
    ) -> c_int {
        // SAFETY: This is a callback for `hcd`.
        let hub = unsafe { Self::hub(hcd) };
        // SAFETY: usbcore passes a valid URB, which is the driver's until this returns.
        let urb = match unsafe { NewUrb::from_raw(NonNull::new_unchecked(urb), flags) } {
            Ok(urb) => urb,
            Err(error) => return error.to_errno(),
        };
        match hub.enqueue(urb).into_result() {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn urb_dequeue(
        hcd: *mut bindings::usb_hcd,
        urb: *mut kernel::bindings::urb,
        status: c_int,
    ) -> c_int {
        // SAFETY: This is a callback for `hcd`.
        let hub = unsafe { Self::hub(hcd) };
        // SAFETY: usbcore passes a valid URB, which stays valid until this returns.
        let urb = unsafe { Unlinking::from_raw(NonNull::new_unchecked(urb), status) };
        match hub.dequeue(urb) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// There are no frames.
    ///
    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn get_frame_number(_hcd: *mut bindings::usb_hcd) -> c_int {
        0
    }

    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn hub_status_data(hcd: *mut bindings::usb_hcd, data: *mut c_char) -> c_int {
        // SAFETY: `hcd` is valid.
        if !unsafe { is_accessible(hcd) } {
            return 0;
        }
        // SAFETY: This is a callback for `hcd`.
        let hub = unsafe { Self::hub(hcd) };
        let mut bitmap = [0; BITMAP];
        let length = hub.changes(&mut bitmap).min(BITMAP);
        // SAFETY: usbcore's buffer has 6 bytes.
        unsafe {
            data.cast::<u8>()
                .copy_from_nonoverlapping(bitmap.as_ptr(), BITMAP)
        };
        #[cfg(CONFIG_PM)]
        // SAFETY: `hcd` is valid, and no lock is held here.
        unsafe {
            if length > 0 && (&raw const (*hcd).state).read_volatile() == STATE_SUSPENDED {
                bindings::usb_hcd_resume_root_hub(hcd);
            }
        }
        c_int::try_from(length).unwrap_or(0)
    }

    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn hub_control(
        hcd: *mut bindings::usb_hcd,
        type_and_request: u16,
        value: u16,
        index: u16,
        data: *mut c_char,
        length: u16,
    ) -> c_int {
        // SAFETY: `hcd` is valid.
        if !unsafe { is_accessible(hcd) } {
            return ETIMEDOUT.to_errno();
        }
        // SAFETY: This is a callback for `hcd`.
        let hub = unsafe { Self::hub(hcd) };
        let request = HubRequest {
            type_and_request,
            value,
            index,
            length,
        };
        let data = if data.is_null() {
            &mut []
        } else {
            // As `rh_call_control` allocates it.
            let size = usize::from(length).max(size_of::<bindings::usb_hub_descriptor>());
            // SAFETY: usbcore passes a zeroed buffer of that size for the time of this call.
            unsafe { core::slice::from_raw_parts_mut(data.cast::<u8>(), size) }
        };
        match hub.control(request, data) {
            Ok(count) => c_int::try_from(count).unwrap_or(0),
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn bus_suspend(hcd: *mut bindings::usb_hcd) -> c_int {
        // SAFETY: `hcd` is valid; usbcore calls this with the root hub's lock held.
        unsafe { (&raw mut (*hcd).state).write_volatile(STATE_SUSPENDED) };
        0
    }

    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn bus_resume(hcd: *mut bindings::usb_hcd) -> c_int {
        // SAFETY: `hcd` is valid.
        if !unsafe { is_accessible(hcd) } {
            return eshutdown().to_errno();
        }
        // SAFETY: `hcd` is valid; usbcore calls this with the root hub's lock held.
        unsafe { (&raw mut (*hcd).state).write_volatile(STATE_RUNNING) };
        0
    }

    /// No streams are to be had, which is no error.
    ///
    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn alloc_streams(
        _hcd: *mut bindings::usb_hcd,
        _device: *mut usb_device,
        _endpoints: *mut *mut usb_host_endpoint,
        _endpoint_count: c_uint,
        _stream_count: c_uint,
        _flags: gfp_t,
    ) -> c_int {
        0
    }

    /// # Safety
    ///
    /// For usbcore only, with what the callback of this name is documented to get.
    unsafe extern "C" fn free_streams(
        _hcd: *mut bindings::usb_hcd,
        _device: *mut usb_device,
        _endpoints: *mut *mut usb_host_endpoint,
        _endpoint_count: c_uint,
        _flags: gfp_t,
    ) -> c_int {
        0
    }
}
