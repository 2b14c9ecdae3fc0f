// SPDX-License-Identifier: GPL-2.0-or-later

//! Sequences of requests.

use std::{
    io,
    net::Shutdown,
    time::Duration, //
};

use usbip_peer::{
    setup,
    Client,
    Received,
    Transfer, //
};
use usbip_proto::{
    IsoPacket,
    Seqnum,
    Status,
    TransferFlags,
    TransferKind, //
};

use super::Rng;
use crate::{
    host::{
        available,
        connect,
        innocent,
        is_on_xhci,
        patch,
        Devices, //
    },
    suite::{
        ensure,
        Result, //
    }, //
};

/// The most bytes of data of a request.
const LARGEST: u32 = 70_000;

/// Requests that wait for their answers, after which a connection is replaced by another one.
const MANY: usize = 300;

/// The most packets of an isochronous transfer to a device on QEMU's xHCI. Each is an event at the end, and where there
/// is no room for one of them that controller loses those behind it, too, among them the ends of commands: what waits
/// for these waits for ever.
const XHCI_PACKETS: u32 = 200;

/// How long to wait for the rest of an answer that may have been taken for another.
const CONFUSION: Duration = Duration::from_secs(5);

/// A device with its client.
struct Target {
    busid: String,
    /// The kind of endpoints that it has.
    kind: TransferKind,
    on_xhci: bool,
    client: Option<Client>,
    recent: Vec<Seqnum>,
}

/// The clients of all devices.
pub(super) struct Clients {
    targets: Vec<Target>,
    data: Vec<u8>,
}

/// What a sequence may lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The connection goes on.
    GoesOn,
    /// It may end.
    MayEnd,
    /// It ends, at the latest when the client closes it.
    Ends,
}

impl Clients {
    pub(super) fn new(devices: &Devices) -> Self {
        let target = |busid: &str, kind| Target {
            busid: busid.to_owned(),
            kind,
            on_xhci: is_on_xhci(busid).unwrap_or(false),
            client: None,
            recent: Vec::new(),
        };
        let mut targets = vec![target(devices.disk(), TransferKind::Bulk)];
        if let Ok(busid) = devices.keyboard() {
            targets.push(target(busid, TransferKind::Interrupt));
        }
        if let Ok(busid) = devices.audio() {
            targets.push(target(busid, TransferKind::Isochronous));
        }
        Self {
            targets,
            data: vec![0x5a; 1 << 17],
        }
    }

    /// Sends a sequence to one of the devices, and sees what comes of it.
    pub(super) fn sequence(&mut self, rng: &mut Rng) -> Result {
        let count = u32::try_from(self.targets.len())?;
        let index = usize::try_from(rng.below(count))?;
        let target = self.targets.get_mut(index).ok_or("no device")?;
        target
            .sequence(rng, &self.data)
            .map_err(|error| format!("{}: {error}", target.busid).into())
    }
}

