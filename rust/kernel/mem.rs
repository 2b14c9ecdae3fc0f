// SPDX-License-Identifier: GPL-2.0

//! Memory: cleared bytes, and a scope in which the calling thread allocates without I/O.
//!
//! It must never let a scope move to another thread.

use kernel::{
    alloc::{
        flags::{
            __GFP_NOWARN,
            __GFP_ZERO, //
        },
        AllocError, //
    },
    prelude::*,
    types::NotThreadSafe, //
};

use crate::bindings as helpers;

/// That many bytes, all zero. May sleep.
///
/// `KVVec::from_elem` writes them one at a time, which takes longer than all else that is done to them.
///
/// # Errors
///
/// If there is no memory, of which nothing is said in the log: lengths come from elsewhere.
#[doc(alias = "kvzalloc")]
pub fn zeroes(length: usize) -> Result<KVVec<u8>, AllocError> {
    let mut bytes = KVVec::with_capacity(length, GFP_KERNEL | __GFP_NOWARN | __GFP_ZERO)?;
    // SAFETY: There is room for so many, and the allocator has cleared all of it, so that they are
    // initialised.
    unsafe { bytes.inc_len(length) };
    Ok(bytes)
}

/// While this lives, allocations of the thread do not start I/O to get memory, as if all were
/// `GFP_NOIO`.
///
/// For code that a block device may wait for: it must not wait for that block device. Scopes may
/// nest, and must end in the reverse order.
#[must_use = "the scope ends when this is dropped"]
#[doc(alias = "memalloc_noio_save")]
pub struct NoIo {
    before: c_uint,
    _thread: NotThreadSafe,
}

impl NoIo {
    /// Begins the scope. Process context.
    pub fn enter() -> Self {
        Self {
            // SAFETY: Changes a flag of the calling thread only.
            before: unsafe { helpers::usbip_helper_memalloc_noio_save() },
            _thread: NotThreadSafe,
        }
    }
}

/// Runs `allocate`, which may start I/O to get memory, whatever scope the thread is in.
///
/// Without I/O the kernel does not move memory about to make a large piece: it says that there is none as soon as all that
/// is free is small. This is for pieces that no block device can wait for.
pub fn with_io<T>(allocate: impl FnOnce() -> T) -> T {
    let _outside = Outside {
        // SAFETY: Changes a flag of the calling thread only.
        left: unsafe { helpers::usbip_helper_memalloc_noio_leave() },
        _thread: NotThreadSafe,
    };
    allocate()
}

/// The scope is left until this is dropped.
struct Outside {
    left: c_uint,
    _thread: NotThreadSafe,
}

impl Drop for Outside {
    fn drop(&mut self) {
        // SAFETY: `left` is what leaving gave in this thread, as the value cannot change threads.
        unsafe { helpers::usbip_helper_memalloc_noio_return(self.left) };
    }
}

impl Drop for NoIo {
    fn drop(&mut self) {
        // SAFETY: `before` is what this thread's `save` gave, as the value cannot change threads.
        unsafe { helpers::usbip_helper_memalloc_noio_restore(self.before) };
    }
}
