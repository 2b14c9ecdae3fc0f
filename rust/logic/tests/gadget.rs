// SPDX-License-Identifier: GPL-2.0

//! A device controller's decisions: transfers against a model that moves one packet at a time, requests by table,
//! and the pace of isochronous packets.

use std::collections::VecDeque;

use proptest::prelude::*;

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

/// A transfer or a request: bytes, and whether an empty packet is to follow.
type Part = (usize, bool);

/// How one side's parts end: bytes moved and result; those that do not end are left out.
type Ends = Vec<(usize, Status)>;

fn overflow() -> Status {
    Status::OVERFLOW
}

/// What a bus does, one packet at a time.
fn bus(source: &[Part], sink: &[usize], max_packet: usize) -> (Ends, Ends) {
    let packets = |(bytes, zero): Part| {
        let mut sizes = vec![max_packet; bytes / max_packet];
        if bytes % max_packet != 0 || bytes == 0 || zero {
            sizes.push(bytes % max_packet);
        }
        VecDeque::from(sizes)
    };
    let mut sources: VecDeque<_> = source.iter().map(|part| packets(*part)).collect();
    let mut sinks: VecDeque<_> = sink.iter().copied().collect();
    let (mut source_ends, mut sink_ends) = (Ends::new(), Ends::new());
    let (mut sent, mut received) = (0, 0);
    while let (Some(packets), Some(room)) = (sources.front_mut(), sinks.front_mut()) {
        let size = packets
            .pop_front()
            .expect("a source without packets has ended");
        let moved = size.min(*room);
        sent += moved;
        received += moved;
        *room -= moved;
        let (mut sink_end, mut source_end) = (None, packets.is_empty());
        if size > moved {
            // No room: the packet is lost, and with it what the source had.
            sink_end = Some(overflow());
            source_end = true;
        } else if size < max_packet || *room == 0 {
            sink_end = Some(Status::OK);
        }
        if source_end {
            source_ends.push((sent, Status::OK));
            sources.pop_front();
            sent = 0;
        }
        if let Some(status) = sink_end {
            sink_ends.push((received, status));
            sinks.pop_front();
            received = 0;
        }
    }
    (source_ends, sink_ends)
}

/// What repeated steps do.
fn steps(
    direction: Direction,
    host: &[Part],
    device: &[Part],
    max_packet: usize,
    limit: usize,
) -> (Ends, Ends) {
    let side = |part: &Part| Side {
        left: part.0,
        zero: part.1,
    };
    let mut hosts: VecDeque<_> = host.iter().map(side).collect();
    let mut devices: VecDeque<_> = device.iter().map(side).collect();
    let (mut host_ends, mut device_ends) = (Ends::new(), Ends::new());
    let (mut host_moved, mut device_moved) = (0, 0);
    while let (Some(host), Some(device)) = (hosts.front_mut(), devices.front_mut()) {
        let step = step(direction, *host, *device, max_packet, limit);
        assert!(
            step.bytes > 0 || step.host != Host::Open || step.device != Device::Open,
            "nothing happens"
        );
        assert!(step.bytes <= limit.max(max_packet));
        host.left -= step.bytes;
        device.left -= step.bytes;
        host_moved += step.bytes;
        device_moved += step.bytes;
        if let Host::Ended(status) = step.host {
            host_ends.push((host_moved, status));
            hosts.pop_front();
            host_moved = 0;
        }
        if let Device::Ended(status) = step.device {
            device_ends.push((device_moved, status));
            devices.pop_front();
            device_moved = 0;
        }
    }
    (host_ends, device_ends)
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec((0_usize..40, any::<bool>()), 0..8)
}

