// SPDX-License-Identifier: GPL-2.0-or-later

//! The importing end of a connection.

use std::{
    collections::HashMap,
    io, //
};

use usbip_proto::{
    CmdUnlink,
    DevId,
    Direction,
    IsoPacket,
    Reply,
    RetSubmit,
    RetUnlink,
    Seqnum,
    HEADER_LEN,
    ISO_DESC_LEN, //
};

use crate::{
    Link,
    Socket,
    Transfer, //
};

/// What has to be known of a request to read its answer.
#[derive(Clone, Copy, Debug)]
struct Pending {
    direction: Direction,
    isochronous: bool,
}

/// What the other end sent.
#[derive(Clone, Copy, Debug)]
pub enum Received<'a> {
    /// The end of a transfer.
    Submit {
        /// The header.
        reply: RetSubmit,
        /// The data that came from the device; those of isochronous packets without gaps.
        data: &'a [u8],
        /// The packets of an isochronous transfer.
        packets: &'a [IsoPacket],
    },
    /// The end of giving up a transfer.
    Unlink(RetUnlink),
}

impl Received<'_> {
    /// The number of the request that this answers.
    pub fn seqnum(&self) -> Seqnum {
        match self {
            Self::Submit { reply, .. } => reply.seqnum,
            Self::Unlink(reply) => reply.seqnum,
        }
    }
}

/// The importing end of a connection.
#[derive(Debug)]
pub struct Client {
    link: Link,
    devid: DevId,
    next: Seqnum,
    pending: HashMap<u32, Pending>,
    keep_data: bool,
    data: Vec<u8>,
    packets: Vec<IsoPacket>,
}

impl Client {
    /// Takes a connection on which a device has been imported.
    pub fn new(socket: Socket, devid: DevId) -> Self {
        Self {
            link: Link::new(socket),
            devid,
            next: Seqnum::FIRST,
            pending: HashMap::with_capacity(256),
            keep_data: true,
            data: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// Whether data are kept for looking at them (at first they are), or skipped.
    pub fn keep_data(&mut self, keep: bool) {
        self.keep_data = keep;
    }

    /// The stream, for sending what is no request.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// The device that requests are for.
    pub fn devid(&self) -> DevId {
        self.devid
    }

    /// Sets the number of the next request.
    pub fn set_next(&mut self, next: Seqnum) {
        self.next = next;
    }

    /// Takes the number of the next request.
    pub fn number(&mut self) -> Seqnum {
        let number = self.next;
        self.next = number.next();
        number
    }

    /// How many transfers have no answer. Those that were given up stay counted: the answer to the
    /// unlink does not name them. [`Client::forget`] takes them out.
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// No answer to this transfer will come.
    pub fn forget(&mut self, seqnum: Seqnum) {
        self.pending.remove(&seqnum.get());
    }

    /// Queues a transfer.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn submit(&mut self, transfer: &Transfer<'_>) -> io::Result<Seqnum> {
        let mut command = transfer.command;
        command.seqnum = self.number();
        command.devid = self.devid;
        self.expect(command.seqnum, command.direction, command.packets > 0);
        self.link.push(&command.encode())?;
        self.link.push(transfer.data)?;
        for packet in transfer.packets {
            self.link.push(&packet.encode())?;
        }
        Ok(command.seqnum)
    }

    /// Lets an answer be read to a transfer that was sent as raw bytes.
    pub fn expect(&mut self, seqnum: Seqnum, direction: Direction, isochronous: bool) {
        self.pending.insert(
            seqnum.get(),
            Pending {
                direction,
                isochronous,
            },
        );
    }

    /// Queues the giving up of a transfer.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn unlink(&mut self, target: Seqnum) -> io::Result<Seqnum> {
        let seqnum = self.number();
        let command = CmdUnlink {
            seqnum,
            devid: self.devid,
            target,
        };
        self.link.push(&command.encode())?;
        Ok(seqnum)
    }

    /// Waits for the next answer; nothing if the other end has closed the stream.
    ///
    /// # Errors
    ///
    /// Those of `read` and `write`; `InvalidData` if the bytes are no answer to anything.
    pub fn receive(&mut self) -> io::Result<Option<Received<'_>>> {
        let Some(header) = self.link.take::<HEADER_LEN>()? else {
            return Ok(None);
        };
        match Reply::decode(&header).map_err(invalid)? {
            Reply::Unlink(reply) => Ok(Some(Received::Unlink(reply))),
            Reply::Submit(reply) => {
                self.payload(&reply)?;
                Ok(Some(Received::Submit {
                    reply,
                    data: &self.data,
                    packets: &self.packets,
                }))
            }
        }
    }

    fn payload(&mut self, reply: &RetSubmit) -> io::Result<()> {
        self.data.clear();
        self.packets.clear();
        let pending = self
            .pending
            .remove(&reply.seqnum.get())
            .ok_or_else(|| invalid(format!("answer to unknown request {}", reply.seqnum)))?;
        if pending.direction.is_in() {
            let length = usize::try_from(reply.actual_length).map_err(invalid)?;
            if self.keep_data {
                self.data.resize(length, 0);
                self.link.take_into(&mut self.data)?;
            } else {
                self.link.skip(length)?;
            }
        }
        if pending.isochronous {
            for _ in 0..reply.packets.max(0) {
                let packet = self
                    .link
                    .take::<ISO_DESC_LEN>()?
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
                self.packets.push(IsoPacket::decode(&packet));
            }
        }
        Ok(())
    }
}

pub(crate) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
