// SPDX-License-Identifier: GPL-2.0

//! The life of an URB with a controller: new, queued, detached, given back.
//!
//! Each state is a type, each step consumes one value and makes the next. An URB is given back by whoever holds
//! its [`Detached`], without any lock, exactly once.

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    bindings::{
        gfp_t,
        urb, //
    },
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

use usbip_kernel::{
    iovec::WriteVec,
    irqlock::SpinLockIrqGuard, //
};
use usbip_proto::{
    IsoPacket,
    Status, //
};

use crate::{
    bindings,
    incoming::{
        Cursor,
        Incoming, //
    },
    port::Keyed,
    transfer::Transfer, //
};

/// Makes a lifetime name one call of a callback, and nothing else.
type Brand<'a> = PhantomData<fn(&'a ()) -> &'a ()>;

/// An URB that usbcore offers; it becomes an [`Outcome`] of the same call.
///
/// # Invariants
///
/// usbcore is in `urb_enqueue` for the URB, with `flags`, and the URB is not linked to its endpoint.
pub struct NewUrb<'a> {
    urb: NonNull<urb>,
    flags: gfp_t,
    _call: Brand<'a>,
}

/// What was decided about the URB that this call is about.
pub struct Outcome<'a> {
    result: Result,
    _call: Brand<'a>,
}

impl Outcome<'_> {
    pub(crate) fn into_result(self) -> Result {
        self.result
    }
}

impl<'a> NewUrb<'a> {
    /// # Safety
    ///
    /// usbcore must be in `urb_enqueue` for `urb` and with `flags`, and `'a` must be that call's own lifetime.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the URB lacks a buffer, or its status if it is no longer wanted.
    #[inline]
    pub(crate) unsafe fn from_raw(urb: NonNull<urb>, flags: gfp_t) -> Result<Self> {
        // SAFETY: By this function's requirements.
        let status = unsafe { (*urb.as_ptr()).status };
        if status != Status::INPROGRESS.get() {
            to_result(status)?;
            return Err(EINVAL);
        }
        // SAFETY: By this function's requirements.
        if !unsafe { Transfer::is_sane(urb.as_ptr()) } {
            return Err(EINVAL);
        }
        // INVARIANT: By this function's requirements; usbcore links nothing itself.
        Ok(Self {
            urb,
            flags,
            _call: PhantomData,
        })
    }

    /// Whether this may sleep: whoever submits an URB says so by the flags for the memory that it takes.
    #[doc(alias = "gfpflags_allow_blocking")]
    pub fn may_sleep(&self) -> bool {
        self.flags & (1 << kernel::bindings::___GFP_DIRECT_RECLAIM_BIT) != 0
    }

    /// Refuses the URB.
    pub fn refuse(self, error: Error) -> Outcome<'a> {
        Outcome {
            result: Err(error),
            _call: PhantomData,
        }
    }

    /// Takes the URB over and marks it with `tag`. The key of the URB's port is behind the guard.
    ///
    /// # Errors
    ///
    /// If usbcore does not want the URB to be queued any more, or if the key is another port's; that is the outcome
    /// then.
    #[doc(alias = "usb_hcd_link_urb_to_ep")]
    pub fn link<S: Keyed>(
        self,
        held: &mut SpinLockIrqGuard<'_, S>,
        tag: u32,
    ) -> Result<(Queued, Outcome<'a>), Outcome<'a>> {
        if !held.key().fits(&self) {
            return Err(self.refuse(EINVAL));
        }
        let urb = self.urb.as_ptr();
        // SAFETY: By the type invariants the URB is valid and not linked; the guard shows that interrupts are
        // off, and the port's only key that nobody else works on the endpoint's list.
        let linked = to_result(unsafe { bindings::usb_hcd_link_urb_to_ep(self.hcd(), urb) });
        if let Err(error) = linked {
            return Err(self.refuse(error));
        }
        // SAFETY: The URB is ours now, and with it the field, which is for the controller's use.
        unsafe { (*urb).hcpriv = tag_to_private(tag) };
        // INVARIANT: The URB is linked. It is passed on only here, and the outcome can only be a success.
        Ok((
            Queued { urb: self.urb },
            Outcome {
                result: Ok(()),
                _call: PhantomData,
            },
        ))
    }
}

impl Deref for NewUrb<'_> {
    type Target = Transfer;

    fn deref(&self) -> &Transfer {
        // SAFETY: By the type invariants the URB is with the controller, and `from_raw` has checked it.
        unsafe { Transfer::from_raw(self.urb.as_ptr()) }
    }
}

