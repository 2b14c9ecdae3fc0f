// SPDX-License-Identifier: GPL-2.0

//! A bounded writer over the page of a reader.

use core::{
    fmt,
    slice, //
};

use kernel::{
    ffi::c_char,
    page::PAGE_SIZE, //
};

/// What sysfs takes at most: a full page it calls a bad count.
const ROOM: usize = PAGE_SIZE - 1;

/// Collects the content of a sysfs file; more than a page is refused, never cut.
pub struct PageWriter<'a> {
    page: &'a mut [u8],
    len: usize,
}

impl<'a> PageWriter<'a> {
    /// An empty page.
    ///
    /// # Safety
    ///
    /// `page` must point to an initialised page that is the caller's alone for `'a`.
    pub(crate) unsafe fn from_raw(page: *mut c_char) -> Self {
        Self {
            // SAFETY: By the caller's promise; this is less than a page.
            page: unsafe { slice::from_raw_parts_mut(page.cast::<u8>(), ROOM) },
            len: 0,
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written so far.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Write for PageWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let bytes = text.as_bytes();
        let end = self.len.checked_add(bytes.len()).ok_or(fmt::Error)?;
        self.page
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}
