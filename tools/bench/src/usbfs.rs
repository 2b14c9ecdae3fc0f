// SPDX-License-Identifier: GPL-2.0-or-later

//! Submitting transfers through usbfs, many at a time and without copying.

use std::{
    ffi::c_void,
    fs::{
        self,
        File,
        OpenOptions, //
    },
    io,
    marker::PhantomData,
    mem::size_of,
    os::fd::AsRawFd,
    path::Path,
    ptr::{
        self,
        NonNull, //
    }, //
};

use usbip_proto::TransferKind;

use crate::cases::Result;

/// A packet of an isochronous transfer, `struct usbdevfs_iso_packet_desc`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Packet {
    length: u32,
    actual_length: u32,
    status: u32,
}

/// The most packets of a transfer here.
const PACKETS: usize = 8;

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
    packets: [Packet; PACKETS],
}

const URB_SIZE: u32 = 56;
const _: () = assert!(size_of::<Urb>() == 56 + PACKETS * size_of::<Packet>());
const _: () = assert!(size_of::<*mut c_void>() == 8);

const URB_ISO_ASAP: u32 = 2;

/// The number of an ioctl of usbfs: direction, size, type `U`, number.
const fn number(direction: u32, size: u32, number: u32) -> u32 {
    (direction << 30) | (size << 16) | (0x55 << 8) | number
}

const SUBMIT: u32 = number(2, URB_SIZE, 10);
const REAP: u32 = number(1, 8, 12);
const CLAIM_INTERFACE: u32 = number(2, 4, 15);
const DISCONNECT_CLAIM: u32 = number(2, 264, 27);

/// What to transfer again and again.
#[derive(Clone, Copy)]
pub(crate) struct Transfer {
    pub(crate) kind: TransferKind,
    /// The endpoint's address.
    pub(crate) endpoint: u8,
    /// Bytes of data, without the setup packet.
    pub(crate) length: usize,
    /// Packets, if it is isochronous.
    pub(crate) packets: usize,
}

/// A device that is open in usbfs, with one interface claimed.
pub(crate) struct Device {
    file: File,
}

impl Device {
    /// Opens the device whose folder in sysfs is `path`, and claims its first interface.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<u32> {
            Ok(fs::read_to_string(path.join(name))?.trim().parse()?)
        };
        let node = format!("/dev/bus/usb/{:03}/{:03}", read("busnum")?, read("devnum")?);
        let file = OpenOptions::new().read(true).write(true).open(node)?;
        let device = Self { file };
        // A driver may have it, such as usbtest.
        let mut claim = [0_u8; 264];
        // SAFETY: The structure has 264 bytes: interface 0, no flags.
        if unsafe { device.ioctl(DISCONNECT_CLAIM, claim.as_mut_ptr().cast()) }.is_err() {
            let mut interface = 0_u32;
            // SAFETY: It reads a number.
            unsafe { device.ioctl(CLAIM_INTERFACE, (&raw mut interface).cast()) }?;
        }
        Ok(device)
    }

    /// # Safety
    ///
    /// `argument` must be what the ioctl demands.
    unsafe fn ioctl(&self, number: u32, argument: *mut c_void) -> io::Result<()> {
        // SAFETY: By this function's requirements.
        let result =
            unsafe { libc::ioctl(self.file.as_raw_fd(), libc::c_ulong::from(number), argument) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Prepares `depth` transfers.
    pub(crate) fn queue(&self, transfer: Transfer, depth: usize) -> Result<Queue<'_>> {
        Queue::new(self, transfer, depth)
    }
}

/// Transfers, all alike, of which some are with the kernel.
///
/// # Invariants
///
/// The URBs are not moved, and point into the mapping at `memory`, which has `bytes` bytes. The
/// first `busy` of those that were submitted are the kernel's until they have been reaped.
pub(crate) struct Queue<'a> {
    device: &'a Device,
    urbs: Box<[Urb]>,
    memory: NonNull<c_void>,
    bytes: usize,
    busy: usize,
    _memory: PhantomData<*mut c_void>,
}