/// An URB that usbcore wants to have back.
///
/// # Invariants
///
/// usbcore is in `urb_dequeue` for the URB, which is valid but may have been given back already.
pub struct Unlinking<'a> {
    urb: NonNull<urb>,
    status: c_int,
    _call: Brand<'a>,
}

impl Unlinking<'_> {
    /// # Safety
    ///
    /// usbcore must be in `urb_dequeue` for `urb`.
    #[inline]
    pub(crate) unsafe fn from_raw(urb: NonNull<urb>, status: c_int) -> Self {
        // INVARIANT: By this function's requirements.
        Self {
            urb,
            status,
            _call: PhantomData,
        }
    }

    /// The root hub's port that the device is on, counted from 1; none if it is behind another hub.
    pub fn port(&self) -> Option<u8> {
        // SAFETY: usbcore keeps the device for the time of the call; what is read of the URB never changes.
        unsafe { Transfer::from_raw(self.urb.as_ptr()) }.port()
    }

    /// The status that the URB is to be given back with.
    pub fn status(&self) -> Status {
        Status::from_raw(self.status)
    }

    /// The error for an URB that is not queued.
    pub fn not_queued(&self) -> Error {
        // CAST: A small positive number.
        Error::from_errno(-(kernel::bindings::EIDRM as c_int))
    }

    /// Checks that the URB is still queued and not being unlinked already, and marks it as unlinked; returns
    /// its tag. The key of the URB's port is behind the guard.
    ///
    /// # Errors
    ///
    /// `EIDRM` if the URB is not queued any more, `EBUSY` if it has been unlinked before; `EINVAL` if the key is
    /// another port's.
    #[doc(alias = "usb_hcd_check_unlink_urb")]
    pub fn check<S: Keyed>(&self, held: &mut SpinLockIrqGuard<'_, S>) -> Result<u32> {
        let urb = self.urb.as_ptr();
        // SAFETY: usbcore keeps the device for the time of the call; what is read of the URB never changes.
        let transfer = unsafe { Transfer::from_raw(urb) };
        if !held.key().fits(transfer) {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants the URB is valid; the guard shows that interrupts are off, and the port's
        // only key that nobody else works on the endpoint's list.
        unsafe {
            to_result(bindings::usb_hcd_check_unlink_urb(
                transfer.hcd(),
                urb,
                self.status,
            ))?;
            Ok(private_to_tag((*urb).hcpriv))
        }
    }
}

/// An URB that the controller works on.
///
/// It must end in [`Queued::detach`]. Dropping it instead would lose the transfer, and says so.
///
/// # Invariants
///
/// The URB is linked to its endpoint, and this is the only value that stands for it.
#[must_use]
pub struct Queued {
    urb: NonNull<urb>,
}

// SAFETY: URBs belong to no thread.
unsafe impl Send for Queued {}

// SAFETY: A shared reference only reads what no one changes.
unsafe impl Sync for Queued {}

impl Queued {
    /// Takes the URB from its endpoint, so that it can be given back. The key of the URB's port is behind the
    /// guard; with another one the URB is lost.
    #[doc(alias = "usb_hcd_unlink_urb_from_ep")]
    #[inline]
    pub fn detach<S: Keyed>(self, held: &mut SpinLockIrqGuard<'_, S>) -> Detached {
        if !held.key().fits(&self) {
            return Detached { urb: None };
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants the URB is linked; the guard shows that interrupts are off, and the port's
        // only key that nobody else works on the endpoint's list.
        unsafe { bindings::usb_hcd_unlink_urb_from_ep(this.hcd(), this.urb.as_ptr()) };
        // INVARIANT: Just done; the value is consumed without being dropped.
        Detached {
            urb: Some(this.urb),
        }
    }

    /// Appends the whole buffer to `frame`; returns how many bytes there are, at most the transfer's length.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[inline]
    pub fn push_payload<'a>(&'a self, frame: &mut WriteVec<'a>) -> Result<usize> {
        let mut cursor = Cursor::new(self);
        let mut total = 0_usize;
        while let Some((base, len)) = cursor.segment() {
            // SAFETY: By the cursor's contract the memory is the URB's buffer, which is there and not written
            // to as long as the URB is queued, and this value is borrowed for `'a`.
            frame.push(unsafe { core::slice::from_raw_parts(base.as_ptr(), len) })?;
            cursor.advance(len);
            total = total.saturating_add(len);
        }
        Ok(total)
    }

