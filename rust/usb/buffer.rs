// SPDX-License-Identifier: GPL-2.0

//! The memory that a transfer's data lies in.
//!
//! It is never cleared: a controller or a socket overwrites it. What is read of it later is what
//! they are known to have written; see [`crate::Urb`]. Nothing here sleeps when it is freed.

use core::ptr::NonNull;

use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

use usbip_kernel::{
    bindings::{
        usbip_helper_kmalloc,
        usbip_helper_sg_virt, //
    },
    mem::with_io, //
};

use crate::spares::Spares;

/// Bytes up to which data is one piece of memory even where a controller takes several: what the
/// page allocator hands out without much effort.
const FLAT_MAX: usize = 8 * PAGE_SIZE;

/// Bytes up to which one piece is asked for first, where a controller takes several: it is less work
/// for all who use it, as long as the page allocator has one at hand.
const FLAT_TRY_MAX: usize = 16 * PAGE_SIZE;

/// Bytes up to which data shares the memory of its URB.
const INLINE_MAX: usize = 3 * 1024;

/// Bytes that the slab allocator gives at most.
// CAST: A constant of the kernel's that is far below 4 GiB.
const KMALLOC_MAX: usize = bindings::KMALLOC_MAX_SIZE as usize;

/// The size of the pieces of a scattered buffer in pages, as a power of two, if they can be had.
const PIECE_ORDER: u32 = 2;

/// The size of such a piece in bytes.
const PIECE_SIZE: usize = PAGE_SIZE << PIECE_ORDER;

/// A first try: fail early, say nothing.
const TRY: bindings::gfp_t = INSIST | 1 << bindings::___GFP_NORETRY_BIT;

/// Lengths come from elsewhere: that there is no memory for one is not worth a stack trace.
pub(crate) const INSIST: bindings::gfp_t = bindings::GFP_KERNEL | bindings::__GFP_NOWARN;

/// For what no block device waits for: memory may be moved about to make a large piece, but what a file system is in the
/// middle of is let alone.
const COMPACT: bindings::gfp_t = INSIST & !(1 << bindings::___GFP_FS_BIT);

/// Where a transfer's data lies.
pub(crate) enum Buffer {
    /// There is no data.
    Empty,
    /// Inside the memory of the URB itself.
    Inline(NonNull<u8>),
    /// In one piece.
    Flat(Flat),
    /// In several pieces.
    Scattered(Scattered),
}

impl Buffer {
    /// Whether it is in several pieces.
    pub(crate) fn is_scattered(&self) -> bool {
        matches!(self, Self::Scattered(_))
    }

    /// Gets `length` bytes, of `spares` or anew, in several pieces only if `scatter` allows for it.
    pub(crate) fn new(
        length: usize,
        scatter: Option<Scatter>,
        spares: Option<&Spares>,
    ) -> Result<Self> {
        if length == 0 {
            return Ok(Self::Empty);
        }
        if let Some(flat) = spares.and_then(|spares| spares.take(length)) {
            return Ok(Self::Flat(flat));
        }
        match scatter {
            Some(scatter) if length > FLAT_MAX => {
                if length <= FLAT_TRY_MAX {
                    if let Ok(flat) = Flat::new(length, TRY) {
                        return Ok(Self::Flat(flat));
                    }
                }
                Scattered::new(length, scatter.max_entries).map(Self::Scattered)
            }
            _ => Flat::new(length, INSIST).map(Self::Flat),
        }
    }

    /// Gets `length` bytes in one piece for an isochronous endpoint, behind which there is no block device. A camera's
    /// transfers are large, no controller takes them in several pieces, and drivers give up a stream that finds no memory.
    pub(crate) fn isochronous(length: usize, spares: Option<&Spares>) -> Result<Self> {
        if length == 0 {
            return Ok(Self::Empty);
        }
        match spares.and_then(|spares| spares.take(length)) {
            Some(flat) => Ok(Self::Flat(flat)),
            None => with_io(|| Flat::new(length, COMPACT)).map(Self::Flat),
        }
    }

    /// Whether a buffer of `length` bytes is better off with memory of its own.
    pub(crate) fn is_large(length: usize) -> bool {
        length > INLINE_MAX
    }

    /// Calls `visit` with the pieces of the `length` bytes from `start` on, in order.
    ///
    /// The caller makes sure that they are within the buffer. The pieces do not overlap.
    pub(crate) fn pieces(
        &self,
        start: usize,
        length: usize,
        mut visit: impl FnMut(NonNull<[u8]>) -> Result,
    ) -> Result {
        let flat = match self {
            Self::Empty => return Ok(()),
            Self::Inline(base) => *base,
            Self::Flat(flat) => flat.base,
            Self::Scattered(scattered) => return scattered.pieces(start, length, visit),
        };
        if length == 0 {
            return Ok(());
        }
        // SAFETY: The caller keeps `start` within the buffer, which is one allocation.
        let piece = unsafe { flat.add(start) };
        visit(NonNull::slice_from_raw_parts(piece, length))
    }
}

