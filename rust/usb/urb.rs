// SPDX-License-Identifier: GPL-2.0

//! Transfers, each with exactly one owner at any time.
//!
//! An [`Urb<Idle, _>`] belongs to the driver, which fills it. [`Urb::submit`] consumes it: while
//! the controller has it, no value stands for it, so nobody can look at its data. It comes back
//! as an [`Urb<Completed, _>`] through [`Complete::complete`], which may be read and dropped.
//! A [`Cancel`] is no owner: it can ask the controller to stop, and nothing else.
//!
//! An URB, its packets, the driver's context and a small amount of data are one allocation:
//!
//! ```text
//! | struct urb | iso_frame_desc[packets] | Extra<C> | padding | data, unless large |
//! ```

mod cancel;
mod completed;
mod idle;
mod queue;

use core::{
    marker::PhantomData,
    mem::{
        align_of,
        offset_of,
        size_of, //
    },
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    bindings,
    ffi::c_int,
    prelude::*, //
};

use usbip_kernel::bindings::{
    usbip_helper_dma_alignment,
    usbip_helper_kmalloc, //
};

use usbip_proto::{
    Direction,
    IsoPacket,
    Status,
    TransferFlags,
    TransferKind,
    MAX_ISO_PACKETS, //
};

use crate::{
    buffer::{
        Buffer,
        INSIST, //
    },
    Device,
    Endpoint,
    Spares, //
};

pub use self::{
    cancel::Cancel,
    idle::Rejected,
    queue::{
        UrbQueue,
        UrbRef, //
    }, //
};

/// The state of an URB that the driver fills.
pub enum Idle {}

/// The state of an URB that the controller has given back.
pub enum Completed {}

/// What a driver keeps with its URBs.
pub trait Complete: Send + Sized + 'static {
    /// Takes an URB back from the controller.
    ///
    /// One that was taken away because its device goes to sleep has the status [`Status::HOSTUNREACH`], and so have
    /// those that are submitted after that; not [`Status::SHUTDOWN`] as if it had been unplugged.
    ///
    /// Runs in atomic context, with interrupts off or not. It must not sleep, nor drop anything
    /// whose drop does; dropping the URB itself does not.
    fn complete(urb: Urb<Completed, Self>);
}

/// Tells a device that sleeps from one that is gone.
///
/// The USB core takes what is under way from a device that is to sleep with the error of one that was unplugged, and
/// controllers that sleep as well refuse what is submitted with it.
///
/// # Safety
///
/// `device` is valid.
unsafe fn unless_asleep(device: *const bindings::usb_device, errno: c_int) -> c_int {
    // The flag goes before transfers are taken away for its sake, and comes back after that. It is read without the lock
    // under which it changes, as the USB core does for each transfer.
    // SAFETY: The caller promises it.
    let sleeps = || unsafe { bindings::usb_device::can_submit_raw(device) == 0 };
    if errno == Status::SHUTDOWN.get() && sleeps() {
        Status::HOSTUNREACH.get()
    } else {
        errno
    }
}

/// What to transfer.
#[derive(Clone, Copy)]
pub struct Transfer {
    /// The endpoint, with the direction of the data.
    pub endpoint: Endpoint,
    /// The flags; those that do not suit the endpoint are ignored.
    pub flags: TransferFlags,
    /// Bytes of data.
    pub length: u32,
    /// The number of packets; 0 unless the transfer is isochronous.
    pub packets: u16,
    /// The polling interval.
    pub interval: i32,
    /// The frame to begin with.
    pub start_frame: i32,
    /// The setup packet, if it is a control transfer.
    pub setup: [u8; 8],
}

impl Transfer {
    /// No transfer: what an URB is made of that is never submitted.
    pub const NOTHING: Self = Self {
        endpoint: Endpoint::assumed(0, Direction::Out, TransferKind::Control),
        flags: TransferFlags::NONE,
        length: 0,
        packets: 0,
        interval: 0,
        start_frame: 0,
        setup: [0; 8],
    };

    /// The memory that an URB for this takes, roughly but never much less, in bytes.
    pub fn cost(&self) -> usize {
        /// An URB and its context.
        const URB: usize = 512;
        // CAST: 32 bits fit.
        let length = self.length as usize;
        length
            .checked_next_power_of_two()
            .unwrap_or(usize::MAX)
            .saturating_add(usize::from(self.packets).wrapping_mul(PACKET_SIZE))
            .saturating_add(URB)
    }
}

/// A transfer, in state `S`, with the driver's context `C`.
///
/// # Invariants
///
/// - `raw` is to a valid `struct urb` that [`Urb::new`] made; this owns one reference to it and
///   is the only one that may access it, but for what [`Cancel`] does.
/// - Its `context` is to the [`Extra`] in the same allocation, which is initialised.
/// - `number_of_packets` is the number of packets that there is room for.
/// - The controller does not have it.
/// - In state [`Completed`], everything in its data that counts as received has been written.
pub struct Urb<S, C: Complete> {
    raw: NonNull<bindings::urb>,
    _state: PhantomData<(S, C)>,
}

