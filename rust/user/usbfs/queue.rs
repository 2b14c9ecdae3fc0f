// SPDX-License-Identifier: GPL-2.0-or-later

//! Transfers that are submitted and come back in any number and order.

use std::{
    ffi::c_void,
    io::{
        self,
        ErrorKind, //
    },
    os::fd::AsRawFd,
    ptr::{
        self,
        NonNull, //
    }, //
};

use super::{
    number,
    Device,
    Kind,
    Transfer, //
};

/// A packet of an isochronous transfer, `struct usbdevfs_iso_packet_desc`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Packet {
    length: u32,
    actual_length: u32,
    status: u32,
}

/// `struct usbdevfs_urb`, with room for packets.
#[repr(C)]
struct Urb {
    kind: u8,
    endpoint: u8,
    status: i32,
    flags: u32,
    buffer: *mut c_void,
    buffer_length: i32,
    actual_length: i32,
    start_frame: i32,
    number_of_packets: i32,
    error_count: i32,
    signr: u32,
    usercontext: *mut c_void,
    packets: [Packet; Queue::MAX_PACKETS],
}

/// Without packets.
const URB_SIZE: u32 = 56;
const _: () = assert!(
    size_of::<Urb>() == URB_SIZE as usize + Queue::MAX_PACKETS * size_of::<Packet>(),
    "the layout of 64-bit machines"
);

const TYPE_ISO: u8 = 0;
const TYPE_INTERRUPT: u8 = 1;
const TYPE_CONTROL: u8 = 2;
const TYPE_BULK: u8 = 3;
const ISO_ASAP: u32 = 2;

const SUBMIT: u32 = number(2, URB_SIZE, 10);
const REAP: u32 = number(1, 8, 12);

const SETUP_BYTES: usize = 8;
/// Buffers begin at multiples of this, so that no two share a line of any cache.
const ALIGNMENT: usize = 512;

/// A transfer that came back.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// Which of the queue.
    pub index: usize,
    /// 0, or an errno with a minus (Documentation/driver-api/usb/error-codes.rst).
    pub status: i32,
    /// Bytes of data that were transferred.
    pub actual: usize,
}

/// Transfers of a device, all alike, of which some are with the kernel.
///
/// # Invariants
///
/// - At `urbs` are as many as `is_busy` has elements, which the queue owns. Each points to its part of
///   the mapping at `memory`, which has `bytes` bytes, and says how long that part is.
/// - Those that `is_busy` says have been submitted and not been reaped. Only they are the kernel's,
///   which writes to them while it gives them back, and to their part of the mapping at any time.
/// - Nothing else was submitted to the device and not been reaped.
pub struct Queue<'a> {
    device: &'a mut Device,
    urbs: NonNull<Urb>,
    is_busy: Box<[bool]>,
    memory: NonNull<c_void>,
    bytes: usize,
}

impl<'a> Queue<'a> {
    /// The most packets of a transfer.
    pub const MAX_PACKETS: usize = 8;

