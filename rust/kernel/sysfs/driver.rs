// SPDX-License-Identifier: GPL-2.0

//! Files of a driver.
//!
//! sysfs calls their functions with the driver only, so each file is a type, and the data is found
//! from the driver.

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::c_char,
    prelude::*, //
};

use crate::bindings as helpers;

use super::{
    show_on,
    store_from,
    File, //
};

/// Data that belongs to a registered driver.
///
/// # Safety
///
/// For every driver that files of this data are made for, [`DriverData::of`] must return a
/// reference that is valid for as long as the files exist.
pub unsafe trait DriverData: Sized + Sync + 'static {
    /// The data of `driver`.
    ///
    /// # Safety
    ///
    /// `driver` must be one that files of this data have been made for.
    unsafe fn of<'a>(driver: *mut bindings::device_driver) -> &'a Self;
}

/// A file of a driver, as a type.
pub trait DriverAttribute<D: 'static>: 'static {
    /// Its name, mode and functions.
    const FILE: File<D>;
}

/// The kernel's description of the file `A`.
fn driver_attribute<D: DriverData, A: DriverAttribute<D>>() -> bindings::driver_attribute {
    let mut attribute = bindings::driver_attribute::default();
    attribute.attr.name = A::FILE.name.as_char_ptr();
    attribute.attr.mode = A::FILE.mode;
    // SAFETY: `attribute` is a local.
    unsafe { helpers::usbip_helper_sysfs_attr_init(&mut attribute.attr) };
    if A::FILE.show.is_some() {
        attribute.show = Some(show::<D, A>);
    }
    if A::FILE.store.is_some() {
        attribute.store = Some(store::<D, A>);
    }
    attribute
}

/// Files of one driver that exist as long as this value does.
///
/// Dropping it sleeps, until the last reader and writer has left.
///
/// # Invariants
///
/// `driver` is registered, and every attribute is one of its files and boxed: its address is the
/// one that sysfs knows.
pub struct DriverFiles {
    driver: *const bindings::device_driver,
    attributes: KVec<KBox<bindings::driver_attribute>>,
}

// SAFETY: Files may be removed from any thread.
unsafe impl Send for DriverFiles {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for DriverFiles {}

impl DriverFiles {
    /// A set of files of `driver`, empty so far.
    ///
    /// # Safety
    ///
    /// `driver` must be registered until this value has been dropped.
    pub unsafe fn new(driver: *const bindings::device_driver) -> Self {
        // INVARIANT: There is no file yet.
        Self {
            driver,
            attributes: KVec::new(),
        }
    }

    /// Makes the file `A`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if the driver has a file of that name.
    ///
    /// # Safety
    ///
    /// [`DriverData::of`] of `D` must be good for this value's driver.
    pub unsafe fn add<D: DriverData, A: DriverAttribute<D>>(&mut self) -> Result {
        self.attributes.reserve(1, GFP_KERNEL)?;
        let attribute = KBox::new(driver_attribute::<D, A>(), GFP_KERNEL)?;
        // SAFETY: The driver is registered; the attribute stays where it is until `drop` has
        // removed the file.
        to_result(unsafe { bindings::driver_create_file(self.driver, &*attribute) })?;
        // INVARIANT: The file was just made. There is room for the entry, so it is not lost.
        self.attributes
            .push_within_capacity(attribute)
            .map_err(|_| ENOMEM)
    }
}

impl Drop for DriverFiles {
    fn drop(&mut self) {
        for attribute in &self.attributes {
            // SAFETY: By the type's invariant this is a file of the driver.
            unsafe { bindings::driver_remove_file(self.driver, &**attribute) };
        }
    }
}

/// Called when a file is read.
///
/// # Safety
///
/// `driver` must be one that files of `D` have been made for, and `page` an initialised page that
/// is the caller's alone.
unsafe extern "C" fn show<D: DriverData, A: DriverAttribute<D>>(
    driver: *mut bindings::device_driver,
    page: *mut c_char,
) -> isize {
    // SAFETY: By this function's requirements.
    let data = unsafe { D::of(driver) };
    let Some(show) = A::FILE.show else {
        return from_result(|| Err(EIO));
    };
    // SAFETY: By this function's requirements.
    unsafe { show_on(data, show, page) }
}

/// Called when a file is written.
///
/// # Safety
///
/// `driver` must be one that files of `D` have been made for, and `text` must have `count` bytes
/// that nobody writes.
unsafe extern "C" fn store<D: DriverData, A: DriverAttribute<D>>(
    driver: *mut bindings::device_driver,
    text: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: By this function's requirements.
    let data = unsafe { D::of(driver) };
    let Some(store) = A::FILE.store else {
        return from_result(|| Err(EIO));
    };
    // SAFETY: By this function's requirements.
    unsafe { store_from(data, store, text, count) }
}