// SAFETY: An URB may be used by any thread, one at a time, if its context may.
unsafe impl<S, C: Complete> Send for Urb<S, C> {}

/// What this crate keeps with a `struct urb`.
struct Extra<C> {
    /// The setup packet; controllers read it from here.
    setup: [u8; 8],
    /// The next URB of an [`UrbQueue`].
    next: Option<NonNull<bindings::urb>>,
    /// How much of an outgoing transfer's data has been written.
    filled: usize,
    endpoint: Endpoint,
    buffer: Buffer,
    context: C,
}

/// The size of a packet descriptor of the kernel's.
const PACKET_SIZE: usize = size_of::<bindings::usb_iso_packet_descriptor>();

/// Where the packet descriptors are in a `struct urb`.
const PACKETS_OFFSET: usize = offset_of!(bindings::urb, iso_frame_desc);

/// Where [`Extra`] is behind an URB of so many packets.
fn extra_offset<C>(packets: u16) -> usize {
    let packets = usize::from(packets).wrapping_mul(PACKET_SIZE);
    let end = PACKETS_OFFSET.wrapping_add(packets);
    round_up(end.max(size_of::<bindings::urb>()), align_of::<Extra<C>>())
}

/// Rounds up to a multiple of `alignment`, which is a power of two.
// OVERFLOW: Only used for sizes of memory that is then allocated: headers of at most 1024 packets,
// and data of a few pages.
const fn round_up(size: usize, alignment: usize) -> usize {
    size.wrapping_add(alignment.wrapping_sub(1)) & !alignment.wrapping_sub(1)
}

impl<C: Complete> Urb<Idle, C> {
    /// Allocates an URB for a transfer to `device`, with all the memory that it needs, some of it from
    /// `spares`. Sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if there are more packets than the protocol knows, or packets in
    /// a transfer that has none.
    pub fn new(
        device: &Device,
        transfer: &Transfer,
        context: C,
        spares: Option<&Spares>,
    ) -> Result<Self> {
        // `kmalloc` aligns no better than that.
        const { assert!(align_of::<Extra<C>>() <= bindings::ARCH_KMALLOC_MINALIGN) };

        let endpoint = transfer.endpoint;
        let isochronous = endpoint.kind() == TransferKind::Isochronous;
        if transfer.packets > MAX_ISO_PACKETS || (transfer.packets != 0 && !isochronous) {
            return Err(EINVAL);
        }

        // CAST: 32 bits fit.
        let length = transfer.length as usize;
        let extra_offset = extra_offset::<C>(transfer.packets);
        let header = extra_offset.wrapping_add(size_of::<Extra<C>>());
        let inline = length > 0 && !Buffer::is_large(length);

        // Data that a device writes shares no cache line with anything that the CPU does.
        // SAFETY: Has no preconditions.
        let alignment = unsafe { usbip_helper_dma_alignment() };
        let size = if inline {
            round_up(header, alignment)
                .wrapping_add(alignment)
                .wrapping_add(round_up(length, alignment))
        } else {
            header
        };
        let buffer = if inline {
            Buffer::Empty
        } else {
            match endpoint.kind() {
                TransferKind::Bulk => Buffer::new(length, device.scatter(&endpoint), spares)?,
                TransferKind::Isochronous => Buffer::isochronous(length, spares)?,
                TransferKind::Control | TransferKind::Interrupt => {
                    Buffer::new(length, None, spares)?
                }
            }
        };

        // SAFETY: May be called with any size; the callers may sleep.
        let base = unsafe { usbip_helper_kmalloc(size, INSIST) };
        let base = NonNull::new(base.cast::<u8>()).ok_or(ENOMEM)?;
        let buffer = if inline {
            // SAFETY: `header` is within the allocation.
            let start = unsafe { base.add(header) };
            let address = start.addr().get();
            let padding = round_up(address, alignment).wrapping_sub(address);
            // SAFETY: There is room for the padding, which is less than `alignment`.
            Buffer::Inline(unsafe { start.add(padding) })
        } else {
            buffer
        };

        let raw = base.cast::<bindings::urb>();
        // SAFETY: The memory is large enough for a `struct urb`, and aligned.
        unsafe { bindings::usb_init_urb(raw.as_ptr()) };
        // SAFETY: It is within the allocation, and aligned for it.
        let extra = unsafe { base.add(extra_offset) }.cast::<Extra<C>>();
        // SAFETY: As above; nobody else knows of the memory.
        unsafe {
            extra.write(Extra {
                setup: transfer.setup,
                next: None,
                filled: 0,
                endpoint,
                buffer,
                context,
            })
        };
        // INVARIANT: Made right here; `set_up` makes the number of packets true.
        let urb = Self {
            raw,
            _state: PhantomData,
        };
        urb.set_up(transfer, extra);
        Ok(urb)
    }

