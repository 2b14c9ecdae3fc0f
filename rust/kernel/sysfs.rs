// SPDX-License-Identifier: GPL-2.0

//! Files in sysfs: what shows and stores one, and who owns them.
//!
//! A file's functions get the data that the file was made with. Removing a file waits for readers
//! and writers that are at it, so its data outlives every call.

mod binary;
mod device;
mod driver;
mod page;

pub use self::{
    binary::BinaryFile,
    device::DeviceFiles,
    driver::{
        DriverAttribute,
        DriverData,
        DriverFiles, //
    },
    page::PageWriter, //
};

use core::slice;

use kernel::{
    error::from_result,
    ffi::c_char,
    prelude::*, //
};

/// Writes the content of a file into the page of its reader.
pub type Show<D> = fn(&D, &mut PageWriter<'_>) -> Result;

/// Takes what was written to a file.
pub type Store<D> = fn(&D, &[u8]) -> Result;

/// A kind of file: its name, who may use it, and what it does.
pub struct File<D> {
    name: &'static CStr,
    mode: u16,
    show: Option<Show<D>>,
    store: Option<Store<D>>,
}

impl<D> File<D> {
    /// A file that everybody may read, mode 0444.
    pub const fn readable(name: &'static CStr, show: Show<D>) -> Self {
        Self {
            name,
            mode: 0o444,
            show: Some(show),
            store: None,
        }
    }

    /// A file that root may write, mode 0200.
    pub const fn writable(name: &'static CStr, store: Store<D>) -> Self {
        Self {
            name,
            mode: 0o200,
            show: None,
            store: Some(store),
        }
    }

    /// A file that everybody may read and root may write, mode 0644.
    pub const fn both(name: &'static CStr, show: Show<D>, store: Store<D>) -> Self {
        Self {
            name,
            mode: 0o644,
            show: Some(show),
            store: Some(store),
        }
    }
}

/// Runs a show function on the page that sysfs gave.
///
/// # Safety
///
/// `page` must point to a page that the caller may write for the time of the call.
unsafe fn show_on<D>(data: &D, show: Show<D>, page: *mut c_char) -> isize {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let mut out = unsafe { PageWriter::from_raw(page) };
        show(data, &mut out)?;
        Ok(isize::try_from(out.len())?)
    })
}

/// Runs a store function on the text that sysfs gave; a success takes all of it.
///
/// # Safety
///
/// `text` must point to `count` bytes that nobody writes for the time of the call.
unsafe fn store_from<D>(data: &D, store: Store<D>, text: *const c_char, count: usize) -> isize {
    // SAFETY: By the caller's promise.
    let bytes = unsafe { slice::from_raw_parts(text.cast::<u8>(), count) };
    from_result(|| {
        store(data, bytes)?;
        Ok(isize::try_from(count)?)
    })
}
