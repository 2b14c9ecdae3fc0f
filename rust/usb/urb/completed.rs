// SPDX-License-Identifier: GPL-2.0

//! URBs that the controller has given back.

use core::{
    mem,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*, //
};

use usbip_kernel::iovec::WriteVec;
use usbip_proto::{
    Status,
    TransferKind, //
};

use super::{
    unless_asleep,
    Complete,
    Completed,
    Urb, //
};
use crate::buffer::Buffer;

/// Called by the USB core when the controller is done with an URB.
///
/// # Safety
///
/// `raw` is an URB that `Urb::<Idle, C>::submit` submitted, and is given back.
pub(super) unsafe extern "C" fn callback<C: Complete>(raw: *mut bindings::urb) {
    let Some(raw) = NonNull::new(raw) else { return };
    // SAFETY: The device that an URB was submitted to is valid until the driver has it back. Nobody else looks at the URB.
    unsafe {
        let urb = raw.as_ptr();
        (*urb).status = unless_asleep((*urb).dev, (*urb).status);
    }
    // SAFETY: `submit` gave up ownership to the controller, which returns it now. The USB core
    // does not look at the URB after this but for its counters, and holds a reference for that.
    // What counts as received has been written by the controller.
    C::complete(unsafe { Urb::from_raw(raw) });
}

impl<C: Complete> Urb<Completed, C> {
    /// How the transfer ended.
    pub fn status(&self) -> Status {
        Status::from_raw(self.urb().status)
    }

    /// Bytes that were transferred: of an isochronous transfer, in all of its packets.
    pub fn actual_length(&self) -> usize {
        if self.endpoint().kind() == TransferKind::Isochronous {
            // CAST: 32 bits fit.
            return self.packets().fold(0_usize, |sum, packet| {
                sum.saturating_add(packet.actual_length as usize)
            });
        }
        // CAST: 32 bits fit.
        (self.urb().actual_length as usize).min(self.length())
    }

    /// The memory of its data, which the URB has none of from here on.
    pub(crate) fn take_buffer(&mut self) -> Buffer {
        mem::replace(&mut self.extra_mut().buffer, Buffer::Empty)
    }

    /// Notes where a packet was to be, in an URB that was never submitted: nothing is there.
    pub fn describe_packet(&mut self, index: u16, offset: u32, length: u32) {
        if index >= self.packet_count() {
            return;
        }
        // SAFETY: There is such a packet by the type invariant.
        let packet = unsafe { &mut *self.raw_packets().add(index.into()) };
        packet.offset = offset;
        packet.length = length;
        packet.actual_length = 0;
    }

    /// The frame in which an isochronous transfer began.
    pub fn start_frame(&self) -> i32 {
        self.urb().start_frame
    }

    /// The number of packets that failed.
    pub fn error_count(&self) -> i32 {
        self.urb().error_count
    }

    /// Puts the received data into `frame`, without what lies between packets.
    ///
    /// # Safety
    ///
    /// The URB stays as it is for 'a.
    pub(super) unsafe fn put_data<'a>(&self, frame: &mut WriteVec<'a>) -> Result {
        if !self.is_in() {
            return Ok(());
        }
        let buffer = &self.extra().buffer;
        let mut put = |piece: NonNull<[u8]>| {
            // SAFETY: The caller keeps the URB for 'a. The piece is within its data, and has been
            // written by the controller, by the type invariant.
            frame.push(unsafe { piece.as_ref() })
        };
        if self.endpoint().kind() != TransferKind::Isochronous {
            return buffer.pieces(0, self.actual_length(), put);
        }
        for packet in self.packets() {
            // CAST: 32 bits fit.
            let (offset, length) = (packet.offset as usize, packet.actual_length as usize);
            buffer.pieces(offset, length, &mut put)?;
        }
        Ok(())
    }
}