    /// Begins to fill the buffer, from its start.
    #[inline]
    pub fn into_incoming(self) -> Incoming {
        Incoming::new(self)
    }

    /// Writes what became of the transfer. The number of packets never changes.
    pub fn set_result(&mut self, actual_length: u32, start_frame: i32, error_count: i32) {
        let urb = self.urb.as_ptr();
        // SAFETY: By the type invariants the URB is ours.
        unsafe {
            (*urb).actual_length = actual_length;
            if self.kind().is_isochronous() {
                (*urb).start_frame = start_frame;
                (*urb).error_count = error_count;
            }
        }
    }

    /// Writes what became of one packet of an isochronous transfer, if there is such a packet.
    pub fn set_packet(&mut self, index: u16, actual_length: u32, status: Status) {
        let index = usize::from(index);
        if index >= self.packets().len() {
            return;
        }
        // SAFETY: By the type invariants the URB is ours, and it has more descriptors than `index`.
        unsafe {
            let packet = (&raw mut (*self.urb.as_ptr()).iso_frame_desc)
                .cast::<kernel::bindings::usb_iso_packet_descriptor>()
                .add(index);
            (*packet).actual_length = actual_length;
            (*packet).status = status.get();
        }
    }

    /// Runs `f` on the packets of an isochronous transfer and its whole buffer; both are empty for any other.
    pub fn with_packets<R>(
        &mut self,
        f: impl FnOnce(&mut dyn DoubleEndedIterator<Item = IsoPacket>, &mut [u8]) -> R,
    ) -> R {
        if !self.kind().is_isochronous() {
            return f(&mut core::iter::empty(), &mut []);
        }
        // SAFETY: By the type invariants the URB is ours. An isochronous transfer has a buffer in one piece, as
        // was checked when it was new, with that many bytes; the descriptors are not in it.
        let buffer = unsafe {
            core::slice::from_raw_parts_mut(
                (*self.urb.as_ptr()).transfer_buffer.cast::<u8>(),
                usize::try_from(self.length()).unwrap_or(0),
            )
        };
        f(&mut self.packets(), buffer)
    }
}

impl Deref for Queued {
    type Target = Transfer;

    fn deref(&self) -> &Transfer {
        // SAFETY: By the type invariants the URB is with the controller; it was checked when it was new.
        unsafe { Transfer::from_raw(self.urb.as_ptr()) }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        pr_err!("BUG: an URB was dropped while it was queued\n");
    }
}

/// An URB that is the controller's for the last moment: what is left is to give it back.
///
/// # Invariants
///
/// The URB, if there is one, is not linked to its endpoint, and this is the only value that stands for it.
#[must_use]
pub struct Detached {
    urb: Option<NonNull<urb>>,
}

// SAFETY: URBs belong to no thread.
unsafe impl Send for Detached {}

impl Detached {
    /// Gives the URB back to whoever submitted it. Runs the completion handler, so no lock may be held.
    ///
    /// If the URB was unlinked, its owner is told that instead of `status`.
    #[doc(alias = "usb_hcd_giveback_urb")]
    #[inline]
    pub fn give_back(self, status: Status) {
        let mut this = ManuallyDrop::new(self);
        if let Some(urb) = this.urb.take() {
            // SAFETY: By the type invariants the URB is ours and not linked; it is given up here.
            unsafe { give_back(urb, status) };
        }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(urb) = self.urb.take() {
            pr_err!("BUG: an URB was not given back\n");
            // SAFETY: By the type invariants the URB is ours and not linked; it is given up here.
            unsafe { give_back(urb, Status::SHUTDOWN) };
        }
    }
}

/// # Safety
///
/// `urb` must be the caller's, detached, and is not any more when this returns.
#[inline]
unsafe fn give_back(urb: NonNull<urb>, status: Status) {
    // SAFETY: By this function's requirements.
    unsafe {
        let hcd = Transfer::from_raw(urb.as_ptr()).hcd();
        bindings::usbip_helper_hcd_giveback_urb(hcd, urb.as_ptr(), status.get());
    }
}

/// A pointer that is only a number, and never null, which would mean that the URB is not submitted.
fn tag_to_private(tag: u32) -> *mut core::ffi::c_void {
    const MARK: u64 = 1 << 32;
    // CAST: On 32-bit machines the mark is cut off, which leaves the tag.
    core::ptr::without_provenance_mut((u64::from(tag) | MARK) as usize)
}

fn private_to_tag(private: *mut core::ffi::c_void) -> u32 {
    // CAST: The lower half is the tag.
    private.addr() as u32
}