    pub(super) fn new(
        device: &'a mut Device,
        transfer: &Transfer,
        depth: usize,
    ) -> io::Result<Self> {
        let packets = match transfer.kind {
            Kind::Isochronous { packets: 0 } => return Err(ErrorKind::InvalidInput.into()),
            Kind::Isochronous { packets } if packets > Self::MAX_PACKETS => {
                return Err(ErrorKind::InvalidInput.into())
            }
            Kind::Isochronous { packets } => packets,
            _ => 0,
        };
        let head = match transfer.kind {
            Kind::Control { .. } => SETUP_BYTES,
            _ => 0,
        };
        let invalid = |_| ErrorKind::InvalidInput;
        let length = transfer.length.saturating_add(head);
        let buffer_length = i32::try_from(length).map_err(invalid)?;
        let stride = length.next_multiple_of(ALIGNMENT);
        let packet_length = transfer.length.checked_div(packets).unwrap_or(0);
        let packet = Packet {
            length: u32::try_from(packet_length).map_err(invalid)?,
            ..Packet::default()
        };
        let number_of_packets = i32::try_from(packets).map_err(invalid)?;
        let bytes = stride.checked_mul(depth).ok_or(ErrorKind::InvalidInput)?;
        // SAFETY: A new mapping of memory that usbfs provides, wherever there is room.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                device.file.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory).ok_or(ErrorKind::OutOfMemory)?;
        let urbs: Box<[Urb]> = (0..depth)
            .map(|index| {
                // SAFETY: `depth` strides are in the mapping.
                let buffer = unsafe { memory.as_ptr().byte_add(index * stride) };
                if let Kind::Control { setup } = transfer.kind {
                    // SAFETY: The mapping is ours, and a stride has room for it.
                    unsafe { buffer.cast::<[u8; SETUP_BYTES]>().write(setup) };
                }
                Urb {
                    kind: match transfer.kind {
                        Kind::Isochronous { .. } => TYPE_ISO,
                        Kind::Interrupt => TYPE_INTERRUPT,
                        Kind::Control { .. } => TYPE_CONTROL,
                        Kind::Bulk => TYPE_BULK,
                    },
                    endpoint: transfer.endpoint,
                    status: 0,
                    flags: if packets > 0 { ISO_ASAP } else { 0 },
                    buffer,
                    buffer_length,
                    actual_length: 0,
                    start_frame: 0,
                    number_of_packets,
                    error_count: 0,
                    signr: 0,
                    usercontext: ptr::without_provenance_mut(index),
                    packets: [packet; Self::MAX_PACKETS],
                }
            })
            .collect();
        let urbs = NonNull::from(Box::leak(urbs)).cast();
        // INVARIANT: There are `depth` strides in the mapping, and none of the URBs is busy.
        Ok(Self {
            device,
            urbs,
            is_busy: vec![false; depth].into(),
            memory,
            bytes,
        })
    }

    /// How many transfers there are.
    pub fn depth(&self) -> usize {
        self.is_busy.len()
    }

    /// Submits one of them.
    ///
    /// # Errors
    ///
    /// EBUSY if it has not come back; those of the kernel otherwise, ENODEV if the device is gone.
    pub fn submit(&mut self, index: usize) -> io::Result<()> {
        let is_busy = self.is_busy.get_mut(index).ok_or(ErrorKind::InvalidInput)?;
        if *is_busy {
            return Err(ErrorKind::ResourceBusy.into());
        }
        // SAFETY: By the type invariants there are as many URBs as there are states of them.
        let urb = unsafe { self.urbs.as_ptr().add(index) };
        // SAFETY: By the type invariants the URB and its buffer stay where they are until it is
        // reaped, which `drop` waits for, and nobody looks at either before.
        unsafe { self.device.ioctl(SUBMIT, urb.cast()) }?;
        *is_busy = true;
        Ok(())
    }

    /// Waits for the next one that comes back.
    ///
    /// # Errors
    ///
    /// ENODATA if the kernel has none of them, ENODEV if the device is gone and all have been reaped.
    pub fn reap(&mut self) -> io::Result<Completion> {
        if !self.is_busy.contains(&true) {
            return Err(io::Error::from_raw_os_error(libc::ENODATA));
        }
        let mut urb: *mut Urb = ptr::null_mut();
        // SAFETY: It writes one pointer, and to the URB that it points to, which by the type invariants
        // is one of ours.
        unsafe { self.device.ioctl(REAP, (&raw mut urb).cast()) }?;
        // SAFETY: As above; the kernel has given it back.
        let urb = unsafe { &*urb };
        let index = urb.usercontext.addr();
        // INVARIANT: It is not the kernel's any more.
        self.is_busy[index] = false;
        Ok(Completion {
            index,
            status: urb.status,
            actual: usize::try_from(urb.actual_length).unwrap_or(0),
        })
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        while self.reap().is_ok() {}
        // Whoever reaps those that are still busy has the kernel write to them.
        if !self.is_busy.contains(&true) {
            let urbs = ptr::slice_from_raw_parts_mut(self.urbs.as_ptr(), self.depth());
            // SAFETY: By the type invariants they are ours, and were leaked from such a box.
            drop(unsafe { Box::from_raw(urbs) });
        }
        // SAFETY: By the type invariants. What the kernel still has to do with the memory is done to
        // memory of its own, which is not ours any more.
        unsafe { libc::munmap(self.memory.as_ptr(), self.bytes) };
    }
}
