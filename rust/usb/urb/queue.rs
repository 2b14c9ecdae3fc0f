// SPDX-License-Identifier: GPL-2.0

//! A queue of completed URBs that needs no memory of its own.

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*, //
};

use usbip_kernel::iovec::WriteVec;

use super::{
    Complete,
    Completed,
    Extra,
    Urb, //
};

/// Completed URBs, first in, first out.
///
/// # Invariants
///
/// `head` begins a list, linked by [`Extra::next`], of URBs that this owns as `Urb<Completed, C>`;
/// `tail` is the last of them. Both are `None` if there are none.
pub struct UrbQueue<C: Complete> {
    head: Option<NonNull<bindings::urb>>,
    tail: Option<NonNull<bindings::urb>>,
    _owned: PhantomData<Urb<Completed, C>>,
}

// SAFETY: It owns URBs, which may be sent.
unsafe impl<C: Complete> Send for UrbQueue<C> {}

impl<C: Complete> Default for UrbQueue<C> {
    fn default() -> Self {
        // INVARIANT: There are none.
        Self {
            head: None,
            tail: None,
            _owned: PhantomData,
        }
    }
}

impl<C: Complete> UrbQueue<C> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Appends an URB.
    pub fn push(&mut self, mut urb: Urb<Completed, C>) {
        urb.extra_mut().next = None;
        let raw = urb.into_raw();
        match self.tail {
            // SAFETY: The queue owns it by the type invariant.
            Some(tail) => unsafe { (*extra::<C>(tail)).next = Some(raw) },
            None => self.head = Some(raw),
        }
        self.tail = Some(raw);
    }

    /// Takes the first URB.
    pub fn pop(&mut self) -> Option<Urb<Completed, C>> {
        let raw = self.head?;
        // SAFETY: The queue owns it by the type invariant.
        self.head = unsafe { (*extra::<C>(raw)).next };
        if self.head.is_none() {
            self.tail = None;
        }
        // SAFETY: It is no longer in the queue, which gives up ownership.
        Some(unsafe { Urb::from_raw(raw) })
    }

    /// The first URB.
    pub fn front(&self) -> Option<UrbRef<'_, C>> {
        self.iter().next()
    }

    /// All URBs in order.
    pub fn iter(&self) -> impl Iterator<Item = UrbRef<'_, C>> {
        core::iter::successors(self.head, |raw| {
            // SAFETY: The queue owns it by the type invariant.
            unsafe { (*extra::<C>(*raw)).next }
        })
        .map(|raw| {
            // SAFETY: The queue owns it, and is borrowed; it is not dropped through this.
            let urb = ManuallyDrop::new(unsafe { Urb::from_raw(raw) });
            UrbRef {
                urb,
                _queue: PhantomData,
            }
        })
    }
}

impl<C: Complete> Drop for UrbQueue<C> {
    fn drop(&mut self) {
        while let Some(urb) = self.pop() {
            drop(urb);
        }
    }
}

/// The [`Extra`] of an URB.
///
/// # Safety
///
/// `raw` is owned as `Urb<_, C>`.
unsafe fn extra<C: Complete>(raw: NonNull<bindings::urb>) -> *mut Extra<C> {
    // SAFETY: Valid by the type invariant of `Urb`.
    unsafe { (*raw.as_ptr()).context.cast() }
}

/// An URB of a queue, borrowed.
pub struct UrbRef<'a, C: Complete> {
    urb: ManuallyDrop<Urb<Completed, C>>,
    _queue: PhantomData<&'a UrbQueue<C>>,
}

impl<'a, C: Complete> UrbRef<'a, C> {
    /// Puts the data that was received into `frame`, without what lies between packets.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if `frame` cannot grow.
    pub fn put_data(&self, frame: &mut WriteVec<'a>) -> Result {
        // SAFETY: The queue is borrowed for 'a, so that the URB stays.
        unsafe { self.urb.put_data(frame) }
    }
}

impl<C: Complete> Deref for UrbRef<'_, C> {
    type Target = Urb<Completed, C>;

    fn deref(&self) -> &Self::Target {
        &self.urb
    }
}
