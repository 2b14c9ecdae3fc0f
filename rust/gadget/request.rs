// SPDX-License-Identifier: GPL-2.0

//! Requests that gadget drivers have queued: who owns them, and how they go back.
//!
//! It must never hold on to a request in secret: [`Request`] is the one value through which a queued request can be
//! reached, and it ends in giving it back.

use core::{
    marker::PhantomData,
    mem::{
        self,
        ManuallyDrop, //
    },
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    alloc::Flags,
    container_of,
    ffi::{
        c_uint,
        c_ulong, //
    },
    prelude::*,
    sync::{
        atomic::{
            AtomicFlag,
            Full, //
        },
        Arc, //
    }, //
};

use usbip_proto::Status;

use crate::{
    bindings,
    callbacks::as_interrupt,
    controller::Device, //
};

/// What a gadget driver's request is embedded in.
///
/// While `queued`, it belongs to the one [`Request`], but for what gadget drivers keep in the C structure for themselves:
/// the list that it is in, and the context of its completion. Else all of it is the gadget driver's.
#[repr(C)]
pub(crate) struct Slot {
    raw: bindings::usb_request,
    queued: AtomicFlag,
    /// The next one of a [`RequestQueue`].
    next: Option<NonNull<Slot>>,
    /// Keeps the endpoint of the request alive while it is queued.
    device: Option<Arc<Device>>,
}

impl Slot {
    /// Makes one for a gadget driver; null if there is no memory.
    pub(crate) fn allocate(flags: Flags) -> *mut bindings::usb_request {
        let slot = KBox::new(
            Self {
                // SAFETY: Numbers, pointers and optional functions, for all of which zero is a value.
                raw: unsafe { mem::zeroed() },
                queued: AtomicFlag::new(false),
                next: None,
                device: None,
            },
            flags,
        );
        match slot {
            Ok(slot) => KBox::into_raw(slot).cast(),
            Err(_) => ptr::null_mut(),
        }
    }

    /// Frees one.
    ///
    /// # Safety
    ///
    /// `raw` must come from [`Self::allocate`], and not be used any more.
    pub(crate) unsafe fn free(raw: NonNull<bindings::usb_request>) {
        // SAFETY: By this function's requirements `raw` is embedded in a slot.
        let slot = unsafe { slot_of(raw) };
        // SAFETY: As above.
        if unsafe { (*slot.as_ptr()).queued.load(kernel::sync::atomic::Acquire) } {
            pr_err!("a gadget driver frees a request that is queued\n");
            // Better lost than used after it was freed.
            return;
        }
        // SAFETY: It comes from `KBox::into_raw` in `allocate`, and nobody else owns it.
        drop(unsafe { KBox::from_raw(slot.as_ptr()) });
    }
}

/// The slot of a gadget driver's request.
///
/// # Safety
///
/// `raw` must come from [`Slot::allocate`], and not be freed.
unsafe fn slot_of(raw: NonNull<bindings::usb_request>) -> NonNull<Slot> {
    // SAFETY: By this function's requirements.
    unsafe { NonNull::new_unchecked(container_of!(raw.as_ptr(), Slot, raw)) }
}

/// Which request it is, for finding it again. Nothing can be done with it but to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(NonNull<Slot>);

impl RequestId {
    /// # Safety
    ///
    /// `raw` must come from [`Slot::allocate`], and not be freed.
    pub(crate) unsafe fn new(raw: NonNull<bindings::usb_request>) -> Self {
        // SAFETY: By this function's requirements.
        Self(unsafe { slot_of(raw) })
    }
}

/// A request that a gadget driver has queued.
///
/// Dropping it gives it back as one whose device is shut down: that calls the gadget driver, so that no lock may be
/// held that its callbacks take.
///
/// # Invariants
///
/// The slot is queued, and owned by this; the gadget driver uses only `list` and `context` of the C structure meanwhile.
/// Its memory, which is the scatter-gather list if `num_sgs` is not zero, and else the buffer, has `length` bytes, of
/// which `actual` have been moved; that is no more than there are. Its `device` is set.
pub struct Request(NonNull<Slot>);

// SAFETY: A gadget driver's request may be completed by any thread.
unsafe impl Send for Request {}

