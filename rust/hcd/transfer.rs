// SPDX-License-Identifier: GPL-2.0

//! What an URB asks for: everything of it that may be read while it is with the controller.
//!
//! It must never give access to what the driver of the device may change at any time.

use core::{
    cell::UnsafeCell,
    slice, //
};

use kernel::bindings::{
    urb,
    usb_iso_packet_descriptor, //
};

use usbip_proto::{
    Direction,
    IsoPacket,
    Status,
    TransferKind, //
};

use crate::{
    bindings,
    child::Child, //
};

/// `URB_DIR_IN` and `USB_DIR_IN` of a pipe: data goes to the host.
const PIPE_IN: u32 = 0x80;

/// The bytes of a setup packet, USB 2.0 table 9-2.
pub(crate) const SETUP_LEN: usize = 8;

/// An URB, as far as it can only be read.
///
/// # Invariants
///
/// The URB is valid, is with the controller, and fulfils [`Transfer::is_sane`].
#[repr(transparent)]
#[doc(alias = "urb")]
pub struct Transfer(UnsafeCell<urb>);

impl Transfer {
    /// # Safety
    ///
    /// `urb` must be valid and with the controller for `'a`, and [`Transfer::is_sane`] must have held.
    pub(crate) unsafe fn from_raw<'a>(urb: *mut urb) -> &'a Self {
        // SAFETY: By this function's requirements, and as the type is transparent.
        unsafe { &*urb.cast() }
    }

