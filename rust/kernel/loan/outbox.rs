// SPDX-License-Identifier: GPL-2.0

//! From the kernel to a process: a frame that a thread sends is lent, and who reads copies from it.

use core::{
    ptr::NonNull,
    slice, //
};

use kernel::{
    bindings,
    prelude::*,
    static_lock_class,
    sync::atomic::{
        Acquire,
        AtomicFlag,
        Full, //
    }, //
};

use crate::{
    desk::Desk,
    iovec::WriteVec,
    lock_name,
    time::Timeout,
    user_bytes::ToUser,
    waitq::{
        signal_pending,
        WaitQueue,
        Watch, //
    }, //
};

use super::Ended;

/// How often in a row nothing can be copied to pages that are there, before that is no accident: memory that may be
/// written to, but not by a plain write, such as a shadow stack.
const VAIN: u32 = 8;

/// How far a process has read what is lent.
///
/// # Invariants
///
/// While it is in the slot of an [`Outbox`], and the mutex is held, there are `parts` entries at
/// `next`, of which the first one is longer than `offset`, and all are valid for reads.
struct Cursor {
    next: NonNull<bindings::kvec>,
    parts: usize,
    offset: usize,
    left: usize,
}

// SAFETY: By the invariant it means something only where it may be used.
unsafe impl Send for Cursor {}

impl Cursor {
    /// At the byte behind the first `skip` ones of a frame; nothing if it ends there.
    fn new(frame: &WriteVec<'_>, skip: usize) -> Option<Self> {
        let (entries, mut parts, bytes) = frame.as_raw();
        let left = bytes.checked_sub(skip).filter(|left| *left > 0)?;
        let mut next = NonNull::new(entries.cast_mut())?;
        let mut offset = skip;
        for part in frame.parts() {
            let Some(beyond) = offset.checked_sub(part.len()) else {
                break;
            };
            offset = beyond;
            parts = parts.saturating_sub(1);
            // SAFETY: There is an entry here, so that the address behind it is in bounds.
            next = unsafe { next.add(1) };
        }
        Some(Self {
            next,
            parts,
            offset,
            left,
        })
    }

    /// Copies from where it stands. Gives how many bytes.
    ///
    /// # Safety
    ///
    /// The cursor must be in its slot, and the mutex held.
    unsafe fn copy(&mut self, to: &mut ToUser<'_, '_>) -> usize {
        let mut total = 0_usize;
        while self.parts > 0 {
            // SAFETY: By the invariant.
            let entry = unsafe { self.next.as_ref() };
            let rest = entry.iov_len.saturating_sub(self.offset);
            // SAFETY: By the invariant the entry is valid for reads; `offset` is within it.
            let bytes = unsafe {
                slice::from_raw_parts(entry.iov_base.cast::<u8>().wrapping_add(self.offset), rest)
            };
            let copied = to.copy(bytes);
            total = total.saturating_add(copied);
            self.left = self.left.saturating_sub(copied);
            if copied < rest {
                self.offset = self.offset.saturating_add(copied);
                break;
            }
            // INVARIANT: The next entry, if there is one; entries are not empty.
            self.offset = 0;
            self.parts = self.parts.saturating_sub(1);
            // SAFETY: There is an entry here, so that the address behind it is in bounds.
            self.next = unsafe { self.next.add(1) };
        }
        total
    }
}

/// From the kernel to a process: one thread sends, processes read.
#[pin_data]
pub struct Outbox {
    #[pin]
    desk: Desk<Cursor>,
    linked: AtomicFlag,
    #[pin]
    sender: WaitQueue,
    readers: Watch,
}

impl Outbox {
    /// An empty one. `readers` is woken when there is something to read, and at the end.
    pub fn new(readers: Watch) -> impl PinInit<Self> {
        pin_init!(Self {
            desk <- Desk::new(lock_name!("Outbox::desk"), static_lock_class!()),
            linked: AtomicFlag::new(false),
            sender <- WaitQueue::new(),
            readers,
        })
    }

    /// There is a connection now, of which something may be lent. Any context.
    pub fn link(&self) {
        self.linked.xchg(true, Full);
    }

    /// There is no connection any more, or it was called off: nothing is lent, and the sender and the readers return.
    /// Any context.
    pub fn unlink(&self) {
        self.linked.xchg(false, Full);
        self.sender.wake();
        self.readers.wake();
    }

    fn is_linked(&self) -> bool {
        self.linked.load(Acquire)
    }

    /// Whether a read would give something. Any context.
    pub fn is_full(&self) -> bool {
        self.desk.is_filled()
    }

    /// Lends a frame without its first `skip` bytes until all of it was read, or for as long as
    /// `timeout`; gives how many bytes were read. May sleep.
    ///
    /// # Errors
    ///
    /// [`Ended`] if it was not read before the end.
    pub fn send(
        &self,
        frame: &WriteVec<'_>,
        skip: usize,
        timeout: Timeout,
    ) -> Result<usize, Ended> {
        let Some(cursor) = Cursor::new(frame, skip) else {
            return Ok(0);
        };
        let bytes = cursor.left;
        // INVARIANT: The entries of the frame are valid for as long as `frame` is borrowed, which is
        // until this function returns, and below the slot is emptied first.
        self.desk.lock().put(cursor);
        self.readers.wake();

        self.sender
            .wait(timeout.jiffies(), || !self.is_full() || !self.is_linked());

        // From here on nobody has the frame.
        let cursor = self.desk.lock().take();
        let unread = cursor.map_or(0, |cursor| cursor.left);
        if unread > 0 && !self.is_linked() {
            return Err(Ended);
        }
        Ok(bytes.saturating_sub(unread))
    }

    /// Reads from what is lent: as much as there is room for, but not beyond its end. Waits for
    /// something to be lent, unless `nonblocking`. May sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` without a connection, `EAGAIN` if there is nothing and the caller does not wait,
    /// `ERESTARTSYS` if a signal is pending, `EFAULT`.
    pub fn read(&self, to: &mut ToUser<'_, '_>, nonblocking: bool) -> Result<usize> {
        if !self.is_linked() {
            return Err(EINTR);
        }
        let mut total = 0_usize;
        let mut vain = 0_u32;
        while !to.is_empty() {
            let mut slot = self.desk.lock();
            let linked = self.is_linked();
            if let (Some(cursor), true) = (slot.get(), linked) {
                // SAFETY: It is in the slot, and the mutex is held.
                let copied = unsafe { cursor.copy(to) };
                total = total.saturating_add(copied);
                vain = if copied == 0 {
                    vain.saturating_add(1)
                } else {
                    0
                };
                if cursor.left == 0 {
                    slot.take();
                    drop(slot);
                    self.sender.wake();
                    break;
                }
                drop(slot);
                if to.is_empty() {
                    break;
                }
                // What stopped it was a page.
                let present = to.fault_in().and_then(|()| match signal_pending() {
                    true => Err(ERESTARTSYS),
                    false if vain >= VAIN => Err(EFAULT),
                    false => Ok(()),
                });
                match present {
                    Err(error) if total == 0 => return Err(error),
                    Err(_) => break,
                    Ok(()) => continue,
                }
            }
            drop(slot);
            if total > 0 {
                break;
            }
            if !self.is_linked() {
                return Err(EINTR);
            }
            if nonblocking {
                return Err(EAGAIN);
            }
            self.readers.wait(|| self.is_full() || !self.is_linked())?;
        }
        Ok(total)
    }
}
