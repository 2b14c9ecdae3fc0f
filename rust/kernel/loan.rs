// SPDX-License-Identifier: GPL-2.0

//! Bytes that go between a thread of the kernel and a process without a buffer in between: the
//! thread lends what it has for as long as it waits, and the process copies.
//!
//! In both directions the rule is the same, and it is what makes them sound: what is lent lies in a
//! slot behind a mutex, is used only with that mutex held, and is taken out of the slot, with the
//! mutex held, before the call that lends it returns. Nobody waits for a process with the mutex
//! held, not even for its pages. So the lender always gets back what it has lent.
//!
//! It must never look at the bytes.

use core::{
    mem,
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
    user_bytes::{
        FromUser,
        ToUser, //
    },
    waitq::{
        signal_pending,
        WaitQueue,
        Watch, //
    }, //
};

/// Bytes after which a writer lets others have the mutex.
const TURN: usize = 1024 * 1024;

/// Why a loan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoanEnd {
    /// All of it was used.
    Used,
    /// Nothing is lent here any more.
    Ended,
    /// The process left it half used for too long.
    Stalled,
}

/// Nothing is lent any more.
#[derive(Clone, Copy, Debug)]
pub struct Ended;

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

        self.sender.wait(timeout.jiffies(), || {
            !self.is_full() || !self.is_linked()
        });

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
        while !to.is_empty() {
            let mut slot = self.desk.lock();
            let linked = self.is_linked();
            if let (Some(cursor), true) = (slot.get(), linked) {
                // SAFETY: It is in the slot, and the mutex is held.
                total = total.saturating_add(unsafe { cursor.copy(to) });
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

/// What takes the bytes that a process writes.
pub trait Feed: Send {
    /// Takes some of the bytes. Gives how many; zero if the next page is not there. May sleep, but
    /// not for the process.
    ///
    /// # Errors
    ///
    /// [`Broken`] if no more can be taken.
    fn feed(&mut self, from: &mut FromUser<'_, '_>) -> Result<usize, Broken>;

    /// Sees whether the process has left it alone for too long; called every now and then.
    ///
    /// # Errors
    ///
    /// [`Broken`] if it has.
    fn look(&mut self) -> Result<(), Broken>;
}

/// A [`Feed`] takes no more.
#[derive(Clone, Copy, Debug)]
pub struct Broken;

/// A feed that is lent.
///
/// # Invariants
///
/// While it is in the slot of an [`Inbox`], and the mutex is held, `feed` is valid, and nobody else
/// uses it.
struct Lent {
    feed: NonNull<dyn Feed>,
}

// SAFETY: The feed is `Send`, and by the invariant used by one thread at a time.
unsafe impl Send for Lent {}

/// From a process to the kernel: one thread lends what takes the bytes, and the processes that
/// write run it themselves.
#[pin_data]
pub struct Inbox {
    #[pin]
    desk: Desk<Lent>,
    broken: AtomicFlag,
    linked: AtomicFlag,
    #[pin]
    lender: WaitQueue,
    writers: Watch,
}

impl Inbox {
    /// A closed one. `writers` is woken when it opens, and at the end.
    pub fn new(writers: Watch) -> impl PinInit<Self> {
        pin_init!(Self {
            desk <- Desk::new(lock_name!("Inbox::desk"), static_lock_class!()),
            broken: AtomicFlag::new(false),
            linked: AtomicFlag::new(false),
            lender <- WaitQueue::new(),
            writers,
        })
    }

    /// There is a connection now, which will lend what takes its bytes. Any context.
    pub fn link(&self) {
        self.linked.xchg(true, Full);
    }

    /// There is no connection any more, or it was called off: the lender and the writers return. Any context.
    pub fn unlink(&self) {
        self.linked.xchg(false, Full);
        self.lender.wake();
        self.writers.wake();
    }

    fn is_linked(&self) -> bool {
        self.linked.load(Acquire)
    }

    /// Whether a write would be taken. Any context.
    pub fn is_open(&self) -> bool {
        self.desk.is_filled()
    }

    /// Lends a feed until it is broken (and then used up), or until the end. May sleep.
    ///
    /// After every `period` the feed [looks](Feed::look) whether the process has stalled.
    pub fn lend(&self, feed: &mut (dyn Feed + '_), period: Timeout) -> LoanEnd {
        // SAFETY: Only the lifetime changes; by the invariant of `Lent` and what is done below, the
        // result is not used beyond the old one.
        let feed =
            unsafe { mem::transmute::<NonNull<dyn Feed + '_>, NonNull<dyn Feed>>(feed.into()) };
        // INVARIANT: `feed` is borrowed exclusively until this function returns, and below the slot
        // is emptied first.
        self.desk.lock().put(Lent { feed });
        self.writers.wake();

        let end = loop {
            let woken = self.lender.wait(period.jiffies(), || {
                self.broken.load(Acquire) || !self.is_linked()
            });
            if woken {
                break match self.broken.load(Acquire) {
                    true => LoanEnd::Used,
                    false => LoanEnd::Ended,
                };
            }
            let mut slot = self.desk.lock();
            let Some(lent) = slot.get() else {
                break LoanEnd::Used;
            };
            // SAFETY: It is in the slot, and the mutex is held.
            if unsafe { lent.feed.as_mut() }.look().is_err() {
                break LoanEnd::Stalled;
            }
        };

        // From here on nobody has the feed.
        self.desk.lock().take();
        end
    }

    /// Feeds all of the bytes to what is lent. Waits for the loan, unless `nonblocking`. May sleep.
    ///
    /// Gives fewer bytes if it ends before.
    ///
    /// # Errors
    ///
    /// `EINTR` without a connection, `EAGAIN` if nothing is lent yet and the caller does not wait,
    /// `ERESTARTSYS` if a signal is pending, `EFAULT`.
    pub fn write(&self, from: &mut FromUser<'_, '_>, nonblocking: bool) -> Result<usize> {
        if !self.is_linked() {
            return Err(EINTR);
        }
        let mut total = 0_usize;
        while !from.is_empty() {
            match self.turn(from, &mut total) {
                Turn::Over if total == 0 => return Err(EINTR),
                Turn::Over => break,
                Turn::Closed if total > 0 => break,
                Turn::Closed if nonblocking => return Err(EAGAIN),
                Turn::Closed => self
                    .writers
                    .wait(|| self.is_open() || self.broken.load(Acquire) || !self.is_linked())?,
                Turn::Rest if from.is_empty() => break,
                Turn::Rest => {
                    let present = from.fault_in().and_then(|()| match signal_pending() {
                        true => Err(ERESTARTSYS),
                        false => Ok(()),
                    });
                    match present {
                        Err(error) if total == 0 => return Err(error),
                        Err(_) => break,
                        Ok(()) => {}
                    }
                }
            }
        }
        Ok(total)
    }

    /// Feeds with the mutex held, and counts what was taken.
    fn turn(&self, from: &mut FromUser<'_, '_>, total: &mut usize) -> Turn {
        let mut slot = self.desk.lock();
        if !self.is_linked() || self.broken.load(Acquire) {
            return Turn::Over;
        }
        let Some(lent) = slot.get() else {
            return Turn::Closed;
        };
        let mut taken = 0_usize;
        while !from.is_empty() && taken < TURN && self.is_linked() {
            // SAFETY: It is in the slot, and the mutex is held.
            match unsafe { lent.feed.as_mut() }.feed(from) {
                Ok(0) => break,
                Ok(count) => {
                    taken = taken.saturating_add(count);
                    *total = total.saturating_add(count);
                }
                Err(Broken) => {
                    slot.take();
                    drop(slot);
                    self.broken.xchg(true, Full);
                    self.lender.wake();
                    self.writers.wake();
                    return Turn::Over;
                }
            }
        }
        Turn::Rest
    }
}

/// How a writer's turn with the mutex went.
enum Turn {
    /// As far as the pages that are there go, or fairness.
    Rest,
    /// Nothing is lent yet.
    Closed,
    /// Nothing is ever taken again.
    Over,
}
