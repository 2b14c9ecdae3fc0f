// SPDX-License-Identifier: GPL-2.0

//! From a process to the kernel: what takes bytes is lent, and who writes runs it.

use core::{
    mem,
    ptr::NonNull, //
};

use kernel::{
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
    lock_name,
    time::Timeout,
    user_bytes::FromUser,
    waitq::{
        signal_pending,
        WaitQueue,
        Watch, //
    }, //
};

/// Bytes after which a writer lets others have the mutex.
const TURN: usize = 1024 * 1024;

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

    /// Lends a feed until it is broken, which is the end, or until the end. May sleep.
    ///
    /// After every `period` the feed [looks](Feed::look) whether the process has stalled.
    pub fn lend(&self, feed: &mut (dyn Feed + '_), period: Timeout) {
        // SAFETY: Only the lifetime changes; by the invariant of `Lent` and what is done below, the
        // result is not used beyond the old one.
        let feed =
            unsafe { mem::transmute::<NonNull<dyn Feed + '_>, NonNull<dyn Feed>>(feed.into()) };
        // INVARIANT: `feed` is borrowed exclusively until this function returns, and below the slot
        // is emptied first.
        self.desk.lock().put(Lent { feed });
        self.writers.wake();

        while !self.lender.wait(period.jiffies(), || !self.is_linked()) {
            let mut slot = self.desk.lock();
            // SAFETY: It is in the slot, and the mutex is held.
            let looked = slot.get().map(|lent| unsafe { lent.feed.as_mut() }.look());
            if !matches!(looked, Some(Ok(()))) {
                break;
            }
        }

        // From here on nobody has the feed.
        self.desk.lock().take();
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
                Turn::Closed => self.writers.wait(|| self.is_open() || !self.is_linked())?,
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
        if !self.is_linked() {
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
                    self.unlink();
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
