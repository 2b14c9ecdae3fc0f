// SPDX-License-Identifier: GPL-2.0

//! A device controller: its gadget and its endpoints, and their registration with udc-core.
//!
//! The device is made first, so that the driver can refer to it, then registered; dropping the registration takes
//! it out. After that no callback runs. Somebody may still refer to the gadget: its memory is freed when nobody does,
//! and nobody waits for that.

use core::ptr::NonNull;

use kernel::{
    bindings::usb_device_speed_USB_SPEED_SUPER,
    container_of,
    device,
    error::to_result,
    ffi::c_char,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

use usbip_kernel::outlive::DeviceMemory;
use usbip_proto::Speed;

use crate::{
    bindings,
    callbacks::{
        Callbacks,
        Gate, //
    },
    endpoint::{
        Endpoint,
        ENDPOINTS,
        NAMES, //
    },
    ops::{
        Controller,
        Ops, //
    },
};

/// The bytes of a full packet of the control endpoint at high speed.
const CONTROL_PACKET: u16 = 64;

/// The exponent of the same at SuperSpeed, as descriptors give it.
const CONTROL_PACKET_SUPER: u16 = 9;

/// The most streams of a bulk endpoint. None is ever used: hosts do not ask for streams over USB/IP, but functions that
/// could use them want endpoints that can.
const MAX_STREAMS: u16 = 16;

/// Bytes of a name, with the zero at its end.
const NAME_SIZE: usize = 16;

/// An endpoint, and the way back to its device.
#[repr(C)]
struct Ep {
    raw: bindings::usb_ep,
    device: *const Device,
    index: usize,
    name: [u8; NAME_SIZE],
}

/// What functions know of a device, and may know for longer than this module is there: a network interface or a sound
/// card that somebody uses refers to the gadget, and some never let go of it (`device_move` out of a gadget does not).
///
/// Nothing in it points to the module's text or data once the device is gone; see [`Body::leave`].
#[repr(C)]
struct Body {
    gadget: bindings::usb_gadget,
    eps: [Ep; ENDPOINTS],
    name: [u8; NAME_SIZE],
    device: *const Device,
    /// Callbacks that are not there.
    no_gadget_ops: bindings::usb_gadget_ops,
    /// As above.
    no_ep_ops: bindings::usb_ep_ops,
}

impl Body {
    /// Lets nobody call the module any more.
    ///
    /// # Safety
    ///
    /// `this` must be valid, and its gadget not registered.
    unsafe fn leave(this: *mut Self) {
        // SAFETY: By this function's requirements; whoever looks at the tables now finds either that there is nothing
        // to call or that it must not call, as the gadget has no driver.
        unsafe {
            (*this).gadget.ops = &raw const (*this).no_gadget_ops;
            for ep in &mut (*this).eps {
                ep.raw.ops = &raw const (*this).no_ep_ops;
            }
        }
    }
}

/// A device as gadget drivers see it.
///
/// # Invariants
///
/// Lives in an [`Arc`]. `body` was prepared by [`prepare`]. While it is registered, `controller` points to the value
/// whose type the tables of callbacks are made for.
#[pin_data]
pub struct Device {
    body: DeviceMemory<Body>,
    controller: Opaque<*const c_void>,
    #[pin]
    gate: Gate,
}

// SAFETY: What any thread may touch is atomic, behind the lock of `gate`, or written before the device is shared.
unsafe impl Send for Device {}
// SAFETY: As above.
unsafe impl Sync for Device {}

impl Device {
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn gadget(&self) -> *mut bindings::usb_gadget {
        // SAFETY: Only makes a pointer to a field of what lives as long as `self`.
        unsafe { &raw mut (*self.body.get()).gadget }
    }

    /// The gadget driver, for calling it. `None` if there is none, or it must not be called now.
    pub fn callbacks(&self) -> Option<Callbacks<'_>> {
        Callbacks::enter(self)
    }

    /// Chooses the speed at which the host will see the device: the best up to `limit` that controller and gadget driver
    /// know.
    pub fn choose_speed(&self, limit: Speed) -> Option<Speed> {
        let wanted = self.gate.max_speed()?;
        // SAFETY: The gadget lives as long as `self` does. Its speed is only written here, while no host is there.
        unsafe {
            let gadget = self.gadget();
            let speed = wanted.min((*gadget).max_speed).min(limit.number());
            (*gadget).speed = speed;
            let super_speed = speed >= usb_device_speed_USB_SPEED_SUPER;
            (*(*gadget).ep0).maxpacket = if super_speed {
                CONTROL_PACKET_SUPER
            } else {
                CONTROL_PACKET
            };
            Speed::from_number(speed)
        }
    }

    /// Lets gadget drivers know whether the host wants to be woken.
    pub fn set_wakeup_armed(&self, armed: bool) {
        // SAFETY: The gadget lives as long as `self` does; gadget drivers only read the flag. Nobody writes to the others
        // of its byte, which is all that is accessed, once the gadget is registered. To other bytes of their word
        // udc-core writes when it has connected the gadget or disconnected it. After the latter there is no host that
        // could want to wake; one that does in the moment after the former may be overlooked, as with every controller.
        unsafe { bindings::usb_gadget::set_wakeup_armed_raw(self.gadget(), u32::from(armed)) };
    }

    /// # Safety
    ///
    /// `gadget` must be one of a device, which must live for `'a`.
    pub(crate) unsafe fn of_gadget<'a>(gadget: *mut bindings::usb_gadget) -> &'a Self {
        // SAFETY: By this function's requirements, and the type invariant.
        unsafe { &*(*container_of!(gadget, Body, gadget)).device }
    }

    /// # Safety
    ///
    /// `endpoint` must be one of a registered device, which must live for `'a`.
    pub(crate) unsafe fn of_endpoint<'a>(endpoint: *mut bindings::usb_ep) -> (&'a Self, Endpoint) {
        // SAFETY: By this function's requirements, and the type invariant.
        unsafe {
            let ep = container_of!(endpoint, Ep, raw);
            let index = Endpoint::new((*ep).index).unwrap_or(Endpoint::CONTROL);
            (&*(*ep).device, index)
        }
    }

    /// # Safety
    ///
    /// The device must be registered with a controller of this type, for `'a`.
    pub(crate) unsafe fn controller<'a, T>(&self) -> &'a T {
        // SAFETY: By this function's requirements and the type invariant.
        unsafe { &*(*self.controller.get()).cast::<T>() }
    }

    /// A further reference to the device.
    ///
    /// # Safety
    ///
    /// Somebody else must hold one.
    pub(crate) unsafe fn reference(&self) -> Arc<Self> {
        // SAFETY: The device is in an `Arc` by the type invariant. The reference that is assumed here is somebody
        // else's, and only borrowed to take another one by.
        let borrowed = core::mem::ManuallyDrop::new(unsafe { Arc::from_raw(self) });
        Arc::clone(&borrowed)
    }
}