    /// Returns whether the URB has the memory that it says it has.
    ///
    /// # Safety
    ///
    /// `urb` must be valid.
    pub(crate) unsafe fn is_sane(urb: *const urb) -> bool {
        // SAFETY: By this function's requirements.
        unsafe {
            let flat = !(*urb).transfer_buffer.is_null();
            let scattered = (*urb).num_sgs > 0 && !(*urb).sg.is_null();
            match kind((*urb).pipe) {
                TransferKind::Isochronous => flat && (*urb).number_of_packets > 0,
                _ => (*urb).transfer_buffer_length == 0 || flat || scattered,
            }
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut urb {
        self.0.get()
    }

    /// The bus that the URB was submitted to.
    pub(crate) fn hcd(&self) -> *mut bindings::usb_hcd {
        const _: () = assert!(core::mem::offset_of!(bindings::usb_hcd, self_) == 0);

        // SAFETY: By the type invariants the URB is valid, and usbcore keeps its device and bus meanwhile. The
        // bus is the first member of the controller.
        unsafe { (*(*self.as_ptr()).dev).bus.cast() }
    }

    fn pipe(&self) -> u32 {
        // SAFETY: By the type invariants; the field does not change.
        unsafe { (*self.as_ptr()).pipe }
    }

    /// The kind of transfer.
    pub fn kind(&self) -> TransferKind {
        kind(self.pipe())
    }

    /// The way in which data goes.
    pub fn direction(&self) -> Direction {
        if self.pipe() & PIPE_IN != 0 {
            Direction::In
        } else {
            Direction::Out
        }
    }

    /// The endpoint's number, 0 to 15.
    pub fn endpoint(&self) -> u32 {
        self.pipe() >> 15 & 0xf
    }

    /// The address that the device answers to on the bus; 0 if it has none yet.
    pub fn address(&self) -> u32 {
        self.pipe() >> 8 & 0x7f
    }

    /// The device that the URB is for.
    pub fn child(&self) -> &Child {
        // SAFETY: By the type invariants the URB is valid, and usbcore keeps its device meanwhile.
        unsafe { Child::from_raw((*self.as_ptr()).dev) }
    }

    /// The root hub's port that the device is on, counted from 1; none if it is behind another hub.
    pub fn port(&self) -> Option<u8> {
        // SAFETY: By the type invariants the URB is valid; usbcore keeps its device and that one's parent.
        unsafe {
            let device = (*self.as_ptr()).dev;
            let parent = (*device).parent;
            (!parent.is_null() && (*parent).parent.is_null()).then_some((*device).portnum)
        }
    }

    /// The flags, `URB_*`.
    pub fn flags(&self) -> u32 {
        // SAFETY: By the type invariants; nobody but usbcore changes the field, before and after.
        unsafe { (*self.as_ptr()).transfer_flags }
    }

    /// The length of the buffer in bytes.
    pub fn length(&self) -> u32 {
        // SAFETY: By the type invariants; the field does not change.
        unsafe { (*self.as_ptr()).transfer_buffer_length }
    }

    /// How many bytes have been moved, as far as the URB's owner has written it.
    pub fn actual_length(&self) -> u32 {
        // SAFETY: By the type invariants; only the owner of the URB changes the field.
        unsafe { (*self.as_ptr()).actual_length }
    }

    /// Whether the buffer is a scatter-gather list.
    pub fn is_scattered(&self) -> bool {
        // SAFETY: By the type invariants; the field does not change.
        let entries = unsafe { (*self.as_ptr()).num_sgs };
        entries > 0 && !self.kind().is_isochronous()
    }

    /// The interval of a periodic transfer, in (micro)frames.
    pub fn interval(&self) -> i32 {
        // SAFETY: By the type invariants; the field does not change.
        unsafe { (*self.as_ptr()).interval }
    }

    /// The frame in which an isochronous transfer was asked to start.
    pub fn start_frame(&self) -> i32 {
        // SAFETY: By the type invariants; only the owner of the URB changes the field.
        unsafe { (*self.as_ptr()).start_frame }
    }

    /// The setup packet of a control transfer.
    pub fn setup(&self) -> Option<[u8; SETUP_LEN]> {
        if self.kind() != TransferKind::Control {
            return None;
        }
        // SAFETY: By the type invariants the URB is valid; a setup packet has 8 bytes.
        unsafe {
            let setup = (*self.as_ptr()).setup_packet;
            (!setup.is_null()).then(|| setup.cast::<[u8; SETUP_LEN]>().read())
        }
    }

    /// How many packets an isochronous transfer has; 0 for any other.
    pub fn packet_count(&self) -> u32 {
        if !self.kind().is_isochronous() {
            return 0;
        }
        // SAFETY: By the type invariants; the field does not change.
        u32::try_from(unsafe { (*self.as_ptr()).number_of_packets }).unwrap_or(0)
    }

    /// The packets of an isochronous transfer; none of any other.
    #[inline]
    pub fn packets(&self) -> impl DoubleEndedIterator<Item = IsoPacket> + ExactSizeIterator + '_ {
        self.descriptors().iter().map(packet)
    }

    /// One packet of an isochronous transfer.
    pub fn packet(&self, index: u16) -> Option<IsoPacket> {
        self.descriptors().get(usize::from(index)).map(packet)
    }

    fn descriptors(&self) -> &[usb_iso_packet_descriptor] {
        let count = usize::try_from(self.packet_count()).unwrap_or(0);
        // SAFETY: The URB was allocated with that many descriptors; only its owner, which is borrowed, writes.
        unsafe {
            slice::from_raw_parts(
                (&raw const (*self.as_ptr()).iso_frame_desc).cast::<usb_iso_packet_descriptor>(),
                count,
            )
        }
    }
}

fn packet(descriptor: &usb_iso_packet_descriptor) -> IsoPacket {
    IsoPacket {
        offset: descriptor.offset,
        length: descriptor.length,
        actual_length: descriptor.actual_length,
        status: Status::from_raw(descriptor.status),
    }
}

fn kind(pipe: u32) -> TransferKind {
    match pipe >> 30 & 0x3 {
        kernel::bindings::PIPE_ISOCHRONOUS => TransferKind::Isochronous,
        kernel::bindings::PIPE_INTERRUPT => TransferKind::Interrupt,
        kernel::bindings::PIPE_CONTROL => TransferKind::Control,
        _ => TransferKind::Bulk,
    }
}
