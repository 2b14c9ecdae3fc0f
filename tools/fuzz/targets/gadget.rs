// SPDX-License-Identifier: GPL-2.0-or-later

//! Transfers of a host and requests of a gadget on endpoints that take turns, with halts and a clock, against a bus
//! that carries one packet of bytes after the other.

#![no_main]

use std::collections::{
    BTreeSet,
    VecDeque, //
};

use libfuzzer_sys::fuzz_target;
use usbip_logic::gadget::{
    decide,
    interval_ns,
    packet,
    step,
    Answer,
    Device,
    Feature,
    Features,
    Host,
    Pace,
    Packet,
    Side,
    Turns, //
};
use usbip_proto::{
    Direction,
    Status, //
};

/// What came of a transfer or a request: bytes that left or arrived, and the result.
type Ends = Vec<(Vec<u8>, Status)>;

/// Bytes of which no two neighbours are alike, nor those of two parts.
struct Bytes(u8);

impl Bytes {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let next = || {
            self.0 = self.0.wrapping_add(1);
            self.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }
}

/// A transfer or a request: the bytes to send, or those that came, and what is left.
struct Part {
    data: Vec<u8>,
    side: Side,
}

impl Part {
    /// The bytes that have left or arrived.
    fn carried(mut self, sends: bool) -> Vec<u8> {
        if sends {
            self.data.truncate(self.data.len() - self.side.left);
        }
        self.data
    }
}

/// What sends in the model: packets, and those bytes that have left.
struct Source {
    packets: VecDeque<Vec<u8>>,
    sent: Vec<u8>,
}

impl Source {
    fn new(data: &[u8], zero: bool, max_packet: usize) -> Self {
        let mut packets: VecDeque<_> = data.chunks(max_packet).map(<[u8]>::to_vec).collect();
        if data.is_empty() || (zero && data.len() % max_packet == 0) {
            packets.push_back(Vec::new());
        }
        Self {
            packets,
            sent: Vec::new(),
        }
    }
}

/// What receives in the model.
struct Receiver {
    room: usize,
    received: Vec<u8>,
}

/// A bulk or interrupt endpoint. What is under test carries the first queues, the model the others.
struct Plain {
    direction: Direction,
    max_packet: usize,
    halted: bool,
    host: VecDeque<Part>,
    device: VecDeque<Part>,
    host_ends: Ends,
    device_ends: Ends,
    sources: VecDeque<Source>,
    receivers: VecDeque<Receiver>,
    source_ends: Ends,
    receiver_ends: Ends,
}

impl Plain {
    fn new(direction: Direction, max_packet: usize) -> Self {
        Self {
            direction,
            max_packet,
            halted: false,
            host: VecDeque::new(),
            device: VecDeque::new(),
            host_ends: Ends::new(),
            device_ends: Ends::new(),
            sources: VecDeque::new(),
            receivers: VecDeque::new(),
            source_ends: Ends::new(),
            receiver_ends: Ends::new(),
        }
    }

    fn push(&mut self, of_host: bool, count: usize, zero: bool, bytes: &mut Bytes) {
        let sends = of_host == (self.direction == Direction::Out);
        let mut data = Vec::new();
        if sends {
            data = bytes.take(count);
            let max_packet = self.max_packet.max(1);
            self.sources.push_back(Source::new(&data, zero, max_packet));
        } else {
            self.receivers.push_back(Receiver {
                room: count,
                received: Vec::new(),
            });
        }
        let side = Side { left: count, zero };
        let queue = match of_host {
            true => &mut self.host,
            false => &mut self.device,
        };
        queue.push_back(Part { data, side });
    }

    /// A side takes one back that has not ended.
    fn cancel(&mut self, of_host: bool, choice: usize) {
        let queue = match of_host {
            true => &mut self.host,
            false => &mut self.device,
        };
        let nth = choice % queue.len().max(1);
        if queue.remove(nth).is_none() {
            return;
        }
        if of_host == (self.direction == Direction::Out) {
            self.sources.remove(nth);
        } else {
            self.receivers.remove(nth);
        }
    }