/// What a controller demands of a scattered buffer.
#[derive(Clone, Copy)]
pub(crate) struct Scatter {
    /// The most pieces that it takes.
    pub(crate) max_entries: u32,
}

/// A piece of memory from the slab allocator.
///
/// # Invariants
///
/// `base` was allocated with `kmalloc`, for `length` bytes, and is owned by this.
pub(crate) struct Flat {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: Memory belongs to no thread.
unsafe impl Send for Flat {}

impl Flat {
    fn new(length: usize, flags: bindings::gfp_t) -> Result<Self> {
        if length > KMALLOC_MAX {
            return Err(ENOMEM);
        }
        // SAFETY: May be called with any size; in a context that may sleep, which all callers are.
        let memory = unsafe { usbip_helper_kmalloc(length, flags) };
        // INVARIANT: It was just allocated.
        Ok(Self {
            base: NonNull::new(memory.cast()).ok_or(ENOMEM)?,
            length,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

impl Drop for Flat {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, nothing uses it any more.
        unsafe { bindings::kfree(self.base.as_ptr().cast()) };
    }
}

/// Pieces of memory from the page allocator, and the table of them.
///
/// # Invariants
///
/// `table` was made by `sgl_alloc_order` with `order` and without chaining, so it is one array of
/// `entries` entries; it is owned by this. All pieces but the last are `PAGE_SIZE << order` bytes
/// long.
pub(crate) struct Scattered {
    table: NonNull<bindings::scatterlist>,
    entries: u32,
    order: u32,
}

impl Scattered {
    /// Allocates `length` bytes in at most `max_entries` pieces.
    fn new(length: usize, max_entries: u32) -> Result<Self> {
        let pieces = length.div_ceil(PIECE_SIZE);
        if u32::try_from(pieces).map_or(true, |pieces| pieces > max_entries) {
            return Err(ENOMEM);
        }
        if let Some(scattered) = Self::allocate(length, PIECE_ORDER, TRY) {
            return Ok(scattered);
        }
        let pages = length.div_ceil(PAGE_SIZE);
        if u32::try_from(pages).map_or(true, |pages| pages > max_entries) {
            return Err(ENOMEM);
        }
        Self::allocate(length, 0, INSIST).ok_or(ENOMEM)
    }

    fn allocate(length: usize, order: u32, flags: bindings::gfp_t) -> Option<Self> {
        let mut entries = 0;
        let length = u64::try_from(length).ok()?;
        // SAFETY: `entries` is written to before the call returns; without chaining.
        let table = unsafe { bindings::sgl_alloc_order(length, order, false, flags, &mut entries) };
        // INVARIANT: `sgl_alloc_order` makes all pieces but the last of full size.
        Some(Self {
            table: NonNull::new(table)?,
            entries,
            order,
        })
    }

    /// The table and the number of its entries, as a URB takes them.
    pub(crate) fn as_raw(&self) -> (*mut bindings::scatterlist, u32) {
        (self.table.as_ptr(), self.entries)
    }

    /// See [`Buffer::pieces`].
    // OVERFLOW: All numbers are within the range, which is in memory; orders are 0 or 2.
    fn pieces(
        &self,
        start: usize,
        length: usize,
        mut visit: impl FnMut(NonNull<[u8]>) -> Result,
    ) -> Result {
        let shift = PAGE_SIZE.trailing_zeros().wrapping_add(self.order);
        let size = 1_usize.wrapping_shl(shift);
        let mut index = start.wrapping_shr(shift);
        let mut offset = start & size.wrapping_sub(1);
        let mut rest = length;
        while rest > 0 {
            let count = rest.min(size.wrapping_sub(offset));
            // SAFETY: The caller keeps the range within the buffer, hence `index` in the table,
            // which is an array by the type invariant.
            let entry = unsafe { self.table.add(index) };
            // SAFETY: The entry has a page, which is never in high memory: it was allocated
            // without `__GFP_HIGHMEM`.
            let base = unsafe { usbip_helper_sg_virt(entry.as_ptr()) };
            let base = NonNull::new(base.cast::<u8>()).ok_or(EFAULT)?;
            // SAFETY: `offset` is within the piece, as its size says.
            let piece = unsafe { base.add(offset) };
            visit(NonNull::slice_from_raw_parts(piece, count))?;
            rest = rest.wrapping_sub(count);
            offset = 0;
            index = index.wrapping_add(1);
        }
        Ok(())
    }
}

impl Drop for Scattered {
    fn drop(&mut self) {
        // CAST: One of the two small constants above.
        let order = self.order as i32;
        // SAFETY: By the type invariant, nothing uses it any more.
        unsafe { bindings::sgl_free_order(self.table.as_ptr(), order) };
    }
}
