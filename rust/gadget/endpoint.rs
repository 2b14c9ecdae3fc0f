// SPDX-License-Identifier: GPL-2.0

//! The endpoints of a controller: one for control, and fifteen for each direction that serve any kind.
//!
//! It must never know what an endpoint does, only what it is called and how a gadget driver set it up.

use kernel::{
    bindings::usb_endpoint_descriptor,
    prelude::*, //
};

use usbip_proto::{
    Direction,
    TransferKind, //
};

/// How many endpoints a controller has: one for control, fifteen for each direction.
pub const ENDPOINTS: usize = 31;

/// The name of the endpoint with that index, as gadget drivers see it.
pub(crate) const NAMES: [&CStr; ENDPOINTS] = [
    c"ep0", c"ep1out", c"ep1in", c"ep2out", c"ep2in", c"ep3out", c"ep3in", c"ep4out", c"ep4in",
    c"ep5out", c"ep5in", c"ep6out", c"ep6in", c"ep7out", c"ep7in", c"ep8out", c"ep8in", c"ep9out",
    c"ep9in", c"ep10out", c"ep10in", c"ep11out", c"ep11in", c"ep12out", c"ep12in", c"ep13out",
    c"ep13in", c"ep14out", c"ep14in", c"ep15out", c"ep15in",
];

/// One of a controller's endpoints. Which address it has is up to the gadget driver.
///
/// # Invariants
///
/// The index is below [`ENDPOINTS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint(u8);

impl Endpoint {
    /// The endpoint for control, which is always there.
    pub const CONTROL: Self = Self(0);

    /// The endpoint with that index; `None` if there is none.
    pub fn new(index: usize) -> Option<Self> {
        let index = u8::try_from(index).ok()?;
        // INVARIANT: Just checked.
        (usize::from(index) < ENDPOINTS).then_some(Self(index))
    }

    /// All endpoints in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ENDPOINTS).filter_map(Self::new)
    }

    /// The index, below [`ENDPOINTS`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Whether this is the one for control.
    pub fn is_control(self) -> bool {
        self.0 == 0
    }

    /// Whether the device can send on it.
    pub(crate) fn is_in(self) -> bool {
        self.is_control() || self.0 % 2 == 0
    }

    /// Whether the device can receive on it.
    pub(crate) fn is_out(self) -> bool {
        self.is_control() || self.0 % 2 == 1
    }
}

/// How a gadget driver set an endpoint up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointConfig {
    /// The address by which the host knows it.
    pub address: u8,
    /// The kind of its transfers.
    pub kind: TransferKind,
    /// The bytes of a full packet; not 0.
    pub max_packet: u16,
    /// `bInterval` of its descriptor.
    pub interval: u8,
}

impl EndpointConfig {
    /// The bit of an address that says that the device sends (USB 2.0 table 9-13).
    const IN: u8 = 0x80;

    /// What of a descriptor counts. `None` if it is none of an endpoint, or for control, or of packets without
    /// data.
    ///
    /// # Safety
    ///
    /// `descriptor` must be valid for reads.
    pub(crate) unsafe fn read(descriptor: *const usb_endpoint_descriptor) -> Option<Self> {
        // SAFETY: By this function's requirements. The structure is packed: fields are copied.
        let (descriptor_type, address, attributes, max_packet, interval) = unsafe {
            (
                (*descriptor).bDescriptorType,
                (*descriptor).bEndpointAddress,
                (*descriptor).bmAttributes,
                (*descriptor).wMaxPacketSize,
                (*descriptor).bInterval,
            )
        };
        // The upper bits are the number of packets in a microframe.
        let max_packet = u16::from_le(max_packet) & 0x07ff;
        let kind = TransferKind::from_attributes(attributes);
        let usable = u32::from(descriptor_type) == kernel::bindings::USB_DT_ENDPOINT
            && kind != TransferKind::Control
            && max_packet != 0;
        usable.then_some(Self {
            address,
            kind,
            max_packet,
            interval,
        })
    }

    /// Which way data go.
    pub fn direction(&self) -> Direction {
        if self.address & Self::IN != 0 {
            Direction::In
        } else {
            Direction::Out
        }
    }
}
