// SPDX-License-Identifier: GPL-2.0

//! Files of a device.

use kernel::{
    bindings,
    container_of,
    device::Device,
    error::{
        from_result,
        to_result, //
    },
    ffi::c_char,
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};

use crate::bindings as helpers;

use super::{
    show_on,
    store_from,
    File,
    Show,
    Store, //
};

/// One file, at an address that stays while sysfs knows it.
struct Entry<D> {
    attribute: bindings::device_attribute,
    /// What `attribute` points to.
    _name: CString,
    data: D,
    show: Option<Show<D>>,
    store: Option<Store<D>>,
}

/// Files of one device that exist as long as this value does.
///
/// Dropping it sleeps, until the last reader and writer has left; so none of them may drop it. It
/// belongs to what is dropped when the driver lets go of the device: the files of a device that is
/// gone already are not found any more, and the kernel warns.
///
/// # Invariants
///
/// Every entry's attribute is a file of `device`, and the entry is boxed: its address is the one
/// that sysfs knows.
pub struct DeviceFiles<D> {
    device: ARef<Device>,
    entries: KVec<KBox<Entry<D>>>,
}

// SAFETY: The raw pointers inside are those of the entries' own names.
unsafe impl<D: Send> Send for DeviceFiles<D> {}
// SAFETY: As above; a shared reference gives access to nothing.
unsafe impl<D: Sync> Sync for DeviceFiles<D> {}

impl<D: Send + Sync + 'static> DeviceFiles<D> {
    /// A set of files of `device`, empty so far.
    pub fn new(device: &Device) -> Self {
        Self {
            device: device.into(),
            entries: KVec::new(),
        }
    }

    /// Makes a file.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if the device has a file of that name.
    pub fn add(&mut self, file: &File<D>, data: D) -> Result {
        self.add_named(file.name.try_into()?, file, data)
    }

    /// Makes a file, under another name than the one that `file` has.
    ///
    /// # Errors
    ///
    /// As [`DeviceFiles::add`].
    pub fn add_named(&mut self, name: CString, file: &File<D>, data: D) -> Result {
        self.entries.reserve(1, GFP_KERNEL)?;
        let mut attribute = bindings::device_attribute::default();
        attribute.attr.name = name.as_char_ptr();
        attribute.attr.mode = file.mode;
        // SAFETY: `attribute` is a local.
        unsafe { helpers::usbip_helper_sysfs_attr_init(&mut attribute.attr) };
        if file.show.is_some() {
            attribute.__bindgen_anon_1.show = Some(show::<D>);
        }
        if file.store.is_some() {
            attribute.__bindgen_anon_2.store = Some(store::<D>);
        }
        let entry = KBox::new(
            Entry {
                attribute,
                _name: name,
                data,
                show: file.show,
                store: file.store,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The device is valid by its reference. The attribute stays where it is, with its
        // name, until `drop` has removed the file.
        to_result(unsafe {
            bindings::device_create_file(raw_device(&self.device), &entry.attribute)
        })?;
        // INVARIANT: The file was just made. There is room for the entry, so it is not lost.
        self.entries.push_within_capacity(entry).map_err(|_| ENOMEM)
    }
}

impl<D> Drop for DeviceFiles<D> {
    fn drop(&mut self) {
        for entry in &self.entries {
            // SAFETY: By the type's invariant the attribute is a file of the device. Afterwards
            // sysfs has let go of it.
            unsafe { bindings::device_remove_file(raw_device(&self.device), &entry.attribute) };
        }
    }
}

/// The C device behind a reference.
pub(super) fn raw_device(device: &Device) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of the C structure, made for writing through.
    core::ptr::from_ref(device).cast_mut().cast()
}

/// The entry of an attribute.
///
/// # Safety
///
/// `attribute` must be the one of an [`Entry<D>`] that lives for `'a`.
unsafe fn entry<'a, D>(attribute: *mut bindings::device_attribute) -> &'a Entry<D> {
    // SAFETY: By the caller's promise.
    unsafe { &*container_of!(attribute, Entry<D>, attribute) }
}

/// Called when a file is read.
///
/// # Safety
///
/// As for [`entry`], and `page` must be an initialised page that is the caller's alone.
unsafe extern "C" fn show<D>(
    _device: *mut bindings::device,
    attribute: *mut bindings::device_attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: By this function's requirements.
    let entry = unsafe { entry::<D>(attribute) };
    let Some(show) = entry.show else {
        return from_result(|| Err(EIO));
    };
    // SAFETY: By this function's requirements.
    unsafe { show_on(&entry.data, show, page) }
}

/// Called when a file is written.
///
/// # Safety
///
/// As for [`entry`], and `text` must have `count` bytes that nobody writes.
unsafe extern "C" fn store<D>(
    _device: *mut bindings::device,
    attribute: *mut bindings::device_attribute,
    text: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: By this function's requirements.
    let entry = unsafe { entry::<D>(attribute) };
    let Some(store) = entry.store else {
        return from_result(|| Err(EIO));
    };
    // SAFETY: By this function's requirements.
    unsafe { store_from(&entry.data, store, text, count) }
}
