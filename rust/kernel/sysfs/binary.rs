// SPDX-License-Identifier: GPL-2.0

//! A file of a device whose content is not text.

use core::slice;

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
    sync::aref::ARef, //
};

use crate::bindings as helpers;

/// Puts what the file has from an offset on into a buffer; returns how many bytes that are.
type Read<D> = fn(&D, usize, &mut [u8]) -> Result<usize>;

/// What sysfs knows, at an address that stays.
struct Entry<D> {
    attribute: bindings::bin_attribute,
    data: D,
    read: Read<D>,
}

/// A file that everybody may read, mode 0444, and that exists as long as this value does.
///
/// Dropping it sleeps, until the last reader has left; see [`DeviceFiles`](super::DeviceFiles).
///
/// # Invariants
///
/// The entry's attribute is a file of `device`.
pub struct BinaryFile<D> {
    device: ARef<Device>,
    entry: KBox<Entry<D>>,
}

// SAFETY: The raw pointers inside are to what lives for ever.
unsafe impl<D: Send> Send for BinaryFile<D> {}
// SAFETY: As above; a shared reference gives access to nothing.
unsafe impl<D: Sync> Sync for BinaryFile<D> {}

impl<D: Send + Sync + 'static> BinaryFile<D> {
    /// Makes a file of so many bytes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if the device has a file of that name.
    pub fn new(
        device: &Device,
        name: &'static CStr,
        size: usize,
        read: fn(&D, usize, &mut [u8]) -> Result<usize>,
        data: D,
    ) -> Result<Self> {
        let mut attribute = bindings::bin_attribute::default();
        attribute.attr.name = name.as_char_ptr();
        attribute.attr.mode = 0o444;
        attribute.size = size;
        attribute.read = Some(read_callback::<D>);
        // SAFETY: `attribute` is a local.
        unsafe { helpers::usbip_helper_sysfs_attr_init(&mut attribute.attr) };
        let entry = KBox::new(
            Entry {
                attribute,
                data,
                read,
            },
            GFP_KERNEL,
        )?;
        let device: ARef<Device> = device.into();
        // SAFETY: The device is valid by its reference. The attribute stays where it is until
        // `drop` has removed the file.
        to_result(unsafe {
            bindings::device_create_bin_file(super::device::raw_device(&device), &entry.attribute)
        })?;
        // INVARIANT: The file was just made.
        Ok(Self { device, entry })
    }
}

impl<D> Drop for BinaryFile<D> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant the attribute is a file of the device. Afterwards sysfs
        // has let go of it.
        unsafe {
            bindings::device_remove_bin_file(
                super::device::raw_device(&self.device),
                &self.entry.attribute,
            );
        }
    }
}

/// Called when the file is read.
///
/// # Safety
///
/// `attribute` must be that of an [`Entry<D>`] that lives during the call, and `page` have room for `count` bytes, which
/// are the caller's alone. The kernel does not clear them before.
unsafe extern "C" fn read_callback<D>(
    _file: *mut bindings::file,
    _object: *mut bindings::kobject,
    attribute: *const bindings::bin_attribute,
    page: *mut c_char,
    offset: bindings::loff_t,
    count: usize,
) -> isize {
    // SAFETY: By this function's requirements.
    let entry: &Entry<D> =
        unsafe { &*container_of!(attribute.cast_mut(), Entry<D>, attribute).cast_const() };
    from_result(|| {
        let offset = usize::try_from(offset)?;
        // SAFETY: By this function's requirements; they are initialised first.
        let out = unsafe {
            page.write_bytes(0, count);
            slice::from_raw_parts_mut(page.cast::<u8>(), count)
        };
        // The kernel would copy what lies behind.
        let read = (entry.read)(&entry.data, offset, out)?.min(count);
        Ok(isize::try_from(read)?)
    })
}
