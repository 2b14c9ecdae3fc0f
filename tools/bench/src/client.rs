// SPDX-License-Identifier: GPL-2.0-or-later

//! A client in user space that keeps a number of requests under way.

use std::io::{
    self,
    IoSlice, //
};

use usbip_proto::{
    CmdSubmit,
    DevId,
    Direction,
    Reply,
    RetSubmit,
    Seqnum,
    TransferFlags,
    HEADER_LEN, //
};

use crate::{
    cases::Result,
    link,
    stream::{
        Stream,
        DATA, //
    },
    usbfs::Transfer, //
};

/// One end of a connection to usbip-host.
pub(crate) struct Client {
    stream: Stream,
    device: DevId,
    seqnum: Seqnum,
}

impl Client {
    /// Has usbip-host export the device `busid` to it.
    pub(crate) fn connect(busid: &str) -> Result<Self> {
        let (ours, theirs) = link::connection()?;
        let device = link::device_id(busid)?;
        link::export(busid, &theirs)?;
        Ok(Self {
            stream: Stream::new(ours),
            device,
            seqnum: Seqnum::FIRST,
        })
    }

    /// Chooses a configuration: a device that was bound has none.
    pub(crate) fn configure(&mut self, number: u8) -> Result<()> {
        self.control([0, 9, number, 0, 0, 0, 0, 0])?;
        Ok(())
    }

    /// The descriptors of the device's first configuration.
    pub(crate) fn configuration(&mut self) -> Result<Vec<u8>> {
        self.control([0x80, 6, 0, 2, 0, 0, 0, 2])
    }

    /// Makes a control transfer; gives the data that came.
    pub(crate) fn control(&mut self, setup: [u8; 8]) -> Result<Vec<u8>> {
        let mut command = self.command(0, setup[0] & 0x80 != 0);
        command.setup = setup;
        command.length = u16::from_le_bytes([setup[6], setup[7]]).into();
        self.stream.send(&mut [IoSlice::new(&command.encode())])?;
        let reply = self.reply()?;
        if !reply.status.is_ok() {
            let status = reply.status.get();
            return Err(format!("control transfer {setup:02x?}: {status}").into());
        }
        let mut data = Vec::new();
        if command.direction == Direction::In {
            for _ in 0..reply.actual_length {
                data.push(self.stream.take::<1>()?[0]);
            }
        }
        Ok(data)
    }

    /// Lets `count` bulk transfers run, `depth` at a time.
    pub(crate) fn run(&mut self, transfer: Transfer, depth: usize, count: usize) -> Result<()> {
        let length = i32::try_from(transfer.length)?;
        let is_in = transfer.endpoint & 0x80 != 0;
        let mut unsent = count;
        let mut unanswered = 0;
        let mut headers = Vec::new();
        while unsent > 0 || unanswered > 0 {
            let now = unsent.min(depth - unanswered);
            headers.clear();
            for _ in 0..now {
                let mut command = self.command(transfer.endpoint & 0xf, is_in);
                command.length = length;
                headers.extend_from_slice(&command.encode());
            }
            self.send(&headers, if is_in { 0 } else { transfer.length })?;
            unsent -= now;
            unanswered += now;
            // All answers that have come are taken before the next requests go out.
            loop {
                let reply = self.reply()?;
                unanswered -= 1;
                if !reply.status.is_ok() || reply.actual_length != length {
                    let (status, actual) = (reply.status.get(), reply.actual_length);
                    let text = format!("transfer: status {status}, {actual} of {length} bytes");
                    return Err(text.into());
                }
                if is_in {
                    self.stream.skip(transfer.length)?;
                }
                if unanswered == 0 || self.stream.available() < HEADER_LEN {
                    break;
                }
            }
        }
        Ok(())
    }

    fn command(&mut self, endpoint: u8, is_in: bool) -> CmdSubmit {
        let seqnum = self.seqnum;
        self.seqnum = seqnum.next();
        CmdSubmit {
            seqnum,
            devid: self.device,
            direction: if is_in { Direction::In } else { Direction::Out },
            endpoint: endpoint.into(),
            flags: TransferFlags::NONE,
            length: 0,
            start_frame: 0,
            packets: 0,
            interval: 0,
            setup: [0; 8],
        }
    }

    /// Sends headers, each with so many bytes of data.
    fn send(&mut self, headers: &[u8], data: usize) -> io::Result<()> {
        if data == 0 {
            return self.stream.send(&mut [IoSlice::new(headers)]);
        }
        let mut slices = Vec::new();
        for header in headers.chunks(HEADER_LEN) {
            slices.push(IoSlice::new(header));
            slices.push(IoSlice::new(&DATA[..data]));
        }
        self.stream.send(&mut slices)
    }

    fn reply(&mut self) -> Result<RetSubmit> {
        match Reply::decode(&self.stream.take::<HEADER_LEN>()?) {
            Ok(Reply::Submit(reply)) => Ok(reply),
            Ok(Reply::Unlink(_)) => Err("answer to an unlink that was not asked for".into()),
            Err(error) => Err(error.reason().into()),
        }
    }
}
