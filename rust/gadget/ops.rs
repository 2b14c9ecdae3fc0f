// SPDX-License-Identifier: GPL-2.0

//! The callbacks of udc-core and of gadget drivers, and the one trait that they end in.
//!
//! Nothing here decides anything but what C leaves to every driver alike.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    alloc::flags::{
        GFP_ATOMIC,
        GFP_KERNEL, //
    },
    bindings::{
        gfp_t,
        usb_endpoint_descriptor, //
    },
    error::from_result,
    ffi::c_int,
    prelude::*, //
};

use usbip_kernel::errno::eshutdown;

use crate::{
    bindings,
    controller::Device,
    endpoint::{
        Endpoint,
        EndpointConfig, //
    },
    request::{
        Request,
        RequestId,
        Slot, //
    },
};

/// What becomes of an endpoint's halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It ends.
    Clear,
    /// It begins, and the host may end it.
    Set,
    /// It begins, and only the gadget driver may end it.
    Wedge,
}

/// A request that was not accepted.
pub struct Refused {
    /// Why.
    pub error: Error,
    /// The request.
    pub request: Request,
}

/// A device controller. Unless it is said otherwise, methods are called in any context.
pub trait Controller: Send + Sync + 'static {
    /// A gadget driver sets an endpoint up.
    ///
    /// # Errors
    ///
    /// The gadget driver cannot use it.
    fn enable(&self, endpoint: Endpoint, config: EndpointConfig) -> Result;

    /// A gadget driver is done with an endpoint. All of its requests are given back before this returns.
    fn disable(&self, endpoint: Endpoint);

    /// A gadget driver queues a request. It must not be given back before this has returned.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the request.
    fn queue(&self, endpoint: Endpoint, request: Request) -> Result<(), Refused>;

    /// A gadget driver wants a request back.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not queued on this endpoint.
    fn dequeue(&self, endpoint: Endpoint, request: RequestId) -> Result;

    /// A gadget driver halts an endpoint, or ends its halt.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there still is something to be sent.
    fn set_halt(&self, endpoint: Endpoint, halt: Halt) -> Result;

    /// The number of the current frame.
    fn frame(&self) -> u16;

    /// The gadget driver wants to wake the host.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the host does not want to be woken.
    fn wakeup(&self) -> Result;

    /// Whether the device may wake the host is up to the gadget driver's configuration.
    fn allow_wakeup(&self, allowed: bool);

    /// The device has power of its own, or not.
    fn set_self_powered(&self, on: bool);

    /// A gadget driver is bound. May sleep.
    fn start(&self);

    /// The gadget driver is about to be unbound. All requests are given back before this returns. May sleep.
    fn stop(&self);

    /// The device is to be seen by a host. May sleep.
    fn pull_up(&self);

    /// The device is not to be seen any more: the host is gone when this returns. May sleep.
    fn pull_down(&self);
}

/// The callbacks for controllers of type `T`.
pub(crate) struct Ops<T>(PhantomData<T>);

/// The device and the controller of a gadget, as callbacks see them.
struct Parts<'a, T> {
    device: &'a Device,
    controller: &'a T,
}

