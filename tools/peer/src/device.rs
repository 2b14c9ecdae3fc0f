// SPDX-License-Identifier: GPL-2.0-or-later

//! A device that exists only in software, for vhci to attach to.
//!
//! It has what its [`Model`] says: descriptors, and endpoints that answer at once or hold requests
//! back. Whoever drives it may answer any request in another way and leave it the rest.

use std::{
    collections::HashMap,
    io, //
};

use usbip_proto::{
    CmdSubmit,
    DevId,
    Direction,
    Seqnum,
    Speed,
    Status,
    TransferKind, //
};

use crate::{
    server::push_cycled,
    transfer::length_signed,
    Incoming,
    Server, //
};

/// Bytes of the pattern that is sent over and over.
const PATTERN: usize = 64 * 1024;

/// What an endpoint does with requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// Answers at once: data are sent as long as the host reads, and thrown away when it writes.
    Ready,
    /// Never answers; requests end only by being unlinked.
    Hold,
    /// Stalls.
    Stall,
}

/// An endpoint other than 0.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Number and direction, as in the descriptor.
    pub address: u8,
    /// Its kind.
    pub kind: TransferKind,
    /// The size of its packets.
    pub max_packet: u16,
    /// The interval, as in the descriptor.
    pub interval: u8,
    /// What it does.
    pub behaviour: Behaviour,
}

impl Endpoint {
    /// An endpoint that answers at once.
    pub fn new(address: u8, kind: TransferKind, max_packet: u16, interval: u8) -> Self {
        Self {
            address,
            kind,
            max_packet,
            interval,
            behaviour: Behaviour::Ready,
        }
    }

    /// The same endpoint with another behaviour.
    #[must_use]
    pub fn that(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    fn is(&self, submit: &CmdSubmit) -> bool {
        let direction = match submit.direction {
            Direction::In => 0x80,
            Direction::Out => 0,
        };
        u32::from(self.address) == submit.endpoint | direction
    }
}

/// What a device is like. It has one configuration.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its speed.
    pub speed: Speed,
    /// The vendor.
    pub vendor: u16,
    /// The product.
    pub product: u16,
    /// Class, subclass and protocol of its interface.
    pub class: [u8; 3],
    /// Its endpoints: those of each alternate setting of the interface.
    pub settings: Vec<Vec<Endpoint>>,
}

impl Model {
    /// A device of no class, with bulk, interrupt and isochronous endpoints in both directions:
    ///
    /// | endpoint | kind | behaviour |
    /// |---|---|---|
    /// | 1 | bulk | answers at once |
    /// | 2 | interrupt | answers at once |
    /// | 3 | isochronous | answers at once |
    /// | 4 | bulk | holds requests back |
    pub fn everything(speed: Speed) -> Self {
        let (bulk, other, interval) = match speed {
            Speed::Low => (8, 8, 10),
            Speed::Full => (64, 64, 1),
            Speed::High | Speed::Wireless => (512, 1024, 1),
            Speed::Super | Speed::SuperPlus => (1024, 1024, 1),
        };
        let endpoint = |address, kind, size| Endpoint::new(address, kind, size, interval);
        Self {
            speed,
            vendor: 0x1209,
            product: 0x0001,
            class: [0xff, 0, 0],
            settings: vec![vec![
                endpoint(0x81, TransferKind::Bulk, bulk),
                endpoint(0x01, TransferKind::Bulk, bulk),
                endpoint(0x82, TransferKind::Interrupt, other),
                endpoint(0x02, TransferKind::Interrupt, other),
                endpoint(0x83, TransferKind::Isochronous, other),
                endpoint(0x03, TransferKind::Isochronous, other),
                endpoint(0x84, TransferKind::Bulk, bulk).that(Behaviour::Hold),
                endpoint(0x04, TransferKind::Bulk, bulk).that(Behaviour::Hold),
            ]],
        }
    }

    fn is_super(&self) -> bool {
        self.speed.is_super()
    }