impl Request {
    /// Takes a request over from its gadget driver.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is queued already, or has no completion, or no memory of its length.
    ///
    /// # Safety
    ///
    /// `raw` must come from [`Slot::allocate`]. If there is no error, the gadget driver must leave it and its memory
    /// alone until it gets it back. It must be one of an endpoint of `device`.
    pub(crate) unsafe fn take(
        raw: NonNull<bindings::usb_request>,
        device: Arc<Device>,
    ) -> Result<Self> {
        // SAFETY: By this function's requirements.
        let slot = unsafe { slot_of(raw) };
        let this = slot.as_ptr();
        // SAFETY: As above; the flag is atomic.
        if unsafe { (*this).queued.xchg(true, Full) } {
            return Err(EINVAL);
        }
        // SAFETY: It was not queued, so that it is the gadget driver's, which passes it on.
        unsafe {
            if (*this).raw.complete.is_none() || !has_memory(&raw const (*this).raw) {
                (*this).queued.xchg(false, Full);
                return Err(EINVAL);
            }
            (*this).raw.status = Status::INPROGRESS.get();
            (*this).raw.actual = 0;
            (*this).next = None;
            (*this).device = Some(device);
        }
        // INVARIANT: Just made so.
        Ok(Self(slot))
    }

    /// Lets go of a request that was not accepted: its gadget driver learns that from an error, and not by getting
    /// it back.
    pub(crate) fn refuse(self) {
        let slot = self.into_slot();
        // SAFETY: It was owned by `self`. The reference is dropped last, as it may be the last one.
        let _device = unsafe { release(slot) };
    }

    fn into_slot(self) -> NonNull<Slot> {
        let slot = self.0;
        mem::forget(self);
        slot
    }

    /// The C structure, for access to single fields. A reference to all of it would say that nobody else writes to any,
    /// but gadget drivers have it in lists of their own, whose other entries come and go.
    fn raw(&self) -> *mut bindings::usb_request {
        // SAFETY: Only makes a pointer to a field of what is valid by the type invariant.
        unsafe { &raw mut (*self.0.as_ptr()).raw }
    }

    /// Which request it is.
    pub fn id(&self) -> RequestId {
        RequestId(self.0)
    }

    fn length(&self) -> usize {
        const _: () = assert!(size_of::<c_uint>() <= size_of::<usize>());
        // SAFETY: Valid, and this field ours, by the type invariant.
        let length = unsafe { (*self.raw()).length };
        // CAST: To a type that is at least as large, which is checked while this is compiled.
        length as usize
    }

    fn moved(&self) -> usize {
        // SAFETY: Valid, and this field ours, by the type invariant.
        let actual = unsafe { (*self.raw()).actual };
        // CAST: As above.
        actual as usize
    }

    fn left(&self) -> usize {
        self.length().saturating_sub(self.moved())
    }

    fn zero(&self) -> bool {
        // SAFETY: Valid by the type invariant; gadget drivers leave the flags of what is queued alone.
        unsafe { bindings::usb_request::zero_raw(self.raw()) != 0 }
    }

    /// Where the next bytes of its memory are, and how many of them there is room for elsewhere; `None` if there are none.
    fn next(&self, room: usize) -> Option<(Memory, usize)> {
        let count = room.min(self.left());
        if count == 0 {
            return None;
        }
        let raw = self.raw();
        // SAFETY: Valid, and these fields ours, by the type invariant.
        let (list, entries, buffer) = unsafe { ((*raw).sg, (*raw).num_sgs, (*raw).buf) };
        let memory = if entries > 0 {
            Memory::Scattered {
                list,
                entries,
                skip: offset(self.moved()),
            }
        } else {
            // SAFETY: By the type invariant the buffer has more bytes than have been moved.
            Memory::Plain(unsafe { buffer.cast::<u8>().add(self.moved()) })
        };
        Some((memory, count))
    }

    /// Copies what is to be sent next to the beginning of `into`; returns how many bytes.
    fn copy_to(&self, into: &mut [u8]) -> usize {
        let Some((memory, count)) = self.next(into.len()) else {
            return 0;
        };
        let into = into.as_mut_ptr();
        match memory {
            // SAFETY: By the type invariant the buffer has so many bytes more, and is the request's; so `into`, which
            // has so many as well, is somewhere else.
            Memory::Plain(from) => unsafe {
                ptr::copy_nonoverlapping(from, into, count);
                count
            },
            Memory::Scattered {
                list,
                entries,
                skip,
                // SAFETY: As above, for the list.
            } => unsafe { bindings::sg_pcopy_to_buffer(list, entries, into.cast(), count, skip) },
        }
    }

    /// Sends as much as there is room for in `into`; returns how many bytes.
    fn send(&mut self, into: &mut [u8]) -> usize {
        let count = self.copy_to(into);
        self.advance(count);
        count
    }