    /// One step; whether there was something to do.
    fn advance(&mut self, limit: usize) -> bool {
        if self.halted {
            let ended = self.host.pop_front();
            let any = ended.is_some();
            let sends = self.direction == Direction::Out;
            self.host_ends
                .extend(ended.map(|part| (part.carried(sends), Status::PIPE)));
            return any;
        }
        let (Some(host), Some(device)) = (self.host.front_mut(), self.device.front_mut()) else {
            return false;
        };
        let step = step(
            self.direction,
            host.side,
            device.side,
            self.max_packet,
            limit,
        );
        assert!(
            step.bytes > 0 || step.host != Host::Open || step.device != Device::Open,
            "nothing happens"
        );
        assert!(step.bytes <= limit.max(self.max_packet).max(1));
        let (source, sink) = match self.direction {
            Direction::In => (&mut *device, &mut *host),
            Direction::Out => (&mut *host, &mut *device),
        };
        let from = source.data.len() - source.side.left;
        sink.data.extend(&source.data[from..from + step.bytes]);
        source.side.left -= step.bytes;
        sink.side.left -= step.bytes;
        let is_out = self.direction == Direction::Out;
        if let Host::Ended(status) = step.host {
            let ended = self.host.pop_front().unwrap();
            self.host_ends.push((ended.carried(is_out), status));
        }
        if let Device::Ended(status) = step.device {
            let ended = self.device.pop_front().unwrap();
            self.device_ends.push((ended.carried(!is_out), status));
        }
        true
    }

    /// What a bus does until one side has no more.
    fn model(&mut self) {
        if self.halted {
            let ended = match self.direction {
                Direction::In => self
                    .receivers
                    .drain(..)
                    .map(|receiver| (receiver.received, Status::PIPE))
                    .collect::<Ends>(),
                Direction::Out => self
                    .sources
                    .drain(..)
                    .map(|source| (source.sent, Status::PIPE))
                    .collect(),
            };
            match self.direction {
                Direction::In => self.receiver_ends.extend(ended),
                Direction::Out => self.source_ends.extend(ended),
            }
            return;
        }
        let max_packet = self.max_packet.max(1);
        while let (Some(source), Some(receiver)) =
            (self.sources.front_mut(), self.receivers.front_mut())
        {
            let packet = source.packets.pop_front().unwrap();
            let (mut is_lost, size) = (false, packet.len());
            for byte in packet {
                if receiver.room == 0 {
                    is_lost = true;
                    break;
                }
                receiver.room -= 1;
                receiver.received.push(byte);
                source.sent.push(byte);
            }
            // A source that has lost bytes has no more to say.
            let source_ends = is_lost || source.packets.is_empty();
            let receiver_ends = is_lost || size < max_packet || receiver.room == 0;
            if source_ends {
                let source = self.sources.pop_front().unwrap();
                self.source_ends.push((source.sent, Status::OK));
            }
            if receiver_ends {
                let status = match is_lost {
                    true => Status::OVERFLOW,
                    false => Status::OK,
                };
                let receiver = self.receivers.pop_front().unwrap();
                self.receiver_ends.push((receiver.received, status));
            }
        }
    }

    fn check(&self) {
        let (host, device, hosts, devices) = match self.direction {
            Direction::In => (
                &self.receiver_ends,
                &self.source_ends,
                self.receivers.len(),
                self.sources.len(),
            ),
            Direction::Out => (
                &self.source_ends,
                &self.receiver_ends,
                self.sources.len(),
                self.receivers.len(),
            ),
        };
        assert_eq!(&self.host_ends, host);
        assert_eq!(&self.device_ends, device);
        assert_eq!((self.host.len(), self.device.len()), (hosts, devices));
    }
}

/// An isochronous endpoint, with the lengths of packets of the host and of requests of the device, of which two meet at
/// a time.
struct Isochronous {
    direction: Direction,
    interval: u64,
    pace: Pace,
    /// When the first packet was due since the host began, and how many were.
    began: Option<(u64, u64)>,
    host: VecDeque<usize>,
    device: VecDeque<usize>,
}

impl Isochronous {
    fn push(&mut self, of_host: bool, count: usize) {
        match of_host {
            true => self.host.push_back(count),
            false => self.device.push_back(count),
        }
    }

    /// Whether a packet is due, by counting from the first.
    fn due(&mut self, now: u64) -> Packet {
        let (began, count) = self.began.get_or_insert((now, 0));
        let mut next = *began + *count * self.interval;
        if now > next + 200_000_000 {
            // The host paused.
            (*began, *count, next) = (now, 0, now);
        }
        if next >= now + 1_000_000 {
            return Packet::At(next);
        }
        *count += 1;
        Packet::Due
    }

