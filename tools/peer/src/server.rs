// SPDX-License-Identifier: GPL-2.0-or-later

//! The exporting end of a connection.

use std::io;

use usbip_proto::{
    CmdSubmit,
    CmdUnlink,
    IsoPacket,
    Request,
    RetSubmit,
    RetUnlink,
    Status,
    HEADER_LEN,
    ISO_DESC_LEN, //
};

use crate::{
    client::invalid,
    Link,
    Socket, //
};

/// What the other end asks for.
#[derive(Clone, Copy, Debug)]
pub enum Incoming {
    /// A transfer; what followed its header is in [`Server::data`] and [`Server::packets`].
    Submit(CmdSubmit),
    /// The giving up of a transfer.
    Unlink(CmdUnlink),
}

/// The exporting end of a connection.
#[derive(Debug)]
pub struct Server {
    link: Link,
    keep_data: bool,
    data: Vec<u8>,
    packets: Vec<IsoPacket>,
}

impl Server {
    /// Takes a connection on which a device has been exported.
    pub fn new(socket: Socket) -> Self {
        Self {
            link: Link::new(socket),
            keep_data: true,
            data: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// Whether data are kept for looking at them (at first they are), or skipped.
    pub fn keep_data(&mut self, keep: bool) {
        self.keep_data = keep;
    }

    /// The stream, for sending what is no answer.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// The data of the last request.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The packets of the last request.
    pub fn packets(&self) -> &[IsoPacket] {
        &self.packets
    }

    /// Waits for the next request; nothing if the other end has closed the stream.
    ///
    /// # Errors
    ///
    /// Those of `read` and `write`; `InvalidData` if the bytes are no request.
    pub fn request(&mut self) -> io::Result<Option<Incoming>> {
        let Some(header) = self.link.take::<HEADER_LEN>()? else {
            return Ok(None);
        };
        self.data.clear();
        self.packets.clear();
        match Request::decode(&header).map_err(invalid)? {
            Request::Unlink(unlink) => Ok(Some(Incoming::Unlink(unlink))),
            Request::Submit(submit) => {
                self.payload(&submit)?;
                Ok(Some(Incoming::Submit(submit)))
            }
        }
    }

    fn payload(&mut self, submit: &CmdSubmit) -> io::Result<()> {
        if !submit.direction.is_in() {
            let length = usize::try_from(submit.length).map_err(invalid)?;
            if self.keep_data {
                self.data.resize(length, 0);
                self.link.take_into(&mut self.data)?;
            } else {
                self.link.skip(length)?;
            }
        }
        // Only isochronous transfers have a number of packets above 0.
        for _ in 0..submit.packets.max(0) {
            let packet = self
                .link
                .take::<ISO_DESC_LEN>()?
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            self.packets.push(IsoPacket::decode(&packet));
        }
        Ok(())
    }

    /// Queues an answer to a transfer, with the data and packets that follow its header.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn reply(
        &mut self,
        reply: &RetSubmit,
        data: &[u8],
        packets: &[IsoPacket],
    ) -> io::Result<()> {
        self.link.push(&reply.encode())?;
        self.link.push(data)?;
        for packet in packets {
            self.link.push(&packet.encode())?;
        }
        Ok(())
    }

    /// Queues an answer without data to a transfer that is not isochronous.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn reply_status(
        &mut self,
        submit: &CmdSubmit,
        status: Status,
        actual_length: i32,
    ) -> io::Result<()> {
        let reply = RetSubmit {
            seqnum: submit.seqnum,
            status,
            actual_length,
            start_frame: 0,
            packets: submit.packets,
            error_count: 0,
        };
        self.link.push(&reply.encode())
    }

    /// Queues the answer to an unlink.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn reply_unlink(&mut self, unlink: &CmdUnlink, status: Status) -> io::Result<()> {
        let reply = RetUnlink {
            seqnum: unlink.seqnum,
            status,
        };
        self.link.push(&reply.encode())
    }

    /// Queues an answer to an isochronous transfer whose packets are those that came with it.
    pub(crate) fn reply_iso(
        &mut self,
        submit: &CmdSubmit,
        source: &[u8],
        per_packet: impl Fn(&IsoPacket) -> u32,
    ) -> io::Result<()> {
        let mut sum = 0_u32;
        for packet in &mut self.packets {
            packet.actual_length = per_packet(packet).min(packet.length);
            packet.status = Status::OK;
            sum = sum.saturating_add(packet.actual_length);
        }
        let reply = RetSubmit {
            seqnum: submit.seqnum,
            status: Status::OK,
            actual_length: i32::try_from(sum).unwrap_or(i32::MAX),
            start_frame: submit.start_frame,
            packets: submit.packets,
            error_count: 0,
        };
        self.link.push(&reply.encode())?;
        if submit.direction.is_in() {
            push_cycled(&mut self.link, source, sum)?;
        }
        for packet in &self.packets {
            self.link.push(&packet.encode())?;
        }
        Ok(())
    }
}

/// Queues `count` bytes of `source`, over and over.
pub(crate) fn push_cycled(link: &mut Link, source: &[u8], count: u32) -> io::Result<()> {
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    while left > 0 && !source.is_empty() {
        let part = source.get(..left).unwrap_or(source);
        link.push(part)?;
        left -= part.len();
    }
    Ok(())
}