    /// Receives as much of `from` as there is room for; returns how many bytes.
    fn receive(&mut self, from: &[u8]) -> usize {
        let Some((memory, count)) = self.next(from.len()) else {
            return 0;
        };
        let from = from.as_ptr();
        let count = match memory {
            // SAFETY: By the type invariant the buffer has so many bytes more, and is the request's; so `from`, which
            // has so many as well, is somewhere else.
            Memory::Plain(to) => unsafe {
                ptr::copy_nonoverlapping(from, to, count);
                count
            },
            Memory::Scattered {
                list,
                entries,
                skip,
                // SAFETY: As above, for the list.
            } => unsafe { bindings::sg_pcopy_from_buffer(list, entries, from.cast(), count, skip) },
        };
        self.advance(count);
        count
    }

    fn advance(&mut self, count: usize) {
        let count = u32::try_from(count.min(self.left())).unwrap_or(0);
        let raw = self.raw();
        // INVARIANT: No more than were left.
        // SAFETY: Valid, and this field ours, by the type invariant.
        unsafe { (*raw).actual = (*raw).actual.saturating_add(count) };
    }

    /// The beginning of what it has to send, if that is long enough.
    pub fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        (self.copy_to(&mut bytes) == N).then_some(bytes)
    }

    /// Notes its result, with which it is then given back by [`Self::give_back`].
    pub fn end(&mut self, status: Status) {
        // SAFETY: Valid, and this field ours, by the type invariant.
        unsafe { (*self.raw()).status = status.get() };
    }

    /// Gives it back to its gadget driver with the result that was noted. Calls the driver, in any context.
    #[doc(alias = "usb_gadget_giveback_request")]
    pub fn give_back(self) {
        drop(self);
    }

    /// Gives it back as one of which all has been moved.
    pub fn consume(mut self) {
        self.advance(self.left());
        self.end(Status::OK);
    }

    /// Gives it back with a result.
    pub fn complete(mut self, status: Status) {
        self.end(status);
    }
}

/// Where the next bytes of a request's memory are.
enum Memory {
    Plain(*mut u8),
    /// So many bytes behind the beginning of a list of so many entries.
    Scattered {
        list: *mut kernel::bindings::scatterlist,
        entries: u32,
        skip: kernel::bindings::off_t,
    },
}

/// The bits of a link to a page that are not the page's: `SG_CHAIN` and `SG_END`.
const LINK_FLAGS: c_ulong = 3;

/// A place in a scatter-gather list, as the kernel counts.
fn offset(bytes: usize) -> kernel::bindings::off_t {
    // The length of a request has 32 bits.
    bytes.try_into().unwrap_or(kernel::bindings::off_t::MAX)
}

/// Whether a gadget driver's request has memory of its length that the processor can reach.
///
/// # Safety
///
/// `raw` must be valid, and nobody else write the fields that are read here. The scatter-gather list must have as many
/// entries as the request says.
unsafe fn has_memory(raw: *const bindings::usb_request) -> bool {
    // SAFETY: By this function's requirements.
    let (length, entries, list, buffer, mapped) = unsafe {
        (
            (*raw).length,
            (*raw).num_sgs,
            (*raw).sg,
            (*raw).buf,
            bindings::usb_request::sg_was_mapped_raw(raw) != 0,
        )
    };
    if length == 0 {
        return true;
    }
    if entries == 0 {
        return !buffer.is_null();
    }
    // Who has mapped the list may have addresses for DMA only, as FunctionFS has of DMA-BUFs; the processor needs pages.
    if mapped {
        return false;
    }
    let mut entry = list;
    let mut missing = length;
    for _ in 0..entries {
        // SAFETY: An entry of the list, or null after its end.
        let Some(found) = (unsafe { entry.as_ref() }) else {
            return false;
        };
        if found.page_link & !LINK_FLAGS == 0 {
            return false;
        }
        missing = missing.saturating_sub(found.length);
        if missing == 0 {
            return true;
        }
        // SAFETY: As above.
        entry = unsafe { kernel::bindings::sg_next(entry) };
    }
    false
}