    fn device_descriptor(&self) -> Vec<u8> {
        let (release, size): (u16, u8) = match self.speed {
            Speed::Low => (0x0110, 8),
            Speed::Full => (0x0200, 64),
            Speed::High | Speed::Wireless => (0x0200, 64),
            Speed::Super => (0x0300, 9),
            Speed::SuperPlus => (0x0310, 9),
        };
        let mut bytes = vec![18, 1];
        bytes.extend(release.to_le_bytes());
        bytes.extend([0, 0, 0, size]);
        bytes.extend(self.vendor.to_le_bytes());
        bytes.extend(self.product.to_le_bytes());
        bytes.extend([0x00, 0x01, 0, 0, 0, 1]);
        bytes
    }

    fn configuration_descriptor(&self) -> Vec<u8> {
        let mut bytes = vec![9, 2, 0, 0, 1, 1, 0, 0x80, 50];
        let [class, subclass, protocol] = self.class;
        for (setting, endpoints) in (0_u8..).zip(&self.settings) {
            let count = u8::try_from(endpoints.len()).unwrap_or(u8::MAX);
            bytes.extend([9, 4, 0, setting, count, class, subclass, protocol, 0]);
            for endpoint in endpoints {
                let attributes = match endpoint.kind {
                    TransferKind::Control => 0,
                    TransferKind::Isochronous => 1,
                    TransferKind::Bulk => 2,
                    TransferKind::Interrupt => 3,
                };
                let [low, high] = endpoint.max_packet.to_le_bytes();
                bytes.extend([
                    7,
                    5,
                    endpoint.address,
                    attributes,
                    low,
                    high,
                    endpoint.interval,
                ]);
                if self.is_super() {
                    let per_interval = match endpoint.kind {
                        TransferKind::Isochronous | TransferKind::Interrupt => [low, high],
                        _ => [0, 0],
                    };
                    bytes.extend([6, 0x30, 0, 0]);
                    bytes.extend(per_interval);
                }
            }
        }
        let [low, high] = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes();
        for (byte, value) in bytes.iter_mut().skip(2).zip([low, high]) {
            *byte = value;
        }
        bytes
    }

    fn bos_descriptor(&self) -> Vec<u8> {
        // One capability: SuperSpeed, with all speeds.
        vec![5, 15, 15, 0, 1, 10, 16, 3, 0, 0x0e, 0, 1, 0x0a, 0xff, 0x07]
    }

    /// The descriptor that a standard request names; nothing if there is none.
    pub fn descriptor(&self, kind: u8) -> Option<Vec<u8>> {
        match kind {
            1 => Some(self.device_descriptor()),
            2 => Some(self.configuration_descriptor()),
            15 if self.is_super() => Some(self.bos_descriptor()),
            _ => None,
        }
    }
}

/// A device that exists only in software.
#[derive(Debug)]
pub struct Device {
    model: Model,
    setting: usize,
    configured: bool,
    pattern: Vec<u8>,
    /// What was held back, by its number.
    held: HashMap<u32, CmdSubmit>,
}

impl Device {
    /// Makes a device.
    pub fn new(model: Model) -> Self {
        Self {
            model,
            setting: 0,
            configured: false,
            pattern: (0..=u8::MAX).cycle().take(PATTERN).collect(),
            held: HashMap::with_capacity(64),
        }
    }

    /// What it is like.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The number that is given to vhci; any does.
    pub fn devid(&self) -> DevId {
        DevId::new(1, 2)
    }

    /// Whether the host has chosen the configuration.
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    /// The requests that are held back, by their numbers.
    pub fn held(&self) -> &HashMap<u32, CmdSubmit> {
        &self.held
    }

    /// The request of that number is no longer held back.
    pub fn release(&mut self, seqnum: Seqnum) -> Option<CmdSubmit> {
        self.held.remove(&seqnum.get())
    }