proptest! {
    /// Data go from the host to the device as on a bus.
    #[test]
    fn out_is_as_on_a_bus(
        host in parts(),
        device in parts(),
        max_packet in 1_usize..10,
        limit in 0_usize..50,
    ) {
        let sizes: Vec<_> = device.iter().map(|part| part.0).collect();
        let (source, sink) = bus(&host, &sizes, max_packet);
        let (host, device) = steps(Direction::Out, &host, &device, max_packet, limit);
        prop_assert_eq!(host, source);
        prop_assert_eq!(device, sink);
    }

    /// Data go from the device to the host as on a bus.
    #[test]
    fn in_is_as_on_a_bus(
        host in parts(),
        device in parts(),
        max_packet in 1_usize..10,
        limit in 0_usize..50,
    ) {
        let sizes: Vec<_> = host.iter().map(|part| part.0).collect();
        let (source, sink) = bus(&device, &sizes, max_packet);
        let (host, device) = steps(Direction::In, &host, &device, max_packet, limit);
        prop_assert_eq!(device, source);
        prop_assert_eq!(host, sink);
    }

    /// No packet moves more than either side has room for.
    #[test]
    fn a_packet_fits(host in 0_usize..3000, device in 0_usize..3000, inward in any::<bool>()) {
        let direction = if inward { Direction::In } else { Direction::Out };
        let step = packet(direction, host, device);
        prop_assert_eq!(step.bytes, host.min(device));
        prop_assert_eq!(step.host.is_ok(), !(inward && device > host));
        prop_assert_eq!(step.device.is_ok(), inward || host <= device);
    }

    /// Packets never come faster than one an interval, but for those of one frame, whoever asks when.
    #[test]
    fn packets_keep_their_pace(
        exponent in 1_u8..=8,
        asks in prop::collection::vec(0_u64..3_000_000, 1..200),
    ) {
        let interval = interval_ns(exponent, false);
        let (mut pace, mut now, mut moved) = (Pace::new(), 1_000_000_000_u64, 0_u64);
        let start = now;
        for wait in asks {
            loop {
                match pace.packet(now, interval) {
                    Packet::Due => moved += 1,
                    Packet::At(time) => {
                        prop_assert!(time >= now + 1_000_000);
                        break;
                    }
                }
            }
            prop_assert!(moved * interval <= now - start + 1_000_000 + interval);
            // Nothing was held up for long, so nothing is left out either.
            prop_assert!(moved * interval + interval > now - start);
            now += wait;
        }
    }
}

#[test]
fn intervals() {
    assert_eq!(interval_ns(1, false), 125_000);
    assert_eq!(interval_ns(4, false), 1_000_000);
    assert_eq!(interval_ns(1, true), 1_000_000);
    assert_eq!(interval_ns(0, false), 125_000);
    assert_eq!(interval_ns(255, false), 125_000 << 15);
}

/// Whoever was away for long does not get all that he missed at once.
#[test]
fn a_pause_is_not_made_up_for() {
    let mut pace = Pace::new();
    assert_eq!(pace.packet(0, 1_000_000), Packet::Due);
    let later = 10_000_000_000;
    assert_eq!(pace.packet(later, 1_000_000), Packet::Due);
    assert_eq!(pace.packet(later, 1_000_000), Packet::At(later + 1_000_000));
}

#[test]
fn standard_requests() {
    let table: &[([u8; 8], bool, Answer)] = &[
        ([0x00, 5, 9, 0, 0, 0, 0, 0], false, Answer::Address(9)),
        (
            [0x00, 3, 1, 0, 0, 0, 0, 0],
            false,
            Answer::Feature(Feature::RemoteWakeup, true),
        ),
        (
            [0x00, 1, 1, 0, 0, 0, 0, 0],
            false,
            Answer::Feature(Feature::RemoteWakeup, false),
        ),
        ([0x00, 3, 48, 0, 0, 0, 0, 0], false, Answer::Stall),
        (
            [0x00, 3, 48, 0, 0, 0, 0, 0],
            true,
            Answer::Feature(Feature::U1, true),
        ),
        (
            [0x00, 1, 49, 0, 0, 0, 0, 0],
            true,
            Answer::Feature(Feature::U2, false),
        ),
        (
            [0x00, 3, 50, 0, 0, 0, 0, 0],
            true,
            Answer::Feature(Feature::LatencyTolerance, true),
        ),
        // Test mode.
        ([0x00, 3, 2, 0, 0, 1, 0, 0], false, Answer::Stall),
        ([0x00, 48, 0, 0, 0, 0, 6, 0], true, Answer::Done),
        ([0x00, 48, 0, 0, 0, 0, 6, 0], false, Answer::Gadget),
        (
            [0x02, 3, 0, 0, 0x81, 0, 0, 0],
            false,
            Answer::Halt(0x81, true),
        ),
        (
            [0x02, 1, 0, 0, 0x02, 0, 0, 0],
            false,
            Answer::Halt(0x02, false),
        ),
        ([0x02, 3, 0, 0, 0x80, 0, 0, 0], false, Answer::Stall),
        ([0x02, 1, 0, 0, 0x00, 0, 0, 0], false, Answer::Done),
        ([0x02, 1, 7, 0, 0x81, 0, 0, 0], false, Answer::Stall),
        ([0x80, 0, 0, 0, 0, 0, 2, 0], false, Answer::DeviceStatus),
        ([0x81, 0, 0, 0, 0, 0, 2, 0], false, Answer::InterfaceStatus),
        ([0x81, 0, 0, 0, 0, 0, 2, 0], true, Answer::Gadget),
        (
            [0x82, 0, 0, 0, 0x81, 0, 2, 0],
            false,
            Answer::EndpointStatus(0x81),
        ),
        // Function suspend, configurations, descriptors, and what classes and vendors define.
        ([0x01, 3, 0, 0, 0, 1, 0, 0], true, Answer::Gadget),
        ([0x00, 9, 1, 0, 0, 0, 0, 0], false, Answer::Gadget),
        ([0x80, 6, 0, 1, 0, 0, 18, 0], false, Answer::Gadget),
        ([0x21, 5, 0, 0, 0, 0, 0, 0], false, Answer::Gadget),
        ([0xc0, 0, 0, 0, 0, 0, 2, 0], false, Answer::Gadget),
    ];
    for (setup, super_speed, wanted) in table {
        assert_eq!(decide(setup, *super_speed), *wanted, "{setup:?}");
    }
}

