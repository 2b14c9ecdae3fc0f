// SPDX-License-Identifier: GPL-2.0

//! How far a transfer of the host and a request of the device carry each other.
//!
//! Both are cut into packets, of which only the last may be short; a packet that is not full ends
//! both. Neither side sees the other's buffer, so that lengths need not agree.

use usbip_proto::{
    Direction,
    Status, //
};

/// What is left of one side of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// The bytes that are left to move. A side that is still there with none moves an empty packet.
    pub left: usize,
    /// Whether an empty packet is to follow if the last one is full. Of no meaning for the side that
    /// receives.
    pub zero: bool,
}

/// What becomes of the host's transfer after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host {
    /// It goes on.
    Open,
    /// It ends.
    Ended(Status),
}

/// What becomes of the device's request after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// It goes on.
    Open,
    /// It ends.
    Ended(Status),
}

/// What moves, and what ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The bytes to move.
    pub bytes: usize,
    /// What then becomes of the host's transfer.
    pub host: Host,
    /// What then becomes of the device's request.
    pub device: Device,
}

/// How two sides end, source first.
#[derive(Clone, Copy)]
enum Ends {
    /// Neither, as there is more than may be moved at once.
    Neither,
    /// Both, with a packet that is not full, or because nothing is left on either side.
    Both,
    /// Only the source; the sink has room left.
    Source,
    /// Only the sink; the source has more.
    Sink,
    /// Both, and the sink had no room for the last packet.
    Overflow,
}

/// Whether `bytes` are full packets.
fn is_full(bytes: usize, max_packet: usize) -> bool {
    bytes.checked_rem(max_packet).is_some_and(|rest| rest == 0)
}

/// Works out the next step of two sides that meet, in the direction of their endpoint with packets
/// of `max_packet` bytes, moving `limit` bytes at most.
///
/// A limit below the length of a packet counts as that length. Whatever is asked, either bytes move
/// or a side ends, so that repeating it comes to an end.
pub fn step(
    direction: Direction,
    host: Side,
    device: Side,
    max_packet: usize,
    limit: usize,
) -> Step {
    let (source, sink) = match direction {
        Direction::In => (device, host),
        Direction::Out => (host, device),
    };
    let max_packet = max_packet.max(1);
    let (bytes, ends) = pair(source, sink.left, max_packet, limit.max(max_packet));
    let overflow = Status::OVERFLOW;
    let (source, sink) = match ends {
        Ends::Neither => (None, None),
        Ends::Both => (Some(Status::OK), Some(Status::OK)),
        Ends::Source => (Some(Status::OK), None),
        Ends::Sink => (None, Some(Status::OK)),
        Ends::Overflow => (Some(Status::OK), Some(overflow)),
    };
    let (host, device) = match direction {
        Direction::In => (sink, source),
        Direction::Out => (source, sink),
    };
    Step {
        bytes,
        host: host.map_or(Host::Open, Host::Ended),
        device: device.map_or(Device::Open, Device::Ended),
    }
}

fn pair(source: Side, room: usize, max_packet: usize, limit: usize) -> (usize, Ends) {
    if source.left == 0 {
        return (0, Ends::Both);
    }
    let bytes = source.left.min(room);
    if bytes > limit {
        // Both sides go on where a packet ends.
        let rest = limit.checked_rem(max_packet).unwrap_or(0);
        return (limit.saturating_sub(rest), Ends::Neither);
    }
    let full = is_full(bytes, max_packet);
    let ends = if source.left < room {
        if full && !source.zero {
            Ends::Source
        } else {
            Ends::Both
        }
    } else if source.left == room {
        if full && source.zero {
            Ends::Sink
        } else {
            Ends::Both
        }
    } else if full && room > 0 {
        Ends::Sink
    } else {
        Ends::Overflow
    };
    (bytes, ends)
}

/// What becomes of one isochronous packet that meets a request of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketStep {
    /// The bytes to move.
    pub bytes: usize,
    /// The result of the packet.
    pub host: Status,
    /// The result of the device's request.
    pub device: Status,
}

/// Works out what moves when a packet with `host` bytes, or room for as many, meets a request of the
/// device with `device` bytes. Both end, whatever moves.
pub fn packet(direction: Direction, host: usize, device: usize) -> PacketStep {
    let bytes = host.min(device);
    let (mut for_host, mut for_device) = (Status::OK, Status::OK);
    match direction {
        Direction::In if device > host => for_host = Status::OVERFLOW,
        Direction::Out if host > device => for_device = Status::OVERFLOW,
        _ => {}
    }
    PacketStep {
        bytes,
        host: for_host,
        device: for_device,
    }
}