/// Ends the ownership of a [`Request`]; returns its reference to the device.
///
/// # Safety
///
/// The slot must be owned by a request that is not used any more.
unsafe fn release(slot: NonNull<Slot>) -> Option<Arc<Device>> {
    // SAFETY: By this function's requirements.
    unsafe {
        let device = (*slot.as_ptr()).device.take();
        (*slot.as_ptr()).queued.xchg(false, Full);
        device
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: Valid, and this field ours, by the type invariant.
        if unsafe { (*self.raw()).status } == Status::INPROGRESS.get() {
            self.end(Status::SHUTDOWN);
        }
        // SAFETY: The request is not used any more. The endpoint lives as long as the device does.
        let _device = unsafe { release(self.0) };
        // SAFETY: From here on the request is the gadget driver's, which gets it. Its endpoint was set by udc-core
        // when the request was made.
        as_interrupt(|| unsafe {
            let raw = &raw mut (*self.0.as_ptr()).raw;
            bindings::usb_gadget_giveback_request((*raw).ep, raw);
        });
    }
}

/// Requests, first in, first out, without memory of its own.
///
/// Dropping it gives all of them back: see [`Request`].
///
/// # Invariants
///
/// `head` begins a list, linked by [`Slot::next`], of slots that this owns as [`Request`]; `tail` is the last of
/// them. Both are `None` if there are none.
#[derive(Default)]
pub struct RequestQueue {
    head: Option<NonNull<Slot>>,
    tail: Option<NonNull<Slot>>,
}

// SAFETY: It owns requests, which may be sent.
unsafe impl Send for RequestQueue {}

impl RequestQueue {
    /// A queue without requests.
    pub const fn new() -> Self {
        // INVARIANT: There are none.
        Self {
            head: None,
            tail: None,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Appends a request.
    pub fn push(&mut self, request: Request) {
        let slot = request.into_slot();
        // SAFETY: It is ours from here on.
        unsafe { (*slot.as_ptr()).next = None };
        match self.tail {
            // SAFETY: The queue owns it by the type invariant.
            Some(tail) => unsafe { (*tail.as_ptr()).next = Some(slot) },
            None => self.head = Some(slot),
        }
        self.tail = Some(slot);
    }

    /// Takes the first request.
    pub fn pop(&mut self) -> Option<Request> {
        let slot = self.head?;
        // SAFETY: The queue owns it by the type invariant.
        self.head = unsafe { (*slot.as_ptr()).next };
        if self.head.is_none() {
            self.tail = None;
        }
        // INVARIANT: It is no longer in the queue, which gives up ownership.
        Some(Request(slot))
    }

    /// The first request.
    pub fn front(&mut self) -> Option<Front<'_>> {
        // Not dropped: it stays in the queue.
        let request = ManuallyDrop::new(Request(self.head?));
        Some(Front {
            request,
            _queue: PhantomData,
        })
    }

    /// Takes a request out.
    pub fn remove(&mut self, id: RequestId) -> Option<Request> {
        let mut before: Option<NonNull<Slot>> = None;
        let mut at = self.head;
        while let Some(slot) = at {
            // SAFETY: The queue owns it by the type invariant.
            let next = unsafe { (*slot.as_ptr()).next };
            if slot == id.0 {
                match before {
                    // SAFETY: As above.
                    Some(before) => unsafe { (*before.as_ptr()).next = next },
                    None => self.head = next,
                }
                if next.is_none() {
                    self.tail = before;
                }
                // INVARIANT: It is no longer in the queue, which gives up ownership.
                return Some(Request(slot));
            }
            before = at;
            at = next;
        }
        None
    }

    /// Gives all of them back, with the results that were noted, or as those of a device that is shut down.
    pub fn give_back(mut self) {
        while let Some(request) = self.pop() {
            request.give_back();
        }
    }
}

impl Drop for RequestQueue {
    fn drop(&mut self) {
        while let Some(request) = self.pop() {
            request.give_back();
        }
    }
}

/// The first request of a queue, in which it stays.
pub struct Front<'a> {
    request: ManuallyDrop<Request>,
    _queue: PhantomData<&'a mut RequestQueue>,
}

impl Front<'_> {
    /// The bytes that its gadget driver wants to be moved.
    pub fn length(&self) -> usize {
        self.request.length()
    }

    /// The bytes that are left to move.
    pub fn left(&self) -> usize {
        self.request.left()
    }

    /// Whether an empty packet is to follow if the last one is full.
    pub fn zero(&self) -> bool {
        self.request.zero()
    }

    /// Sends as much as there is room for in `into`; returns how many bytes.
    pub fn send(&mut self, into: &mut [u8]) -> usize {
        self.request.send(into)
    }

    /// Receives as much of `from` as there is room for; returns how many bytes.
    pub fn receive(&mut self, from: &[u8]) -> usize {
        self.request.receive(from)
    }

    /// Notes its result, with which it is then given back by [`Request::give_back`].
    pub fn end(&mut self, status: Status) {
        self.request.end(status);
    }
}