impl Target {
    fn sequence(&mut self, rng: &mut Rng, data: &[u8]) -> Result {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => {
                available(&self.busid)?;
                self.recent.clear();
                let mut client = connect(&self.busid)?;
                if self.kind == TransferKind::Isochronous && !rng.one_in(8) {
                    crate::host::choose_audio(&mut client)?;
                }
                client
            }
        };
        let mut fate = Fate::GoesOn;
        for _ in 0..=rng.below(12) {
            let sent = self.pdu(&mut client, rng, data);
            match sent {
                Ok(Fate::GoesOn) => {}
                Ok(other) => {
                    fate = other;
                    break;
                }
                // The other end may close it before all is sent, but only for a reason.
                Err(error) => return Err(format!("sending: {error}").into()),
            }
        }
        if fate == Fate::MayEnd {
            client.link().socket().set_timeout(Some(CONFUSION))?;
        }
        let ended = see(&mut client, fate)?;
        // With a number used twice, answers that are still to come cannot be told apart.
        let confused = fate != Fate::GoesOn;
        if ended || confused || client.outstanding() > MANY || rng.one_in(400) {
            drop(client);
        } else {
            self.client = Some(client);
        }
        Ok(())
    }

    /// Sends one PDU.
    fn pdu(&mut self, client: &mut Client, rng: &mut Rng, data: &[u8]) -> io::Result<Fate> {
        if rng.one_in(250) {
            return poison(client, rng);
        }
        if rng.one_in(4) {
            let target = match rng.below(4) {
                0 => Seqnum::new(rng.word()),
                _ => rng.pick(&self.recent, Seqnum::new(0)),
            };
            client.unlink(target)?;
            return Ok(Fate::GoesOn);
        }
        let packets = self.packets(rng);
        let mut transfer = self.transfer(rng, data, &packets);
        let flags = match rng.below(4) {
            0 => TransferFlags::from_wire(rng.word()),
            1 => TransferFlags::DMA_MAP_SG,
            2 => TransferFlags::NO_TRANSFER_DMA_MAP.with(TransferFlags::FREE_BUFFER),
            _ => transfer.command.flags,
        };
        transfer = transfer.with_flags(flags);
        if rng.one_in(8) {
            transfer.command.interval = rng.nasty();
        }
        if rng.one_in(8) {
            transfer.command.start_frame = rng.nasty();
        }
        if transfer.command.direction.is_in() && rng.one_in(8) {
            // A length that is refused, if it is not one that is served.
            transfer.command.length = rng.nasty();
        }
        let seqnum = client.submit(&transfer)?;
        if transfer.command.endpoint == 0 && self.on_xhci {
            // QEMU's xHCI forgets the next control transfer once a whole queue of them was cancelled.
            return Ok(Fate::GoesOn);
        }
        if self.recent.len() >= 32 {
            self.recent.remove(0);
        }
        self.recent.push(seqnum);
        Ok(Fate::GoesOn)
    }

    /// An endpoint: most of the time one that may be there. Packets follow what is isochronous, which the endpoint
    /// for control never is: whoever sends them there is out of step.
    fn endpoint(&self, rng: &mut Rng) -> u32 {
        let first = u32::from(self.kind == TransferKind::Isochronous);
        match rng.below(10) {
            0 => rng.below(16).max(first),
            1 => rng.word(),
            2 => 2,
            _ => 1,
        }
    }

    /// Packets for an isochronous transfer; nothing for most others.
    fn packets(&self, rng: &mut Rng) -> Vec<IsoPacket> {
        if self.kind != TransferKind::Isochronous {
            return Vec::new();
        }
        let count = match rng.below(8) {
            0 => 0,
            1 if self.on_xhci => XHCI_PACKETS,
            1 => 1024,
            _ => 1 + rng.below(32),
        };
        let bad = rng.one_in(3);
        (0..count)
            .map(|index| {
                let mut packet = IsoPacket {
                    offset: index * 192,
                    length: 192,
                    actual_length: 0,
                    status: Status::OK,
                };
                if bad && rng.one_in(4) {
                    let nasty = u32::from_ne_bytes(rng.nasty().to_ne_bytes());
                    match rng.below(3) {
                        0 => packet.offset = nasty,
                        1 => packet.length = nasty,
                        _ => packet.actual_length = nasty,
                    }
                    packet.status = Status::from_raw(rng.nasty());
                }
                packet
            })
            .collect()
    }

    fn transfer<'a>(
        &self,
        rng: &mut Rng,
        data: &'a [u8],
        packets: &'a [IsoPacket],
    ) -> Transfer<'a> {
        let endpoint = self.endpoint(rng);
        let length = match rng.below(3) {
            0 => rng.below(LARGEST),
            1 => 512 * rng.below(16),
            _ => rng.below(600),
        };
        let out = data
            .get(..usize::try_from(length).unwrap_or(0))
            .unwrap_or(data);
        match (rng.below(10), self.kind) {
            (0 | 1, _) => innocent(),
            (2, _) => control(rng, data),
            (3..=5, TransferKind::Isochronous) => Transfer::iso_in(endpoint, length, packets, 1),
            (_, TransferKind::Isochronous) => {
                let all = data.get(..192 * packets.len()).unwrap_or(data);
                Transfer::iso_out(endpoint, all, packets, 1)
            }
            (3..=6, _) => Transfer::interrupt_in(endpoint, length, 8),
            _ => Transfer::interrupt_out(endpoint, out, 8),
        }
    }
}

