// SPDX-License-Identifier: GPL-2.0

//! Lists of memory parts that one socket call reads to or writes from.
//!
//! It must never own the memory, nor copy it.

use core::{
    marker::PhantomData,
    ptr::NonNull,
    slice, //
};

use kernel::{
    bindings,
    prelude::*, //
};

/// Room for a list of parts, kept by its owner from call to call so that making a list allocates
/// nothing.
///
/// # Invariants
///
/// The entries mean something only while a [`ReadVec`] or [`WriteVec`] borrows this.
pub struct IoVecs(KVec<bindings::kvec>);

// SAFETY: By the invariant the pointers mean nothing to whoever receives it.
unsafe impl Send for IoVecs {}
// SAFETY: A shared reference gives nothing to use.
unsafe impl Sync for IoVecs {}

impl IoVecs {
    /// Room for nothing yet; it grows.
    #[inline]
    pub const fn new() -> Self {
        Self(KVec::new())
    }

    /// An empty list of parts to read to.
    #[inline]
    pub fn read(&mut self) -> ReadVec<'_> {
        ReadVec {
            parts: Parts::new(&mut self.0),
            _memory: PhantomData,
        }
    }

    /// An empty list of parts to write from.
    #[inline]
    pub fn write(&mut self) -> WriteVec<'_> {
        WriteVec {
            parts: Parts::new(&mut self.0),
            _memory: PhantomData,
        }
    }
}

impl Default for IoVecs {
    fn default() -> Self {
        Self::new()
    }
}

/// What both lists share.
///
/// # Invariants
///
/// - No entry is empty, and `bytes` is the sum of their lengths.
/// - Every entry was valid when it was pushed, for as long as the list that contains this promises.
struct Parts<'a> {
    entries: &'a mut KVec<bindings::kvec>,
    bytes: usize,
}

impl<'a> Parts<'a> {
    #[inline]
    fn new(entries: &'a mut KVec<bindings::kvec>) -> Self {
        entries.clear();
        Self { entries, bytes: 0 }
    }

    #[inline]
    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    #[inline]
    fn push(&mut self, base: *mut u8, len: usize) -> Result {
        if len == 0 {
            return Ok(());
        }
        let bytes = self.bytes.checked_add(len).ok_or(EOVERFLOW)?;
        if self.entries.len() == self.entries.capacity() {
            self.grow()?;
        }
        // INVARIANT: Not empty, and counted below.
        self.entries.push_within_capacity(bindings::kvec {
            iov_base: base.cast(),
            iov_len: len,
        })?;
        self.bytes = bytes;
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result {
        self.entries
            .reserve(self.entries.len().max(8), GFP_KERNEL)?;
        Ok(())
    }
}

/// An ordered list of memory parts to read to, all borrowed exclusively for `'a`.
///
/// # Invariants
///
/// Every entry is valid for reads and writes for `'a`, initialised, and overlaps no other.
pub struct ReadVec<'a> {
    parts: Parts<'a>,
    _memory: PhantomData<&'a mut [u8]>,
}

impl<'a> ReadVec<'a> {
    /// Appends a part; an empty one is left out. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the list cannot grow.
    #[inline]
    pub fn push(&mut self, part: &'a mut [u8]) -> Result {
        // INVARIANT: An exclusive reference for `'a`.
        self.parts.push(part.as_mut_ptr(), part.len())
    }

    /// Appends memory that is not behind a reference. May sleep.
    ///
    /// # Safety
    ///
    /// `len` bytes at `base` must be initialised, and valid for reads and writes by this list alone
    /// for `'a`.
    #[inline]
    pub unsafe fn push_raw(&mut self, base: NonNull<u8>, len: usize) -> Result {
        // INVARIANT: By this function's requirements.
        self.parts.push(base.as_ptr(), len)
    }

    /// Takes all parts out.
    #[inline]
    pub fn clear(&mut self) {
        self.parts.clear();
    }

    /// How many bytes the parts have together.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.parts.bytes
    }

    /// Whether there is nothing to read to.
    pub fn is_empty(&self) -> bool {
        self.parts.bytes == 0
    }

    /// The parts, in order, for transports that are not sockets.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.parts.entries.iter_mut().map(|entry| {
            // SAFETY: By the invariant; `self` is borrowed exclusively for as long as the slice
            // lives.
            unsafe { slice::from_raw_parts_mut(entry.iov_base.cast::<u8>(), entry.iov_len) }
        })
    }

    /// The entries as C takes them, with their number and the sum of their lengths.
    pub(crate) fn as_raw(&mut self) -> (*mut bindings::kvec, usize, usize) {
        let entries = &mut *self.parts.entries;
        (entries.as_mut_ptr(), entries.len(), self.parts.bytes)
    }
}

/// An ordered list of memory parts to write from, all borrowed for `'a`.
///
/// # Invariants
///
/// Every entry is valid for reads for `'a`, and initialised.
pub struct WriteVec<'a> {
    parts: Parts<'a>,
    _memory: PhantomData<&'a [u8]>,
}

impl<'a> WriteVec<'a> {
    /// Appends a part; an empty one is left out. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the list cannot grow.
    #[inline]
    pub fn push(&mut self, part: &'a [u8]) -> Result {
        // INVARIANT: A reference for `'a`; nothing is ever written through a list of this type.
        self.parts.push(part.as_ptr().cast_mut(), part.len())
    }

    /// Appends memory that is not behind a reference. May sleep.
    ///
    /// # Safety
    ///
    /// `len` bytes at `base` must be initialised, valid for reads and written by nobody for `'a`.
    #[inline]
    pub unsafe fn push_raw(&mut self, base: NonNull<u8>, len: usize) -> Result {
        // INVARIANT: By this function's requirements.
        self.parts.push(base.as_ptr(), len)
    }

    /// Takes all parts out.
    #[inline]
    pub fn clear(&mut self) {
        self.parts.clear();
    }

    /// How many bytes the parts have together.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.parts.bytes
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.parts.bytes == 0
    }

    /// The parts, in order, for transports that are not sockets.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.entries.iter().map(|entry| {
            // SAFETY: By the invariant.
            unsafe {
                slice::from_raw_parts(entry.iov_base.cast::<u8>().cast_const(), entry.iov_len)
            }
        })
    }

    /// The entries as C takes them, with their number and the sum of their lengths.
    pub(crate) fn as_raw(&self) -> (*const bindings::kvec, usize, usize) {
        let entries = &*self.parts.entries;
        (entries.as_ptr(), entries.len(), self.parts.bytes)
    }
}
