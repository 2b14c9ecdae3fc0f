// SPDX-License-Identifier: GPL-2.0-or-later

//! A device in user space that answers everything at once.
//!
//! It reads as much as there is, and answers all of it with one call.

use std::{
    io::{
        self,
        ErrorKind,
        IoSlice, //
    },
    net::{
        Shutdown,
        TcpStream, //
    },
    thread::{
        self,
        JoinHandle, //
    }, //
};

use usbip_proto::{
    CmdSubmit,
    Direction,
    IsoPacket,
    Request,
    RetSubmit,
    RetUnlink,
    Status,
    HEADER_LEN,
    ISO_DESC_LEN, //
};

use crate::{
    descriptors::{
        CONFIGURATION,
        DEVICE, //
    },
    stream::{
        Stream,
        DATA, //
    }, //
};

/// The most packets that a transfer may have.
const MAX_PACKETS: usize = 64;

/// The thread that plays a device.
pub(crate) struct Exporter {
    thread: Option<JoinHandle<()>>,
    socket: TcpStream,
}

impl Exporter {
    /// Starts a device behind `socket`.
    pub(crate) fn start(socket: TcpStream) -> io::Result<Self> {
        let stream = Stream::new(socket.try_clone()?);
        let thread = thread::spawn(move || {
            let Err(error) = Device::new(stream).run();
            let is_end = matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            );
            if !is_end {
                eprintln!("usbip-bench: exporter: {error}");
            }
        });
        Ok(Self {
            thread: Some(thread),
            socket,
        })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Fails if the other side has closed it already.
        let _closed = self.socket.shutdown(Shutdown::Both);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            eprintln!("usbip-bench: the exporter panicked");
        }
    }
}

/// A part of what is to be sent.
enum Part {
    /// So many of the small bytes.
    Small(usize),
    /// So many bytes of data.
    Data(usize),
}

struct Device {
    stream: Stream,
    /// Headers, descriptors and the data of control transfers.
    small: Vec<u8>,
    parts: Vec<Part>,
}

/// A thing that does not happen.
enum Never {}

impl Device {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            small: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Answers until the connection ends.
    fn run(&mut self) -> io::Result<Never> {
        loop {
            let header = self.take::<HEADER_LEN>()?;
            match Request::decode(&header).map_err(|error| invalid(error.reason()))? {
                Request::Submit(submit) => self.submit(&submit)?,
                Request::Unlink(unlink) => {
                    let answer = RetUnlink {
                        seqnum: unlink.seqnum,
                        status: Status::OK,
                    };
                    self.small(&answer.encode());
                }
            }
        }
    }

    fn submit(&mut self, submit: &CmdSubmit) -> io::Result<()> {
        let length = usize::try_from(submit.length).map_err(|_| invalid("length"))?;
        let packets = usize::try_from(submit.packets).unwrap_or(0);
        let is_in = submit.direction == Direction::In;
        if !is_in {
            if self.stream.available() < length {
                self.flush()?;
            }
            self.stream.skip(length)?;
        }
        let mut descriptors = [IsoPacket::default(); MAX_PACKETS];
        let descriptors = descriptors
            .get_mut(..packets)
            .ok_or_else(|| invalid("number of packets"))?;
        for descriptor in descriptors.iter_mut() {
            *descriptor = IsoPacket::decode(&self.take::<ISO_DESC_LEN>()?);
            descriptor.actual_length = descriptor.length;
            descriptor.status = Status::OK;
        }
        let answer = RetSubmit {
            seqnum: submit.seqnum,
            status: Status::OK,
            actual_length: submit.length,
            start_frame: 0,
            packets: submit.packets,
            error_count: 0,
        };
        if submit.endpoint == 0 {
            self.control(submit, answer);
            return Ok(());
        }
        self.small(&answer.encode());
        if is_in {
            self.parts.push(Part::Data(length.min(DATA.len())));
        }
        for descriptor in descriptors {
            self.small(&descriptor.encode());
        }
        Ok(())
    }

    /// Answers what usbcore asks a device, and stalls the rest.
    fn control(&mut self, submit: &CmdSubmit, mut answer: RetSubmit) {
        let [kind, request, _, what, _, _, length, more] = submit.setup;
        let wanted = usize::from(u16::from_le_bytes([length, more]));
        let data: &[u8] = match (kind, request, what) {
            (0x80, 6, 1) => &DEVICE,
            (0x80, 6, 2) => &CONFIGURATION,
            (0x80..=0x82, 0, _) => &[0, 0],
            // SET_CONFIGURATION, SET_INTERFACE, CLEAR_FEATURE and SET_FEATURE.
            (0, 9, _) | (1, 11, _) | (0..=2, 1 | 3, _) => &[],
            // A vendor's.
            (0xc0, ..) => DATA.get(..wanted).unwrap_or(&[]),
            _ => {
                answer.status = Status::PIPE;
                &[]
            }
        };
        let data = data.get(..wanted).unwrap_or(data);
        answer.actual_length = i32::try_from(data.len()).unwrap_or(0);
        self.small(&answer.encode());
        if submit.direction == Direction::In {
            self.small(data);
        }
    }

    /// Adds to what is to be sent.
    fn small(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
        match self.parts.last_mut() {
            Some(Part::Small(count)) => *count += bytes.len(),
            _ => self.parts.push(Part::Small(bytes.len())),
        }
    }

    /// The next bytes of the stream. Before waiting for them, all that is known is answered.
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        if self.stream.available() < N {
            self.flush()?;
        }
        self.stream.take()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut small = self.small.as_slice();
        let mut slices = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            match part {
                Part::Small(count) => {
                    let (now, later) = small.split_at(*count);
                    small = later;
                    slices.push(IoSlice::new(now));
                }
                Part::Data(count) => slices.push(IoSlice::new(&DATA[..*count])),
            }
        }
        self.stream.send(&mut slices)?;
        self.small.clear();
        self.parts.clear();
        Ok(())
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
