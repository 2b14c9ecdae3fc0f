// SPDX-License-Identifier: GPL-2.0

//! Where the transfers of a test come back to.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Delta, //
};
use usbip_kernel::{
    irqlock::SpinLockIrq,
    new_spinlock_irq,
    time, //
};
use usbip_usb::{
    Complete,
    Completed,
    Device,
    Endpoint,
    Idle,
    Transfer,
    Urb,
    UrbQueue, //
};

/// What the completions of a test have brought.
#[pin_data]
pub(crate) struct Inbox {
    #[pin]
    pub(crate) done: SpinLockIrq<UrbQueue<Note>>,
    pub(crate) completed: Atomic<u32>,
    pub(crate) dropped: Atomic<u32>,
}

/// The context of an URB.
pub(crate) struct Note {
    inbox: Arc<Inbox>,
    pub(crate) number: u32,
}

impl Drop for Note {
    fn drop(&mut self) {
        self.inbox.dropped.add(1, Relaxed);
    }
}

impl Complete for Note {
    fn complete(urb: Urb<Completed, Self>) {
        let inbox = urb.context().inbox.clone();
        inbox.done.lock().push(urb);
        inbox.completed.add(1, Relaxed);
    }
}

/// An empty one.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn inbox() -> Result<Arc<Inbox>> {
    Arc::pin_init(
        pin_init!(Inbox {
            done <- new_spinlock_irq!(UrbQueue::default(), "kunit::done"),
            completed: Atomic::new(0),
            dropped: Atomic::new(0),
        }),
        GFP_KERNEL,
    )
}

impl Inbox {
    pub(crate) fn urb(
        self: &Arc<Self>,
        device: &Device,
        transfer: &Transfer,
    ) -> Result<Urb<Idle, Note>> {
        self.numbered(device, transfer, 0)
    }

    pub(crate) fn numbered(
        self: &Arc<Self>,
        device: &Device,
        transfer: &Transfer,
        number: u32,
    ) -> Result<Urb<Idle, Note>> {
        let inbox = self.clone();
        Urb::new(device, transfer, Note { inbox, number }, None)
    }

    /// Waits for so many completions.
    pub(crate) fn wait(&self, count: u32) -> bool {
        for _ in 0..3000 {
            if self.completed.load(Relaxed) >= count {
                return true;
            }
            time::sleep(Delta::from_millis(10));
        }
        false
    }

    pub(crate) fn pop(&self) -> Option<Urb<Completed, Note>> {
        self.done.lock().pop()
    }
}

/// A transfer of `length` bytes, without anything special.
pub(crate) fn to(endpoint: Endpoint, length: u32) -> Transfer {
    Transfer {
        endpoint,
        length,
        ..Transfer::NOTHING
    }
}