#[test]
fn status_of_the_device() {
    let mut features = Features::NONE;
    features.set_self_powered(true);
    features.set(Feature::RemoteWakeup, true);
    features.set(Feature::U2, true);
    assert_eq!(features.byte(), 0b1011);
    assert!(features.has(Feature::RemoteWakeup));
    features.set(Feature::RemoteWakeup, false);
    assert_eq!(features.byte(), 0b1001);
    features.reset();
    assert_eq!(features.byte(), 1);
}

/// A counter of microframes with 32 bits wraps after 6.2 days of continuous use.
#[test]
fn goes_on_when_microframes_no_longer_fit_into_32_bits() {
    let interval = interval_ns(1, false);
    let end = interval * (1 << 32);
    let (mut pace, mut now, mut moved) = (Pace::new(), end - 10_000_000, 0_u64);
    while now < end + 10_000_000 {
        match pace.packet(now, interval) {
            Packet::Due => moved += 1,
            Packet::At(next) => {
                assert!(next > now);
                now = next;
            }
        }
    }
    // Those of a frame move together at its beginning.
    assert!((160..=168).contains(&moved), "{moved} packets in 20 ms");
}

/// An endpoint whose peer keeps more under way than is moved at a time had kept those after it waiting.
#[test]
fn an_endpoint_that_always_has_more_lets_the_others_have_their_turn() {
    let mut turns = Turns::new();
    let mut seen = [0; 32];
    for index in [1, 4, 31] {
        turns.insert(index);
    }
    for _ in 0..30 {
        let index = turns.next().unwrap();
        seen[index] += 1;
        turns.pass(index);
    }
    assert_eq!([seen[1], seen[4], seen[31]], [10, 10, 10]);
}

#[test]
fn turns_of_endpoints() {
    let mut turns = Turns::new();
    assert_eq!((turns.next(), turns.is_empty()), (None, true));
    turns.insert(32);
    turns.insert(usize::MAX);
    assert_eq!(turns, Turns::new());

    // A turn lasts until it is passed, and nobody comes in before it.
    turns.insert(3);
    turns.insert(7);
    turns.pass(2);
    assert_eq!([turns.next(), turns.next()], [Some(3), Some(3)]);
    turns.pass(3);
    turns.insert(3);
    assert_eq!(turns.next(), Some(7));

    // Who is removed or waits for its time is passed over.
    turns.postpone(7);
    assert_eq!(turns.next(), Some(3));
    turns.remove(3);
    assert!(turns.is_empty());
    turns.resume();
    assert_eq!(turns.next(), Some(7));
    turns.remove(7);
    turns.resume();
    assert!(turns.is_empty());
    turns.pass(usize::MAX);
    turns.insert(0);
    assert_eq!(turns.next(), Some(0));
}