impl<T: Controller> Ops<T> {
    pub(crate) const GADGET: &'static bindings::usb_gadget_ops = &bindings::usb_gadget_ops {
        get_frame: Some(Self::get_frame),
        wakeup: Some(Self::wakeup),
        set_remote_wakeup: Some(Self::set_remote_wakeup),
        set_selfpowered: Some(Self::set_selfpowered),
        pullup: Some(Self::pullup),
        udc_start: Some(Self::udc_start),
        udc_stop: Some(Self::udc_stop),
        udc_async_callbacks: Some(Self::udc_async_callbacks),
        ..pin_init::zeroed()
    };

    pub(crate) const ENDPOINT: &'static bindings::usb_ep_ops = &bindings::usb_ep_ops {
        enable: Some(Self::enable),
        disable: Some(Self::disable),
        alloc_request: Some(Self::alloc_request),
        free_request: Some(Self::free_request),
        queue: Some(Self::queue),
        dequeue: Some(Self::dequeue),
        set_halt: Some(Self::set_halt),
        set_wedge: Some(Self::set_wedge),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Must only be called by a callback for `gadget`, which must not outlive it.
    unsafe fn gadget<'a>(gadget: *mut bindings::usb_gadget) -> Parts<'a, T> {
        // SAFETY: Callbacks come only for gadgets that are registered, with the table for their controller's type.
        unsafe {
            let device = Device::of_gadget(gadget);
            Parts {
                device,
                controller: device.controller::<T>(),
            }
        }
    }

    /// # Safety
    ///
    /// Must only be called by a callback for `endpoint`, which must not outlive it.
    unsafe fn endpoint<'a>(endpoint: *mut bindings::usb_ep) -> (Parts<'a, T>, Endpoint) {
        // SAFETY: As in `gadget`.
        unsafe {
            let (device, endpoint) = Device::of_endpoint(endpoint);
            let parts = Parts {
                device,
                controller: device.controller::<T>(),
            };
            (parts, endpoint)
        }
    }

    /// # Safety
    ///
    /// For udc-core only, with what the callback of this name is documented to get. This holds for all of them.
    unsafe extern "C" fn get_frame(gadget: *mut bindings::usb_gadget) -> c_int {
        // SAFETY: This is a callback for `gadget`.
        unsafe { Self::gadget(gadget) }.controller.frame().into()
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn wakeup(gadget: *mut bindings::usb_gadget) -> c_int {
        // SAFETY: This is a callback for `gadget`.
        let parts = unsafe { Self::gadget(gadget) };
        from_result(|| parts.controller.wakeup().map(|()| 0))
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn set_remote_wakeup(gadget: *mut bindings::usb_gadget, set: c_int) -> c_int {
        // SAFETY: This is a callback for `gadget`.
        unsafe { Self::gadget(gadget) }
            .controller
            .allow_wakeup(set != 0);
        0
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn set_selfpowered(gadget: *mut bindings::usb_gadget, on: c_int) -> c_int {
        // `is_selfpowered` of the gadget, which only sysfs shows, is left alone, as by the C module: udc-core may be writing
        // to flags of the same byte.
        // SAFETY: This is a callback for `gadget`.
        unsafe { Self::gadget(gadget) }
            .controller
            .set_self_powered(on != 0);
        0
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn pullup(gadget: *mut bindings::usb_gadget, on: c_int) -> c_int {
        // SAFETY: This is a callback for `gadget`.
        let parts = unsafe { Self::gadget(gadget) };
        if on != 0 {
            parts.controller.pull_up();
        } else {
            parts.controller.pull_down();
        }
        0
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn udc_start(
        gadget: *mut bindings::usb_gadget,
        driver: *mut bindings::usb_gadget_driver,
    ) -> c_int {
        // SAFETY: This is a callback for `gadget`.
        let parts = unsafe { Self::gadget(gadget) };
        let Some(driver) = NonNull::new(driver) else {
            return EINVAL.to_errno();
        };
        // SAFETY: udc-core passes the driver that it is binding, and calls `udc_stop` before it is unbound, with
        // callbacks switched off before that.
        unsafe { parts.device.gate().bind(driver) };
        parts.controller.start();
        0
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn udc_stop(gadget: *mut bindings::usb_gadget) -> c_int {
        // SAFETY: This is a callback for `gadget`.
        let parts = unsafe { Self::gadget(gadget) };
        // Where a driver is unbound by hand, udc-core does not switch callbacks off itself.
        parts.device.gate().disable();
        parts.controller.stop();
        parts.device.gate().unbind();
        0
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn udc_async_callbacks(gadget: *mut bindings::usb_gadget, enable: bool) {
        // SAFETY: This is a callback for `gadget`.
        let parts = unsafe { Self::gadget(gadget) };
        if enable {
            parts.device.gate().enable();
        } else {
            parts.device.gate().disable();
        }
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn enable(
        endpoint: *mut bindings::usb_ep,
        descriptor: *const usb_endpoint_descriptor,
    ) -> c_int {
        // SAFETY: This is a callback for `endpoint`.
        let (parts, index) = unsafe { Self::endpoint(endpoint) };
        from_result(|| {
            if index.is_control() || descriptor.is_null() {
                return Err(EINVAL);
            }
            // SAFETY: The gadget driver passes a descriptor; it was checked for null.
            let config = unsafe { EndpointConfig::read(descriptor) }.ok_or(EINVAL)?;
            parts.controller.enable(index, config)?;
            // SAFETY: The endpoint is valid, and being set up by its user.
            unsafe { (*endpoint).maxpacket = config.max_packet };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn disable(endpoint: *mut bindings::usb_ep) -> c_int {
        // SAFETY: This is a callback for `endpoint`.
        let (parts, index) = unsafe { Self::endpoint(endpoint) };
        if index.is_control() {
            return EINVAL.to_errno();
        }
        parts.controller.disable(index);
        0
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn alloc_request(
        _endpoint: *mut bindings::usb_ep,
        flags: gfp_t,
    ) -> *mut bindings::usb_request {
        // What may not do all that `GFP_KERNEL` does is served as if it could not even sleep.
        let kernel = kernel::bindings::GFP_KERNEL;
        Slot::allocate(if flags & kernel == kernel {
            GFP_KERNEL
        } else {
            GFP_ATOMIC
        })
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn free_request(
        _endpoint: *mut bindings::usb_ep,
        request: *mut bindings::usb_request,
    ) {
        if let Some(request) = NonNull::new(request) {
            // SAFETY: Requests come from `alloc_request`, and the gadget driver does not use it any more.
            unsafe { Slot::free(request) };
        }
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn queue(
        endpoint: *mut bindings::usb_ep,
        request: *mut bindings::usb_request,
        _flags: gfp_t,
    ) -> c_int {
        // SAFETY: This is a callback for `endpoint`.
        let (parts, index) = unsafe { Self::endpoint(endpoint) };
        from_result(|| {
            let request = NonNull::new(request).ok_or(EINVAL)?;
            // SAFETY: The device of an endpoint is in an `Arc`, of which the registration holds one reference.
            let device = unsafe { parts.device.reference() };
            // SAFETY: Requests come from `alloc_request`, and the gadget driver passes it on for this endpoint.
            let request = unsafe { Request::take(request, device) }?;
            match parts.controller.queue(index, request) {
                Ok(()) => Ok(0),
                Err(Refused { error, request }) => {
                    request.refuse();
                    Err(error)
                }
            }
        })
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn dequeue(
        endpoint: *mut bindings::usb_ep,
        request: *mut bindings::usb_request,
    ) -> c_int {
        // SAFETY: This is a callback for `endpoint`.
        let (parts, index) = unsafe { Self::endpoint(endpoint) };
        from_result(|| {
            let request = NonNull::new(request).ok_or(EINVAL)?;
            // SAFETY: Requests come from `alloc_request`; the gadget driver has not freed it.
            let id = unsafe { RequestId::new(request) };
            parts.controller.dequeue(index, id).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn set_halt(endpoint: *mut bindings::usb_ep, value: c_int) -> c_int {
        let halt = if value != 0 { Halt::Set } else { Halt::Clear };
        // SAFETY: This is a callback for `endpoint`.
        unsafe { Self::halt(endpoint, halt) }
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe extern "C" fn set_wedge(endpoint: *mut bindings::usb_ep) -> c_int {
        // SAFETY: This is a callback for `endpoint`.
        unsafe { Self::halt(endpoint, Halt::Wedge) }
    }

    /// # Safety
    ///
    /// As for `get_frame`.
    unsafe fn halt(endpoint: *mut bindings::usb_ep, halt: Halt) -> c_int {
        // SAFETY: By this function's requirements.
        let (parts, index) = unsafe { Self::endpoint(endpoint) };
        from_result(|| {
            if index.is_control() && halt == Halt::Wedge {
                return Err(EINVAL);
            }
            if !parts.device.gate().is_bound() {
                return Err(eshutdown());
            }
            parts.controller.set_halt(index, halt).map(|()| 0)
        })
    }
}