    /// Moves one packet; returns when to go on if it is not time.
    fn advance(&mut self, now: u64) -> Result<bool, u64> {
        let Some(host) = self.host.front().copied() else {
            return Ok(false);
        };
        let asked = self.pace.packet(now, self.interval);
        assert_eq!(asked, self.due(now));
        if let Packet::At(time) = asked {
            return Err(time);
        }
        self.host.pop_front();
        if let Some(device) = self.device.pop_front() {
            let moved = packet(self.direction, host, device);
            let (source, room) = match self.direction {
                Direction::In => (device, host),
                Direction::Out => (host, device),
            };
            // Who has no room for the rest is told.
            let (carried, of_sink) = match source > room {
                true => (room, Status::OVERFLOW),
                false => (source, Status::OK),
            };
            let (of_host, of_device) = match self.direction {
                Direction::In => (of_sink, Status::OK),
                Direction::Out => (Status::OK, of_sink),
            };
            assert_eq!(
                (moved.bytes, moved.host, moved.device),
                (carried, of_host, of_device)
            );
        }
        Ok(true)
    }
}

/// Whose turn it is, by two sets and the one who had the last.
struct Order {
    turns: Turns,
    ready: BTreeSet<usize>,
    paced: BTreeSet<usize>,
    last: Option<usize>,
}

impl Order {
    fn new() -> Self {
        Self {
            turns: Turns::new(),
            ready: BTreeSet::new(),
            paced: BTreeSet::new(),
            last: None,
        }
    }

    fn insert(&mut self, index: usize) {
        self.turns.insert(index);
        if index < 32 {
            self.ready.insert(index);
        }
    }

    fn remove(&mut self, index: usize) {
        self.turns.remove(index);
        self.ready.remove(&index);
    }

    fn postpone(&mut self, index: usize) {
        self.turns.postpone(index);
        self.ready.remove(&index);
        if index < 32 {
            self.paced.insert(index);
        }
    }

    fn resume(&mut self) {
        self.turns.resume();
        self.ready.append(&mut self.paced);
    }

    fn pass(&mut self, index: usize) {
        self.turns.pass(index);
        self.last = Some(index);
    }

    fn next(&self) -> Option<usize> {
        let mut after = self
            .ready
            .iter()
            .filter(|index| self.last.is_none_or(|last| **index > last));
        let next = after.next().or(self.ready.first()).copied();
        assert_eq!(self.turns.next(), next);
        assert_eq!(self.turns.is_empty(), next.is_none());
        next
    }
}

/// Where the endpoints are: plain ones in and out, isochronous ones in and out.
const PLAIN: [usize; 2] = [1, 30];
const ISOCHRONOUS: [usize; 2] = [4, 31];

struct Gadget {
    bytes: Bytes,
    limit: usize,
    now: u64,
    super_speed: bool,
    plain: [Plain; 2],
    isochronous: [Isochronous; 2],
    order: Order,
    features: Features,
    /// The bits of the device's status.
    status: u8,
}

impl Gadget {
    fn new([limit, input, output, interval]: [u8; 4]) -> Self {
        let isochronous = |direction| Isochronous {
            direction,
            interval: interval_ns(interval & 31, interval & 32 != 0),
            pace: Pace::new(),
            began: None,
            host: VecDeque::new(),
            device: VecDeque::new(),
        };
        Self {
            bytes: Bytes(0),
            limit: usize::from(limit),
            now: 1_000_000_000,
            super_speed: interval & 64 != 0,
            plain: [
                Plain::new(Direction::In, usize::from(input % 17)),
                Plain::new(Direction::Out, usize::from(output % 17)),
            ],
            isochronous: [isochronous(Direction::In), isochronous(Direction::Out)],
            order: Order::new(),
            features: Features::NONE,
            status: 0,
        }
    }

    fn step(&mut self, [what, which, count, more]: [u8; 4]) {
        let index = usize::from(which & 1);
        let of_host = which & 2 != 0;
        match what % 8 {
            0 | 1 => {
                let count = usize::from(count % 64);
                self.plain[index].push(of_host, count, which & 4 != 0, &mut self.bytes);
                self.order.insert(PLAIN[index]);
            }
            2 => {
                for _ in 0..=more % 4 {
                    let count = usize::from(count % 16);
                    self.isochronous[index].push(of_host, count);
                }
                self.order.insert(ISOCHRONOUS[index]);
            }
            3 => {
                self.plain[index].cancel(of_host, count.into());
                self.order.insert(PLAIN[index]);
            }
            4 => self.halt(index, which & 4 != 0),
            5 => self.setup([which, count, more, 0, what >> 3, 0, 2, 0]),
            6 => {
                // Parts of a frame, frames, and pauses.
                let unit = [0, 10_000, 1_000_000, 20_000_000][usize::from(which & 3)];
                self.now += unit * u64::from(count);
                self.advance();
            }
            _ => {
                // A turn of an endpoint that has nothing to move, or does not exist.
                self.order.insert(count.into());
                self.order.next();
                self.order.pass(more.into());
                self.order.next();
            }
        }
    }