/// A control transfer, but for what only makes the device go away.
fn control<'a>(rng: &mut Rng, data: &'a [u8]) -> Transfer<'a> {
    let [a, b, c, d, e, f, _, _] = rng.next().to_be_bytes();
    let length = rng.below(300);
    let kind = rng.pick(
        &[
            0x80, 0x81, 0x82, 0xa1, 0x00, 0x01, 0x02, 0x21, 0x23, 0xc0, 0x40, a,
        ],
        0x80,
    );
    let request = match b % 16 {
        // SET_FEATURE may be a test mode, SET_ADDRESS and SET_DESCRIPTOR make no sense.
        3 | 5 | 7 => 6,
        other => other,
    };
    let setup = setup(
        kind,
        request,
        u16::from_be_bytes([c % 16, d % 8]),
        u16::from_be_bytes([e % 2, f % 4]),
        u16::try_from(length).unwrap_or(0),
    );
    let mut transfer = if kind & 0x80 != 0 {
        Transfer::control_in(setup)
    } else {
        let data = usize::try_from(length).ok().and_then(|end| data.get(..end));
        Transfer::control_out(setup, data.unwrap_or_default())
    };
    if rng.one_in(8) && transfer.command.direction.is_in() {
        transfer.command.length = rng.nasty();
    }
    transfer
}

/// Sends what may or must end the connection.
fn poison(client: &mut Client, rng: &mut Rng) -> io::Result<Fate> {
    let mut command = innocent().command;
    command.devid = client.devid();
    command.seqnum = client.number();
    client.expect(command.seqnum, command.direction, false);
    let mut header = command.encode();
    match rng.below(5) {
        // Any field, any value.
        0 | 1 => {
            let field = usize::try_from(rng.below(12)).unwrap_or(0) * 4;
            let value = u32::from_ne_bytes(rng.nasty().to_ne_bytes());
            patch(&mut header, field, value);
            client.link().push(&header)?;
            // It may wait for data now.
            client.link().flush()?;
            client.link().socket().shutdown(Shutdown::Write)?;
            Ok(Fate::Ends)
        }
        // Noise.
        2 => {
            for _ in 0..=rng.below(20) {
                client.link().push(&rng.next().to_be_bytes())?;
            }
            client.link().finish()?;
            Ok(Fate::Ends)
        }
        // An end in the middle.
        3 => {
            let cut = usize::try_from(rng.below(48)).unwrap_or(0);
            client.link().push(header.get(..cut).unwrap_or_default())?;
            client.link().finish()?;
            Ok(Fate::Ends)
        }
        // A number that may be in use.
        _ => {
            let number = Seqnum::new(command.seqnum.get().saturating_sub(rng.below(20)));
            client.set_next(number);
            client.submit(&innocent())?;
            client.set_next(command.seqnum.next());
            Ok(Fate::MayEnd)
        }
    }
}

/// Reads answers until the last request of a sequence is answered, or the connection ends, if it
/// may. Says whether it has ended.
fn see(client: &mut Client, fate: Fate) -> Result<bool> {
    let last = match fate {
        Fate::Ends => None,
        _ => Some(
            client
                .submit(&innocent())
                .map_err(|error| format!("sending: {error}"))?,
        ),
    };
    loop {
        match client.receive() {
            Ok(Some(Received::Submit { reply, .. })) => {
                let errno = reply.status.get();
                ensure(&format!("status {errno}"), (-4095..=0).contains(&errno))?;
                if Some(reply.seqnum) == last {
                    return Ok(false);
                }
            }
            Ok(Some(Received::Unlink(_))) => {}
            Ok(None) if fate != Fate::GoesOn => return Ok(true),
            Ok(None) => return Err("the connection was closed".into()),
            // With numbers used twice, answers cannot be told apart, nor whether data follow them.
            Err(error)
                if fate == Fate::MayEnd
                    && matches!(
                        error.kind(),
                        io::ErrorKind::InvalidData | io::ErrorKind::WouldBlock
                    ) =>
            {
                return Ok(true)
            }
            Err(error)
                if fate != Fate::GoesOn
                    && matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset
                            | io::ErrorKind::BrokenPipe
                            | io::ErrorKind::UnexpectedEof
                            | io::ErrorKind::InvalidData
                    ) =>
            {
                return Ok(true)
            }
            Err(error) => return Err(format!("receiving: {error}").into()),
        }
    }
}