    /// Answers requests until the other end closes the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn serve(&mut self, server: &mut Server) -> io::Result<()> {
        while let Some(request) = server.request()? {
            self.answer(server, &request)?;
        }
        Ok(())
    }

    /// Answers requests until the host has chosen the configuration.
    ///
    /// # Errors
    ///
    /// Those of the stream; `UnexpectedEof` if it ends before.
    pub fn enumerate(&mut self, server: &mut Server) -> io::Result<()> {
        while !self.configured {
            let request = server.request()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.answer(server, &request)?;
        }
        server.link().flush()
    }

    /// Answers a request, the one that `server` received last.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn answer(&mut self, server: &mut Server, request: &Incoming) -> io::Result<()> {
        match request {
            Incoming::Unlink(unlink) => {
                let status = match self.held.remove(&unlink.target.get()) {
                    Some(_) => Status::CONNRESET,
                    None => Status::OK,
                };
                server.reply_unlink(unlink, status)
            }
            Incoming::Submit(submit) if submit.endpoint == 0 => self.control(server, submit),
            Incoming::Submit(submit) => self.transfer(server, submit),
        }
    }

    fn transfer(&mut self, server: &mut Server, submit: &CmdSubmit) -> io::Result<()> {
        let endpoint = self
            .model
            .settings
            .get(self.setting)
            .and_then(|all| all.iter().find(|endpoint| endpoint.is(submit)));
        match endpoint.map(|endpoint| (endpoint.behaviour, endpoint.kind)) {
            None | Some((Behaviour::Stall, _)) => server.reply_status(submit, Status::PIPE, 0),
            Some((Behaviour::Hold, _)) => {
                self.held.insert(submit.seqnum.get(), *submit);
                Ok(())
            }
            Some((Behaviour::Ready, TransferKind::Isochronous)) => {
                server.reply_iso(submit, &self.pattern, |packet| packet.length)
            }
            Some((Behaviour::Ready, _)) => {
                server.reply_status(submit, Status::OK, submit.length)?;
                if submit.direction.is_in() {
                    let length = u32::try_from(submit.length).unwrap_or(0);
                    push_cycled(server.link(), &self.pattern, length)?;
                }
                Ok(())
            }
        }
    }

    fn control(&mut self, server: &mut Server, submit: &CmdSubmit) -> io::Result<()> {
        let [request_type, request, value0, value1, _, _, length0, length1] = submit.setup;
        let length = usize::from(u16::from_le_bytes([length0, length1]));
        let answer = match (request_type, request) {
            // GET_DESCRIPTOR
            (0x80, 6) => self.model.descriptor(value1),
            // GET_STATUS of device, interface, endpoint
            (0x80..=0x82, 0) => Some(vec![0, 0]),
            // GET_CONFIGURATION, GET_INTERFACE
            (0x80, 8) => Some(vec![u8::from(self.configured)]),
            (0x81, 10) => Some(vec![u8::try_from(self.setting).unwrap_or(0)]),
            // SET_CONFIGURATION
            (0x00, 9) => {
                self.configured = value0 != 0;
                self.setting = 0;
                Some(Vec::new())
            }
            // SET_INTERFACE
            (0x01, 11) if usize::from(value0) < self.model.settings.len() => {
                self.setting = value0.into();
                Some(Vec::new())
            }
            // CLEAR_FEATURE, SET_FEATURE, SET_SEL, SET_ISOCH_DELAY
            (0x00..=0x02, 1 | 3 | 48 | 49) => Some(Vec::new()),
            // Vendor requests: any number of zeroes is read, anything is written.
            (0xc0..=0xc3, _) => Some(vec![0; length]),
            (0x40..=0x43, _) => Some(Vec::new()),
            _ => None,
        };
        match answer {
            None => server.reply_status(submit, Status::PIPE, 0),
            Some(data) if submit.direction.is_in() => {
                let data = data.get(..length).unwrap_or(&data);
                server.reply_status(submit, Status::OK, length_signed(data.len()))?;
                server.link().push(data)
            }
            Some(_) => server.reply_status(submit, Status::OK, submit.length),
        }
    }
}