    /// The host halts an endpoint, or ends that.
    fn halt(&mut self, index: usize, halt: bool) {
        let address = [0x81, 0x01][index];
        let request = match halt {
            true => 3,
            false => 1,
        };
        let setup = [0x02, request, 0, 0, address, 0, 0, 0];
        let answer = decide(&setup, self.super_speed);
        assert_eq!(answer, Answer::Halt(address, halt));
        let Answer::Halt(address, halt) = answer else {
            return;
        };
        self.plain[usize::from(address & 0x80 == 0)].halted = halt;
        self.order.insert(PLAIN[index]);
    }

    /// The host asks anything.
    fn setup(&mut self, setup: [u8; 8]) {
        let [to, request, value, _, index, ..] = setup;
        let answer = decide(&setup, self.super_speed);
        let (is_in, is_standard) = (to & 0x80 != 0, to & 0x60 == 0);
        let bit = match value {
            1 => Some(1 << 1),
            48 if self.super_speed => Some(1 << 2),
            49 if self.super_speed => Some(1 << 3),
            50 if self.super_speed => Some(1 << 4),
            _ => None,
        };
        match answer {
            Answer::Gadget => {
                // Features and states of the device and of its endpoints are not its business.
                assert!(!matches!(
                    (to, request),
                    (0, 1 | 3 | 5) | (2, 1 | 3) | (0x80 | 0x82, 0)
                ));
            }
            Answer::Done | Answer::Stall | Answer::Address(_) => {
                assert!(is_standard && !is_in && [1, 3, 5, 48].contains(&request));
            }
            Answer::Feature(feature, on) => {
                assert_eq!((to, request), (0, if on { 3 } else { 1 }));
                self.features.set(feature, on);
                assert_eq!(self.features.has(feature), on);
                let bit = bit.expect("a feature that there is");
                self.status = self.status & !bit | if on { bit } else { 0 };
            }
            Answer::Halt(address, on) => {
                assert_eq!((to, request, value), (2, if on { 3 } else { 1 }, 0));
                assert!(address == index && address & 0x7f != 0);
            }
            Answer::DeviceStatus => assert_eq!((to, request), (0x80, 0)),
            Answer::InterfaceStatus => assert!((to, request) == (0x81, 0) && !self.super_speed),
            Answer::EndpointStatus(address) => {
                assert_eq!((to, request, address), (0x82, 0, index));
            }
        }
        if let (0, 1 | 3, Some(_)) = (to, request, bit) {
            assert!(matches!(answer, Answer::Feature(..)));
        }
        if to == 0xff {
            self.features.set_self_powered(value & 1 != 0);
            self.status = self.status & !1 | value & 1;
            if value & 2 != 0 {
                self.features.reset();
                self.status &= 1;
            }
        }
        assert_eq!(self.features.byte(), self.status);
        assert_eq!(
            self.features.has(Feature::RemoteWakeup),
            self.status & 2 != 0
        );
    }

    /// Moves all that can move now.
    fn advance(&mut self) {
        self.order.resume();
        while let Some(index) = self.order.next() {
            self.order.pass(index);
            let is_plain = PLAIN.iter().position(|plain| *plain == index);
            let is_isochronous = ISOCHRONOUS.iter().position(|other| *other == index);
            match (is_plain, is_isochronous) {
                (Some(plain), _) => {
                    if !self.plain[plain].advance(self.limit) {
                        self.order.remove(index);
                    }
                }
                (_, Some(isochronous)) => match self.isochronous[isochronous].advance(self.now) {
                    Ok(true) => {}
                    Ok(false) => self.order.remove(index),
                    Err(time) => {
                        assert!(time > self.now);
                        self.order.postpone(index);
                    }
                },
                (None, None) => self.order.remove(index),
            }
        }
        for plain in &mut self.plain {
            plain.model();
            plain.check();
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((head, steps)) = data.split_first_chunk() else {
        return;
    };
    let mut gadget = Gadget::new(*head);
    for step in steps.chunks_exact(4) {
        gadget.step([step[0], step[1], step[2], step[3]]);
    }
    gadget.advance();
});
