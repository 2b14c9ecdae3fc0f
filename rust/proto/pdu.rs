// SPDX-License-Identifier: GPL-2.0

//! The four PDUs of a running connection: submit and unlink, and the answers to them.
//!
//! Decoding rejects only what has no meaning at all. Lengths and counts are passed on as they
//! stand, signed: whoever acts on them asks `usbip_logic::plan` first.

use core::fmt;

use crate::{
    header::{
        Header,
        SubmitBody,
        SubmittedBody,
        UnlinkBody,
        UnlinkedBody,
        HEADER_LEN, //
    },
    DevId,
    Direction,
    Seqnum,
    Status,
    TransferFlags, //
};

/// Asks the exporting host to run a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "USBIP_CMD_SUBMIT")]
pub struct CmdSubmit {
    /// The number of the request, chosen by the importing host.
    pub seqnum: Seqnum,
    /// The device.
    pub devid: DevId,
    /// The direction of the transfer.
    pub direction: Direction,
    /// The number of the endpoint, unchecked: see [`EndpointNumber::new`].
    ///
    /// [`EndpointNumber::new`]: crate::EndpointNumber::new
    pub endpoint: u32,
    /// The flags, unchecked: see [`TransferFlags::receive_mask`].
    pub flags: TransferFlags,
    /// The length of the buffer.
    #[doc(alias = "transfer_buffer_length")]
    pub length: i32,
    /// The frame to start in, for isochronous transfers.
    pub start_frame: i32,
    /// The number of packets of an isochronous transfer. Of no meaning for other kinds, for which
    /// some peers send 0 and some -1.
    #[doc(alias = "number_of_packets")]
    pub packets: i32,
    /// The polling interval, in frames or microframes.
    pub interval: i32,
    /// The setup packet of a control transfer, in USB's byte order.
    pub setup: [u8; 8],
}

/// Asks the exporting host to give up a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "USBIP_CMD_UNLINK")]
pub struct CmdUnlink {
    /// The number of this request.
    pub seqnum: Seqnum,
    /// The device.
    pub devid: DevId,
    /// The number of the request to give up.
    pub target: Seqnum,
}

/// Says how a transfer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "USBIP_RET_SUBMIT")]
pub struct RetSubmit {
    /// The number of the request that this answers.
    pub seqnum: Seqnum,
    /// The result, as it stands on the wire: see [`Status::normalise`].
    pub status: Status,
    /// The bytes that were moved.
    pub actual_length: i32,
    /// The frame in which an isochronous transfer started.
    pub start_frame: i32,
    /// The number of packets of an isochronous transfer, else what the request said.
    #[doc(alias = "number_of_packets")]
    pub packets: i32,
    /// The number of packets of an isochronous transfer that failed.
    pub error_count: i32,
}

/// Says how the giving up of a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "USBIP_RET_UNLINK")]
pub struct RetUnlink {
    /// The number of the unlink that this answers.
    pub seqnum: Seqnum,
    /// 0 if there was nothing to give up, else how the transfer ended. As it stands on the wire:
    /// see [`Status::normalise`].
    pub status: Status,
}

/// What an importing host sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// A transfer.
    Submit(CmdSubmit),
    /// The giving up of a transfer.
    Unlink(CmdUnlink),
}

/// What an exporting host sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The end of a transfer.
    Submit(RetSubmit),
    /// The end of giving up a transfer.
    Unlink(RetUnlink),
}

/// Why a header has no meaning. The stream cannot be followed after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The command is none that this side takes.
    UnknownCommand(u32),
    /// The direction of a submission is neither in nor out.
    BadDirection(u32),
}

impl DecodeError {
    /// Returns the reason as a text without the value.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UnknownCommand(_) => "unknown command",
            Self::BadDirection(_) => "bad direction",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::UnknownCommand(value) | Self::BadDirection(value)) = self;
        write!(f, "{} {value:#x}", self.reason())
    }
}

impl core::error::Error for DecodeError {}

impl CmdSubmit {
    /// The value of the command field.
    pub const COMMAND: u32 = 1;

    #[inline]
    fn from_header(header: &Header) -> Result<Self, DecodeError> {
        let direction = header.direction.get();
        let body = header.submit();
        Ok(Self {
            seqnum: Seqnum::new(header.seqnum.get()),
            devid: DevId::from_wire(header.devid.get()),
            direction: Direction::from_wire(direction)
                .ok_or(DecodeError::BadDirection(direction))?,
            endpoint: header.endpoint.get(),
            flags: TransferFlags::from_wire(body.flags.get()),
            length: body.length.get(),
            start_frame: body.start_frame.get(),
            packets: body.packets.get(),
            interval: body.interval.get(),
            setup: body.setup,
        })
    }

