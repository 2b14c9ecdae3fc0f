// SPDX-License-Identifier: GPL-2.0

//! Where in an URB's buffer the next bytes go, be it one piece or a scatter-gather list.
//!
//! It must never leave the buffer: nothing is written beyond the transfer's length, nor beyond the list's.

use core::ptr::NonNull;

use kernel::{
    bindings::scatterlist,
    prelude::*, //
};

use usbip_kernel::iovec::ReadVec;

use crate::{
    transfer::Transfer,
    urb::Queued, //
};

/// A position in an URB's buffer.
///
/// # Invariants
///
/// `entry` is null or an entry of the URB's list, in which `offset` is not beyond the end. Without an entry,
/// `flat` is the address of the next byte, and `left` bytes follow it.
#[derive(Clone)]
pub(crate) struct Cursor {
    flat: *mut u8,
    entry: *mut scatterlist,
    offset: usize,
    left: usize,
}

// SAFETY: The memory belongs to the URB, which belongs to no thread.
unsafe impl Send for Cursor {}

impl Cursor {
    /// The start of the buffer of `transfer`. The cursor must not be used after the URB has been given back.
    #[inline]
    pub(crate) fn new(transfer: &Transfer) -> Self {
        let urb = transfer.as_ptr();
        let left = usize::try_from(transfer.length()).unwrap_or(0);
        // SAFETY: The transfer is valid; the fields do not change.
        let (flat, entry) = unsafe { ((*urb).transfer_buffer, (*urb).sg) };
        let scattered = transfer.is_scattered();
        // INVARIANT: Either the first entry of the list, or the flat buffer with its whole length.
        Self {
            flat: if scattered {
                core::ptr::null_mut()
            } else {
                flat.cast()
            },
            entry: if scattered {
                entry
            } else {
                core::ptr::null_mut()
            },
            offset: 0,
            left,
        }
    }

    /// Whether the buffer is in one piece.
    #[inline]
    fn is_flat(&self) -> bool {
        !self.flat.is_null()
    }

    /// The memory from here to the end of the piece that this is in; nothing at the end of the buffer.
    #[inline]
    pub(crate) fn segment(&mut self) -> Option<(NonNull<u8>, usize)> {
        if self.left == 0 {
            return None;
        }
        if self.is_flat() {
            return Some((NonNull::new(self.flat)?, self.left));
        }
        while !self.entry.is_null() {
            // SAFETY: By the type invariants this is an entry of the list.
            let len = usize::try_from(unsafe { (*self.entry).length }).unwrap_or(0);
            let rest = len.saturating_sub(self.offset).min(self.left);
            if rest > 0 {
                // SAFETY: By the type invariants this is an entry of the list, and `offset` is in it. The
                // memory is kernel memory with an address: usbcore's drivers map none for us.
                let base = unsafe {
                    usbip_kernel::bindings::usbip_helper_sg_virt(self.entry)
                        .cast::<u8>()
                        .add(self.offset)
                };
                return Some((NonNull::new(base)?, rest));
            }
            // SAFETY: As above. INVARIANT: The next entry, or null after the last one.
            self.entry = unsafe { kernel::bindings::sg_next(self.entry) };
            self.offset = 0;
        }
        None
    }

    /// Moves on by `count` bytes, which must be in the current segment.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        let count = count.min(self.left);
        self.left -= count;
        if self.is_flat() {
            // SAFETY: `count` is not more than what is left of the buffer.
            self.flat = unsafe { self.flat.add(count) };
        } else {
            self.offset = self.offset.saturating_add(count);
        }
    }
}

/// A queued URB whose buffer is being filled, from its start to wherever the data ends.
pub struct Incoming {
    urb: Queued,
    cursor: Cursor,
}

impl Incoming {
    #[inline]
    pub(crate) fn new(urb: Queued) -> Self {
        let cursor = Cursor::new(&urb);
        Self { urb, cursor }
    }

    /// The URB.
    #[inline]
    pub fn urb(&self) -> &Queued {
        &self.urb
    }

    /// The URB.
    #[inline]
    pub fn urb_mut(&mut self) -> &mut Queued {
        &mut self.urb
    }

    /// The URB, with whatever has been filled in.
    #[inline]
    pub fn into_queued(self) -> Queued {
        self.urb
    }

    /// Copies `bytes` to the buffer; returns how many of them there was room for.
    pub fn write(&mut self, mut bytes: &[u8]) -> usize {
        let mut written = 0_usize;
        while !bytes.is_empty() {
            let Some((base, room)) = self.cursor.segment() else {
                break;
            };
            let count = room.min(bytes.len());
            let (now, later) = bytes.split_at(count);
            // SAFETY: By the cursor's contract there are `room` bytes, which are the controller's as long as the
            // URB is queued; `now` is memory of ours.
            unsafe { base.copy_from_nonoverlapping(NonNull::from(now).cast(), count) };
            self.cursor.advance(count);
            written = written.saturating_add(count);
            bytes = later;
        }
        written
    }

    /// Appends the memory for the next `want` bytes to `parts`; returns for how many there is room.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[inline]
    pub fn space<'a>(&'a mut self, parts: &mut ReadVec<'a>, want: usize) -> Result<usize> {
        let mut ahead = self.cursor.clone();
        let mut total = 0_usize;
        while total < want {
            let Some((base, room)) = ahead.segment() else {
                break;
            };
            let count = room.min(want.saturating_sub(total));
            // SAFETY: By the cursor's contract there are `room` bytes, which are the controller's as long as the
            // URB is queued. `self` is borrowed exclusively for `'a`, and the cursor never yields a byte twice.
            unsafe { parts.push_raw(base, count)? };
            ahead.advance(count);
            total = total.saturating_add(count);
        }
        Ok(total)
    }

    /// Moves on by `count` bytes, which have been put where [`Incoming::space`] said.
    #[inline]
    pub fn skip(&mut self, mut count: usize) {
        if self.cursor.is_flat() {
            self.cursor.advance(count);
            return;
        }
        while count > 0 {
            let Some((_, room)) = self.cursor.segment() else {
                break;
            };
            let step = room.min(count);
            self.cursor.advance(step);
            count -= step;
        }
    }
}
