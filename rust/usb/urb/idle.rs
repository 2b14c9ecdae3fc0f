// SPDX-License-Identifier: GPL-2.0

//! URBs that the driver fills and submits.

use core::ptr::NonNull;

use kernel::{
    bindings,
    prelude::*, //
};

use usbip_kernel::iovec::ReadVec;
use usbip_proto::Status;

use super::{
    unless_asleep,
    Cancel,
    Complete,
    Completed,
    Idle,
    Urb, //
};
use crate::{
    buffer::INSIST,
    Device, //
};

/// An URB that could not be submitted.
pub struct Rejected<C: Complete> {
    /// Why.
    pub status: Status,
    /// The URB, as it was.
    pub urb: Urb<Idle, C>,
}

impl<C: Complete> Urb<Idle, C> {
    /// How many bytes of data are still to be written.
    pub fn missing(&self) -> usize {
        self.length().saturating_sub(self.extra().filled)
    }

    /// Puts the memory of the next `want` bytes of data into `parts`; there may be fewer left.
    ///
    /// Returns for how many there is room. [`Self::advance`] says later how many were written.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if `parts` cannot grow.
    pub fn space<'a>(&'a mut self, parts: &mut ReadVec<'a>, want: usize) -> Result<usize> {
        let room = want.min(self.missing());
        let extra = self.extra_mut();
        extra.buffer.pieces(extra.filled, room, |piece| {
            let mut piece: NonNull<[u8]> = piece;
            // SAFETY: The pieces are within the buffer, which is borrowed for 'a, and do not
            // overlap. The memory came from the C side, to which any byte is a value.
            parts.push(unsafe { piece.as_mut() })
        })?;
        Ok(room)
    }

    /// Counts `count` more bytes of data as written.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW` if there is no room for so many.
    pub fn advance(&mut self, count: usize) -> Result {
        if count > self.missing() {
            return Err(EOVERFLOW);
        }
        let extra = self.extra_mut();
        extra.filled = extra.filled.saturating_add(count);
        Ok(())
    }

    /// Writes the next bytes of data.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW` if there is no room for them.
    pub fn write(&mut self, bytes: &[u8]) -> Result {
        let count = bytes.len();
        if count > self.missing() {
            return Err(EOVERFLOW);
        }
        let mut rest = bytes;
        let extra = self.extra_mut();
        extra.buffer.pieces(extra.filled, count, |piece| {
            let (now, later) = rest.split_at_checked(piece.len()).ok_or(EOVERFLOW)?;
            rest = later;
            // SAFETY: The piece is within the buffer, as long as `now`, and not part of it.
            unsafe {
                piece
                    .cast::<u8>()
                    .copy_from_nonoverlapping(NonNull::from(now).cast(), now.len())
            };
            Ok(())
        })?;
        self.advance(count)
    }

    /// Says where a packet of an isochronous transfer lies in the data.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such packet, or if it is not within the data.
    pub fn set_packet(&mut self, index: u16, offset: u32, length: u32) -> Result {
        let end = offset.checked_add(length).ok_or(EINVAL)?;
        if index >= self.packet_count() || end > self.urb().transfer_buffer_length {
            return Err(EINVAL);
        }
        // SAFETY: There is such a packet by the type invariant.
        let packet = unsafe { &mut *self.raw_packets().add(index.into()) };
        packet.offset = offset;
        packet.length = length;
        Ok(())
    }

    /// A way to cancel the transfer once it is submitted.
    pub fn cancel_handle(&self) -> Cancel {
        // SAFETY: Valid by the type invariant.
        unsafe { Cancel::new(self.raw) }
    }

    /// Clears what is missing of the data, so that nothing of other use goes to the device.
    fn complete_data(&mut self) -> Result {
        let missing = self.missing();
        let extra = self.extra_mut();
        extra.buffer.pieces(extra.filled, missing, |piece| {
            // SAFETY: The piece is within the buffer, which nobody else accesses.
            unsafe { piece.cast::<u8>().write_bytes(0, piece.len()) };
            Ok(())
        })?;
        self.advance(missing)
    }

    /// Hands the URB to the controller of `device`. Sleeps.
    ///
    /// [`Complete::complete`] gets it back, possibly before this returns.
    ///
    /// # Errors
    ///
    /// What the USB core or the controller said, with the URB.
    #[doc(alias = "usb_submit_urb")]
    pub fn submit(mut self, device: &Device) -> Result<(), Rejected<C>> {
        // Where it is submitted may not be where it was made for.
        if self.extra().buffer.is_scattered() && device.scatter(&self.endpoint()).is_none() {
            return Err(Rejected {
                status: Status::INVAL,
                urb: self,
            });
        }
        if !self.is_in() && self.missing() > 0 {
            if let Err(error) = self.complete_data() {
                return Err(Rejected {
                    status: Status::from_raw(error.to_errno()),
                    urb: self,
                });
            }
        }
        let pipe = self.endpoint().pipe(device.raw_number());
        let raw = self.into_raw();
        // SAFETY: Valid by the type invariant, and not with the controller yet.
        unsafe {
            (*raw.as_ptr()).dev = device.as_raw();
            (*raw.as_ptr()).pipe = pipe;
        }
        // SAFETY: The URB is set up: its memory is as large as it says, in pieces only if the controller takes
        // pieces, offsets of packets are within it, no flag speaks of DMA addresses, and the callback suits the
        // context. The device is valid during the call, and later for as long as the controller has the URB.
        let result = unsafe { bindings::usb_submit_urb(raw.as_ptr(), INSIST) };
        if result == 0 {
            return Ok(());
        }
        // SAFETY: The device is valid.
        let status = unsafe { unless_asleep(device.as_raw(), result) };
        // SAFETY: The controller did not take it, so that ownership stays here.
        let urb = unsafe { Self::from_raw(raw) };
        Err(Rejected {
            status: Status::from_raw(status),
            urb,
        })
    }

    /// Completes the URB without any controller: nothing was transferred.
    pub fn finish(self, status: Status) -> Urb<Completed, C> {
        let packets = self.raw_packets();
        let count = self.packet_count();
        let raw = self.into_raw();
        // SAFETY: Valid by the type invariant.
        unsafe {
            (*raw.as_ptr()).status = status.get();
            (*raw.as_ptr()).actual_length = 0;
        }
        for index in 0..usize::from(count) {
            // SAFETY: There are so many by the type invariant.
            let packet = unsafe { &mut *packets.add(index) };
            packet.actual_length = 0;
            packet.status = Status::XDEV.get();
        }
        // SAFETY: Ownership was just given up; nothing counts as received.
        unsafe { Urb::from_raw(raw) }
    }
}