/// A device that udc-core does not know yet.
pub struct Unregistered(Arc<Device>);

impl Unregistered {
    /// Makes a device of `parent` with that name, up to SuperSpeed. The name is cut if it is longer than names are.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(parent: &device::Device, name: &CStr) -> Result<Self> {
        // CAST: A `Device` is a transparent wrapper.
        let parent = core::ptr::from_ref(parent)
            .cast_mut()
            .cast::<kernel::bindings::device>();
        // SAFETY: `usb_initialize_gadget` initialises the gadget's device with a release of udc-core that does
        // nothing. Functions, and whoever else refers to a gadget, need udc-core.
        let body = unsafe {
            DeviceMemory::new(|body: *mut Body| {
                let gadget = &raw mut (*body).gadget;
                bindings::usb_initialize_gadget(parent, gadget, None);
                NonNull::new_unchecked(&raw mut (*gadget).dev)
            })
        }?;
        let device = Arc::pin_init(
            pin_init!(Device {
                body,
                controller: Opaque::zeroed(),
                gate <- Gate::new(),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: Nobody else knows the device.
        unsafe { prepare(&device, name) };
        Ok(Self(device))
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device> {
        &self.0
    }

    /// Registers the device; the driver is being bound to its parent.
    ///
    /// # Errors
    ///
    /// What udc-core fails with; nothing is registered then.
    #[doc(alias = "usb_add_gadget_udc")]
    pub fn register<T: Controller>(self, controller: Arc<T>) -> Result<Registered<T>> {
        let device = self.0;
        let gadget = device.gadget();
        // SAFETY: The device is not registered, so nobody else looks at any of it. The tables are constants, and
        // made for the type of the controller, which lives until the device has been taken out.
        unsafe {
            device
                .controller
                .get()
                .write(Arc::as_ptr(&controller).cast());
            (*gadget).ops = Ops::<T>::GADGET;
            for ep in &mut (*device.body.get()).eps {
                ep.raw.ops = Ops::<T>::ENDPOINT;
            }
        }
        // SAFETY: The gadget was initialised, and lives as long as the device does.
        let result = to_result(unsafe { bindings::usb_add_gadget(gadget) });
        if let Err(error) = result {
            // SAFETY: It is not registered.
            unsafe { Body::leave(device.body.get()) };
            return Err(error);
        }
        // INVARIANT: Just done.
        Ok(Registered {
            device,
            _controller: controller,
        })
    }
}

/// Fills in what gadget drivers see of a device before it is registered.
///
/// # Safety
///
/// Nobody else may know the device.
unsafe fn prepare(device: &Arc<Device>, name: &CStr) {
    let body = device.body.get();
    let gadget = device.gadget();
    // SAFETY: The gadget is ours by this function's requirements.
    let list = unsafe { &raw mut (*gadget).ep_list };
    // SAFETY: As above; a list head that points to itself is an empty list.
    unsafe {
        (*body).device = Arc::as_ptr(device);
        (*gadget).name = copy_name(&mut (*body).name, name);
        (*gadget).max_speed = usb_device_speed_USB_SPEED_SUPER;
        bindings::usb_gadget::set_wakeup_capable_raw(gadget, 1);
        bindings::usb_gadget::set_sg_supported_raw(gadget, 1);
        init_list(list);
    }
    // SAFETY: As above.
    let eps = unsafe { &mut (*body).eps };
    for ((index, ep), name) in Endpoint::all().zip(eps).zip(NAMES) {
        let ep = core::ptr::from_mut(ep);
        // SAFETY: The endpoint is ours, as the gadget is, and in no list.
        unsafe {
            (*ep).device = Arc::as_ptr(device);
            (*ep).index = index.index();
            let raw = &raw mut (*ep).raw;
            (*raw).name = copy_name(&mut (*ep).name, name);
            (*raw).caps.set_dir_in(index.is_in().into());
            (*raw).caps.set_dir_out(index.is_out().into());
            if index.is_control() {
                (*raw).caps.set_type_control(1);
                bindings::usb_ep_set_maxpacket_limit(raw, CONTROL_PACKET.into());
                init_list(&raw mut (*raw).ep_list);
                (*gadget).ep0 = raw;
            } else {
                (*raw).caps.set_type_iso(1);
                (*raw).caps.set_type_bulk(1);
                (*raw).caps.set_type_int(1);
                (*raw).max_streams = MAX_STREAMS;
                bindings::usb_ep_set_maxpacket_limit(raw, u16::MAX.into());
                append(list, &raw mut (*raw).ep_list);
            }
        }
    }
}

/// Copies a name, or as much of it as there is room for; returns it as C has it.
fn copy_name(room: &mut [u8; NAME_SIZE], name: &CStr) -> *const c_char {
    // The last byte stays zero.
    for (to, from) in room.iter_mut().take(NAME_SIZE - 1).zip(name.to_bytes()) {
        *to = *from;
    }
    room.as_ptr().cast()
}

/// Makes an empty list.
///
/// # Safety
///
/// `list` must be valid for writes.
unsafe fn init_list(list: *mut kernel::bindings::list_head) {
    // SAFETY: By this function's requirements.
    unsafe {
        (*list).next = list;
        (*list).prev = list;
    }
}

/// Appends an entry to a list.
///
/// # Safety
///
/// `list` must be a list that is the caller's alone, and `entry` valid for writes and in no list.
unsafe fn append(list: *mut kernel::bindings::list_head, entry: *mut kernel::bindings::list_head) {
    // SAFETY: By this function's requirements.
    unsafe {
        let last = (*list).prev;
        (*entry).next = list;
        (*entry).prev = last;
        (*last).next = entry;
        (*list).prev = entry;
    }
}

/// A device that udc-core knows. Dropping it unbinds its gadget driver and takes it out, which sleeps.
///
/// # Invariants
///
/// The device is registered.
pub struct Registered<T: Controller> {
    device: Arc<Device>,
    /// What callbacks end in.
    _controller: Arc<T>,
}

impl<T: Controller> Drop for Registered<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is registered; this is a driver's process context.
        unsafe { bindings::usb_del_gadget(self.device.gadget()) };
        // SAFETY: It is not registered any more.
        unsafe { Body::leave(self.device.body.get()) };
    }
}