    /// Fills in what the controller needs.
    fn set_up(&self, transfer: &Transfer, extra: NonNull<Extra<C>>) {
        let flags = transfer
            .flags
            .receive_mask(transfer.endpoint.kind(), transfer.endpoint.direction());
        let packets = usize::from(transfer.packets);
        let raw = self.raw.as_ptr();
        // SAFETY: Both are valid by the type invariant, and nobody else has access. There is room
        // for the packets behind the URB.
        unsafe {
            (*raw).context = extra.as_ptr().cast();
            (*raw).complete = Some(completed::callback::<C>);
            (*raw).transfer_flags = flags.get();
            (*raw).transfer_buffer_length = transfer.length;
            (*raw).setup_packet = ptr::addr_of_mut!((*extra.as_ptr()).setup).cast();
            (*raw).interval = transfer.interval;
            (*raw).start_frame = transfer.start_frame;
            (*raw).number_of_packets = transfer.packets.into();
            match &(*extra.as_ptr()).buffer {
                Buffer::Empty => {}
                Buffer::Inline(base) => (*raw).transfer_buffer = base.as_ptr().cast(),
                Buffer::Flat(flat) => (*raw).transfer_buffer = flat.as_ptr().cast(),
                Buffer::Scattered(scattered) => {
                    let (table, entries) = scattered.as_raw();
                    (*raw).sg = table;
                    // CAST: The number of entries of a table that is in memory.
                    (*raw).num_sgs = entries as i32;
                }
            }
            self.raw_packets().write_bytes(0, packets);
        }
    }
}

impl<S, C: Complete> Urb<S, C> {
    /// Takes over an URB of the C side.
    ///
    /// # Safety
    ///
    /// Everything that the invariants demand holds from now on, and the caller gives up the
    /// reference.
    unsafe fn from_raw(raw: NonNull<bindings::urb>) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            raw,
            _state: PhantomData,
        }
    }

    /// Gives up ownership; the counterpart of [`Self::from_raw`].
    fn into_raw(self) -> NonNull<bindings::urb> {
        let raw = self.raw;
        core::mem::forget(self);
        raw
    }

    fn urb(&self) -> &bindings::urb {
        // SAFETY: Valid by the type invariant. Controllers and `Cancel` do not write to it while
        // it is owned, but for the counters, which are not read through this.
        unsafe { self.raw.as_ref() }
    }

    fn extra(&self) -> &Extra<C> {
        // SAFETY: Valid by the type invariant.
        unsafe { &*self.urb().context.cast() }
    }

    fn extra_mut(&mut self) -> &mut Extra<C> {
        // SAFETY: Valid, and not accessed by anybody else, by the type invariant.
        unsafe { &mut *self.urb().context.cast() }
    }

    /// The packet descriptors.
    fn raw_packets(&self) -> *mut bindings::usb_iso_packet_descriptor {
        // SAFETY: They are within the allocation.
        unsafe { self.raw.cast::<u8>().add(PACKETS_OFFSET) }
            .cast()
            .as_ptr()
    }

    /// The number of packets, 0 unless the transfer is isochronous.
    pub fn packet_count(&self) -> u16 {
        u16::try_from(self.urb().number_of_packets).unwrap_or(0)
    }

    /// The packets of an isochronous transfer.
    pub fn packets(&self) -> impl Iterator<Item = IsoPacket> + '_ {
        let packets = self.raw_packets();
        (0..usize::from(self.packet_count())).map(move |index| {
            // SAFETY: There are so many by the type invariant.
            let packet = unsafe { &*packets.add(index) };
            IsoPacket {
                offset: packet.offset,
                length: packet.length,
                actual_length: packet.actual_length.min(packet.length),
                status: Status::from_raw(packet.status),
            }
        })
    }

    /// The size of the data in bytes, transferred or not.
    pub fn length(&self) -> usize {
        // CAST: 32 bits fit.
        self.urb().transfer_buffer_length as usize
    }

    /// The endpoint.
    pub fn endpoint(&self) -> Endpoint {
        self.extra().endpoint
    }

    /// The setup packet.
    pub fn setup(&self) -> &[u8; 8] {
        &self.extra().setup
    }

    /// What the driver keeps with the URB.
    pub fn context(&self) -> &C {
        &self.extra().context
    }

    /// What the driver keeps with the URB.
    pub fn context_mut(&mut self) -> &mut C {
        &mut self.extra_mut().context
    }

    fn is_in(&self) -> bool {
        self.extra().endpoint.direction() == Direction::In
    }
}

impl<S, C: Complete> Drop for Urb<S, C> {
    fn drop(&mut self) {
        let extra = self.urb().context.cast::<Extra<C>>();
        // SAFETY: Initialised by the type invariant, and nobody uses it after this: a `Cancel`
        // keeps no more than the memory.
        unsafe { ptr::drop_in_place(extra) };
        // SAFETY: The reference is given up. The last one frees the memory, with `kfree`.
        unsafe { bindings::usb_free_urb(self.raw.as_ptr()) };
    }
}