    /// Returns the header as it goes over the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        Header {
            command: Self::COMMAND.into(),
            seqnum: self.seqnum.get().into(),
            devid: self.devid.get().into(),
            direction: self.direction.to_wire().into(),
            endpoint: self.endpoint.into(),
            body: SubmitBody {
                flags: self.flags.get().into(),
                length: self.length.into(),
                start_frame: self.start_frame.into(),
                packets: self.packets.into(),
                interval: self.interval.into(),
                setup: self.setup,
            }
            .to_bytes(),
        }
        .to_bytes()
    }
}

impl CmdUnlink {
    /// The value of the command field.
    pub const COMMAND: u32 = 2;

    #[inline]
    fn from_header(header: &Header) -> Self {
        Self {
            seqnum: Seqnum::new(header.seqnum.get()),
            devid: DevId::from_wire(header.devid.get()),
            target: Seqnum::new(header.unlink().target.get()),
        }
    }

    /// Returns the header as it goes over the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        Header {
            command: Self::COMMAND.into(),
            seqnum: self.seqnum.get().into(),
            devid: self.devid.get().into(),
            direction: 0.into(),
            endpoint: 0.into(),
            body: UnlinkBody {
                target: self.target.get().into(),
                padding: [0; 24],
            }
            .to_bytes(),
        }
        .to_bytes()
    }
}

impl RetSubmit {
    /// The value of the command field.
    pub const COMMAND: u32 = 3;

    #[inline]
    fn from_header(header: &Header) -> Self {
        let body = header.submitted();
        Self {
            seqnum: Seqnum::new(header.seqnum.get()),
            status: Status::from_raw(body.status.get()),
            actual_length: body.actual_length.get(),
            start_frame: body.start_frame.get(),
            packets: body.packets.get(),
            error_count: body.error_count.get(),
        }
    }

    /// Returns the header as it goes over the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        reply(
            Self::COMMAND,
            self.seqnum,
            SubmittedBody {
                status: self.status.get().into(),
                actual_length: self.actual_length.into(),
                start_frame: self.start_frame.into(),
                packets: self.packets.into(),
                error_count: self.error_count.into(),
                padding: [0; 8],
            }
            .to_bytes(),
        )
    }
}

impl RetUnlink {
    /// The value of the command field.
    pub const COMMAND: u32 = 4;

    #[inline]
    fn from_header(header: &Header) -> Self {
        Self {
            seqnum: Seqnum::new(header.seqnum.get()),
            status: Status::from_raw(header.unlinked().status.get()),
        }
    }

    /// Returns the header as it goes over the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        reply(
            Self::COMMAND,
            self.seqnum,
            UnlinkedBody {
                status: self.status.get().into(),
                padding: [0; 24],
            }
            .to_bytes(),
        )
    }
}

/// Makes the header of an answer, which leaves device, direction and endpoint zero.
fn reply(command: u32, seqnum: Seqnum, body: [u8; 28]) -> [u8; HEADER_LEN] {
    Header {
        command: command.into(),
        seqnum: seqnum.get().into(),
        devid: 0.into(),
        direction: 0.into(),
        endpoint: 0.into(),
        body,
    }
    .to_bytes()
}

impl Request {
    /// Reads a header that came from an importing host.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the command is no request, or the direction of a submission unknown.
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, DecodeError> {
        let header = Header::from_bytes(bytes);
        match header.command.get() {
            CmdSubmit::COMMAND => CmdSubmit::from_header(&header).map(Self::Submit),
            CmdUnlink::COMMAND => Ok(Self::Unlink(CmdUnlink::from_header(&header))),
            other => Err(DecodeError::UnknownCommand(other)),
        }
    }

    /// Returns the header as it goes over the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        match self {
            Self::Submit(submit) => submit.encode(),
            Self::Unlink(unlink) => unlink.encode(),
        }
    }

    /// Returns the number of the request.
    pub const fn seqnum(&self) -> Seqnum {
        match self {
            Self::Submit(submit) => submit.seqnum,
            Self::Unlink(unlink) => unlink.seqnum,
        }
    }

    /// Returns the device that the request is for.
    pub const fn devid(&self) -> DevId {
        match self {
            Self::Submit(submit) => submit.devid,
            Self::Unlink(unlink) => unlink.devid,
        }
    }
}

impl Reply {
    /// Reads a header that came from an exporting host.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the command is no answer.
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, DecodeError> {
        let header = Header::from_bytes(bytes);
        match header.command.get() {
            RetSubmit::COMMAND => Ok(Self::Submit(RetSubmit::from_header(&header))),
            RetUnlink::COMMAND => Ok(Self::Unlink(RetUnlink::from_header(&header))),
            other => Err(DecodeError::UnknownCommand(other)),
        }
    }

    /// Returns the header as it goes over the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        match self {
            Self::Submit(submit) => submit.encode(),
            Self::Unlink(unlink) => unlink.encode(),
        }
    }

    /// Returns the number of the request that this answers.
    pub const fn seqnum(&self) -> Seqnum {
        match self {
            Self::Submit(submit) => submit.seqnum,
            Self::Unlink(unlink) => unlink.seqnum,
        }
    }
}