impl<'a> Queue<'a> {
    fn new(device: &'a Device, transfer: Transfer, depth: usize) -> Result<Self> {
        let control = transfer.kind == TransferKind::Control;
        let length = transfer.length + if control { 8 } else { 0 };
        let stride = length.next_multiple_of(512);
        let bytes = (stride * depth).next_multiple_of(4096);
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
            return Err(format!("usbfs memory: {}", io::Error::last_os_error()).into());
        }
        let memory = NonNull::new(memory).ok_or("mmap gave nothing")?;
        let mut urbs = Vec::new();
        for index in 0..depth {
            // SAFETY: `depth` strides are in the mapping.
            let buffer = unsafe { memory.as_ptr().byte_add(index * stride) };
            if control {
                let length = u16::try_from(transfer.length)?.to_le_bytes();
                let setup = [0xc0, 1, 0, 0, 0, 0, length[0], length[1]];
                // SAFETY: The mapping is ours, and there are at least 8 bytes.
                unsafe { buffer.cast::<[u8; 8]>().write(setup) };
            }
            let mut packets = [Packet::default(); PACKETS];
            for packet in packets.iter_mut().take(transfer.packets) {
                packet.length = u32::try_from(transfer.length / transfer.packets)?;
            }
            urbs.push(Urb {
                kind: match transfer.kind {
                    TransferKind::Isochronous => 0,
                    TransferKind::Interrupt => 1,
                    TransferKind::Control => 2,
                    TransferKind::Bulk => 3,
                },
                endpoint: transfer.endpoint,
                status: 0,
                flags: match transfer.kind {
                    TransferKind::Isochronous => URB_ISO_ASAP,
                    _ => 0,
                },
                buffer,
                buffer_length: i32::try_from(length)?,
                actual_length: 0,
                start_frame: 0,
                number_of_packets: i32::try_from(transfer.packets)?,
                error_count: 0,
                signr: 0,
                usercontext: ptr::null_mut(),
                packets,
            });
        }
        Ok(Self {
            device,
            urbs: urbs.into(),
            memory,
            bytes,
            busy: 0,
            _memory: PhantomData,
        })
    }

    /// Lets `count` transfers run, as many as there are at a time, and waits for the last one.
    pub(crate) fn run(&mut self, count: usize) -> Result<()> {
        let first = count.min(self.urbs.len());
        let base = self.urbs.as_mut_ptr();
        for index in 0..first {
            // SAFETY: There are so many.
            self.submit(unsafe { base.add(index) })?;
        }
        for _ in first..count {
            let urb = self.reap()?;
            self.submit(urb)?;
        }
        while self.busy > 0 {
            self.reap()?;
        }
        Ok(())
    }

    /// As [`Queue::run`], for several queues side by side: each gets its turn.
    pub(crate) fn run_all(queues: &mut [Self], count: usize) -> Result<()> {
        let mut unsent = Vec::new();
        for queue in queues.iter_mut() {
            let first = count.min(queue.urbs.len());
            let base = queue.urbs.as_mut_ptr();
            for index in 0..first {
                // SAFETY: There are so many.
                queue.submit(unsafe { base.add(index) })?;
            }
            unsent.push(count - first);
        }
        while queues.iter().any(|queue| queue.busy > 0) {
            for (queue, unsent) in queues.iter_mut().zip(&mut unsent) {
                if queue.busy == 0 {
                    continue;
                }
                let urb = queue.reap()?;
                if *unsent > 0 {
                    *unsent -= 1;
                    queue.submit(urb)?;
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self, urb: *mut Urb) -> Result<()> {
        // SAFETY: The URB is one of ours, so that by the type invariants it and its buffer stay where
        // they are. Its buffer is plain data to us, whoever writes it.
        unsafe { self.device.ioctl(SUBMIT, urb.cast()) }
            .map_err(|error| format!("submit: {error}"))?;
        self.busy += 1;
        Ok(())
    }

    /// Takes back one that has ended; they are all ours.
    fn reap(&mut self) -> Result<*mut Urb> {
        let mut urb: *mut Urb = ptr::null_mut();
        // SAFETY: It writes one pointer, to what was submitted.
        unsafe { self.device.ioctl(REAP, (&raw mut urb).cast()) }
            .map_err(|error| format!("reap: {error}"))?;
        self.busy -= 1;
        // SAFETY: The kernel has given it back.
        let (status, actual, wanted) =
            unsafe { ((*urb).status, (*urb).actual_length, (*urb).buffer_length) };
        // SAFETY: As above.
        let control = unsafe { (*urb).kind } == 2;
        if status != 0 || actual + if control { 8 } else { 0 } != wanted {
            return Err(format!("transfer: status {status}, {actual} of {wanted} bytes").into());
        }
        Ok(urb)
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        while self.busy > 0 && self.reap().is_ok() {}
        // SAFETY: By the type invariants; the kernel has nothing of it any more, or keeps its own
        // reference to the memory.
        unsafe { libc::munmap(self.memory.as_ptr(), self.bytes) };
    }
}
