// SPDX-License-Identifier: GPL-2.0-or-later

//! Requests, and how to make them.

use usbip_proto::{
    CmdSubmit,
    DevId,
    Direction,
    IsoPacket,
    Seqnum,
    Status,
    TransferFlags, //
};

/// A request with what follows its header. Number and device are filled in when it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// The header.
    pub command: CmdSubmit,
    /// The data of a transfer to the device.
    pub data: &'a [u8],
    /// The packets of an isochronous transfer.
    pub packets: &'a [IsoPacket],
}

impl<'a> Transfer<'a> {
    fn new(direction: Direction, endpoint: u32, length: u32) -> Self {
        Self {
            command: CmdSubmit {
                seqnum: Seqnum::FIRST,
                devid: DevId::default(),
                direction,
                endpoint,
                flags: TransferFlags::NONE,
                length: i32::try_from(length).unwrap_or(i32::MAX),
                start_frame: 0,
                packets: 0,
                interval: 0,
                setup: [0; 8],
            },
            data: &[],
            packets: &[],
        }
    }

    /// Reads from a bulk endpoint.
    pub fn bulk_in(endpoint: u32, length: u32) -> Self {
        Self::new(Direction::In, endpoint, length)
    }

    /// Writes to a bulk endpoint.
    pub fn bulk_out(endpoint: u32, data: &'a [u8]) -> Self {
        Self {
            data,
            ..Self::new(Direction::Out, endpoint, length(data.len()))
        }
    }

    /// Reads from an interrupt endpoint.
    pub fn interrupt_in(endpoint: u32, length: u32, interval: i32) -> Self {
        let mut transfer = Self::new(Direction::In, endpoint, length);
        transfer.command.interval = interval;
        transfer
    }

    /// Writes to an interrupt endpoint.
    pub fn interrupt_out(endpoint: u32, data: &'a [u8], interval: i32) -> Self {
        let mut transfer = Self::bulk_out(endpoint, data);
        transfer.command.interval = interval;
        transfer
    }

    /// A control transfer from the device; its length is that of the setup packet.
    pub fn control_in(setup: [u8; 8]) -> Self {
        let [.., low, high] = setup;
        let mut transfer = Self::new(Direction::In, 0, u16::from_le_bytes([low, high]).into());
        transfer.command.setup = setup;
        transfer
    }

    /// A control transfer to the device.
    pub fn control_out(setup: [u8; 8], data: &'a [u8]) -> Self {
        let mut transfer = Self::bulk_out(0, data);
        transfer.command.setup = setup;
        transfer
    }

    /// Reads isochronous packets into a buffer of `length` bytes.
    pub fn iso_in(endpoint: u32, length: u32, packets: &'a [IsoPacket], interval: i32) -> Self {
        let mut transfer = Self::interrupt_in(endpoint, length, interval);
        transfer.command.packets = length_signed(packets.len());
        transfer.command.flags = TransferFlags::ISO_ASAP;
        transfer.packets = packets;
        transfer
    }

    /// Writes isochronous packets that lie in `data`.
    pub fn iso_out(endpoint: u32, data: &'a [u8], packets: &'a [IsoPacket], interval: i32) -> Self {
        let mut transfer = Self::interrupt_out(endpoint, data, interval);
        transfer.command.packets = length_signed(packets.len());
        transfer.command.flags = TransferFlags::ISO_ASAP;
        transfer.packets = packets;
        transfer
    }

    /// The same transfer with other flags.
    #[must_use]
    pub fn with_flags(mut self, flags: TransferFlags) -> Self {
        self.command.flags = flags;
        self
    }
}

/// Makes a setup packet.
pub fn setup(request_type: u8, request: u8, value: u16, index: u16, length: u16) -> [u8; 8] {
    let [v0, v1] = value.to_le_bytes();
    let [i0, i1] = index.to_le_bytes();
    let [l0, l1] = length.to_le_bytes();
    [request_type, request, v0, v1, i0, i1, l0, l1]
}

/// Makes packets of `length` bytes whose starts are `stride` bytes apart.
pub fn spaced(count: u16, length: u32, stride: u32) -> Vec<IsoPacket> {
    (0..u32::from(count))
        .map(|index| IsoPacket {
            offset: index * stride,
            length,
            actual_length: 0,
            status: Status::OK,
        })
        .collect()
}

pub(crate) fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(crate) fn length_signed(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
