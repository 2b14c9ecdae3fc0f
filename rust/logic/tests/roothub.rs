// SPDX-License-Identifier: GPL-2.0

//! The root hubs, request by request, as the hub driver and the C module know them.

use proptest::prelude::*;

use usbip_logic::{
    attach::Geometry,
    roothub::{
        Answer,
        Hub,
        HubRequest,
        HubSpeed,
        Stall, //
    },
};
use usbip_proto::Speed;

// Request types and requests, written as in the specifications: bmRequestType, bRequest.
const CLEAR_HUB_FEATURE: u16 = 0x2001;
const SET_HUB_FEATURE: u16 = 0x2003;
const SET_HUB_DEPTH: u16 = 0x200c;
const CLEAR_PORT_FEATURE: u16 = 0x2301;
const SET_PORT_FEATURE: u16 = 0x2303;
const GET_DESCRIPTOR: u16 = 0x8006;
const GET_HUB_STATUS: u16 = 0xa000;
const GET_HUB_DESCRIPTOR: u16 = 0xa006;
const GET_PORT_STATUS: u16 = 0xa300;
const GET_PORT_ERROR_COUNT: u16 = 0xa310;

const ENABLE: u16 = 1;
const SUSPEND: u16 = 2;
const RESET: u16 = 4;
const LINK_STATE: u16 = 5;
const POWER: u16 = 8;
const C_CONNECTION: u16 = 16;
const C_SUSPEND: u16 = 18;
const C_RESET: u16 = 20;
const U1_TIMEOUT: u16 = 23;
const U2_TIMEOUT: u16 = 24;
const REMOTE_WAKE_MASK: u16 = 27;
const BH_PORT_RESET: u16 = 28;

const HUBS: [HubSpeed; 2] = [HubSpeed::High, HubSpeed::Super];

/// A hub and a clock.
struct Bench {
    hub: Hub,
    now: u64,
}

impl Bench {
    fn new(speed: HubSpeed) -> Self {
        Self {
            hub: Hub::new(speed, Geometry::new(1, 15).unwrap()),
            now: 1_000_000,
        }
    }

    /// With power on all ports, as the hub driver leaves it after probing.
    fn powered(speed: HubSpeed) -> Self {
        let mut bench = Self::new(speed);
        for port in 1..=15 {
            bench.set(port, POWER).unwrap();
        }
        bench
    }

    fn ask(
        &mut self,
        request: u16,
        value: u16,
        index: u16,
        out: &mut [u8],
    ) -> Result<Answer, Stall> {
        let request = HubRequest::decode(request, value, index);
        self.hub.control(request, self.now, out)
    }

    fn set(&mut self, port: u16, feature: u16) -> Result<Answer, Stall> {
        self.ask(SET_PORT_FEATURE, feature, port, &mut [])
    }

    fn clear(&mut self, port: u16, feature: u16) -> Result<Answer, Stall> {
        self.ask(CLEAR_PORT_FEATURE, feature, port, &mut [])
    }

    /// Asks for the status of a port: status and change bits.
    fn status(&mut self, port: u16) -> u32 {
        let mut out = [0xee; 4];
        let answer = self.ask(GET_PORT_STATUS, 0, port, &mut out).unwrap();
        assert_eq!(answer.len, 0, "usbcore knows the length");
        let status = u32::from_le_bytes(out);
        assert_eq!(answer.poll, status & 0x001f_0000 != 0);
        status
    }

    fn changed(&self) -> Vec<u8> {
        let mut bits = [0xee; 2];
        let len = self.hub.status_bits(&mut bits);
        assert_eq!(len > 0, self.hub.has_changed());
        bits[..len].to_vec()
    }

    /// What the hub driver does with a new device, up to its reset.
    fn enumerate(&mut self, port: u16) -> u32 {
        assert_eq!(self.status(port) & 0x0001_0001, 0x0001_0001);
        self.clear(port, C_CONNECTION).unwrap();
        self.set(port, RESET).unwrap();
        self.now += 51;
        assert_eq!(self.status(port) & 0x0010_0013, 0x0010_0003);
        self.clear(port, C_RESET).unwrap();
        self.status(port)
    }
}

#[test]
fn hub_descriptors() {
    let mut out = [0; 15];
    let mut high = Bench::new(HubSpeed::High);
    assert_eq!(
        high.ask(GET_HUB_DESCRIPTOR, 0x2900, 0, &mut out),
        Ok(Answer::default())
    );
    assert_eq!(
        out,
        [11, 0x29, 15, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]
    );
    let mut small = Hub::new(HubSpeed::High, Geometry::new(1, 7).unwrap());
    let request = HubRequest::decode(GET_HUB_DESCRIPTOR, 0, 0);
    out.fill(0);
    small.control(request, 0, &mut out).unwrap();
    assert_eq!(out, [9, 0x29, 7, 1, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0]);

    let mut fast = Bench::new(HubSpeed::Super);
    let mut out = [0; 12];
    fast.ask(GET_HUB_DESCRIPTOR, 0x2a00, 0, &mut out).unwrap();
    assert_eq!(out, [12, 0x2a, 15, 1, 0, 0, 0, 4, 0, 0, 0xff, 0xff]);
    assert_eq!(
        fast.ask(GET_HUB_DESCRIPTOR, 0x2a00, 0, &mut [0; 11]),
        Err(Stall)
    );
    for value in [0, 0x2900, 0x2a01] {
        assert_eq!(
            fast.ask(GET_HUB_DESCRIPTOR, value, 0, &mut [0; 15]),
            Err(Stall)
        );
    }
}

#[test]
fn capabilities() {
    let mut fast = Bench::new(HubSpeed::Super);
    // As usbcore reads it: the head, then all of it.
    let mut head = [0; 5];
    let answer = fast.ask(GET_DESCRIPTOR, 0x0f00, 0, &mut head);
    assert_eq!(answer.map(|answer| answer.len), Ok(5));
    assert_eq!(head, [5, 0x0f, 43, 0, 2]);
    let mut bos = [0xee; 64];
    let answer = fast.ask(GET_DESCRIPTOR, 0x0f00, 0, &mut bos);
    assert_eq!(answer.map(|answer| answer.len), Ok(43));
    assert_eq!(bos[..5], head);
    assert_eq!(bos[5..15], [10, 0x10, 3, 0, 8, 0, 3, 0, 0, 0]);
    assert_eq!(bos[43], 0xee);

    // Of SuperSpeedPlus: the attributes that usbcore looks for by the number of the link.
    let plus = &bos[15..43];
    assert_eq!(plus[..4], [28, 0x10, 0x0a, 0]);
    let attributes = u32::from_le_bytes(plus[4..8].try_into().unwrap());
    let count = usize::try_from(attributes & 0x1f).unwrap() + 1;
    assert_eq!(12 + 4 * count, 28);
    let speeds: Vec<u32> = plus[12..]
        .chunks(4)
        .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    // The numbers that real controllers have: 5 and 10 Gbit/s, each way.
    assert_eq!(speeds, [0x0005_0034, 0x0005_00b4, 0x000a_4035, 0x000a_40b5]);

    for value in [0x0100, 0x0200, 0x1000] {
        assert_eq!(fast.ask(GET_DESCRIPTOR, value, 0, &mut [0; 64]), Err(Stall));
    }
    let mut high = Bench::new(HubSpeed::High);
    assert_eq!(
        high.ask(GET_DESCRIPTOR, 0x0f00, 0, &mut [0; 64]),
        Err(Stall)
    );
}

/// An import of 10 Gbit/s showed up with 5; see `get_port_ssp_rate` in usbcore.
#[test]
fn superspeedplus_speed_mapping() {
    for (speed, link) in [(Speed::Super, 0x44), (Speed::SuperPlus, 0x55)] {
        let mut fast = Bench::powered(HubSpeed::Super);
        let mut out = [0xee; 8];
        fast.ask(GET_PORT_STATUS, 2, 1, &mut out).unwrap();
        assert_eq!(out, [0, 2, 0, 0, 0, 0, 0, 0]);
        fast.hub.connect(0, speed);
        fast.enumerate(1);
        fast.ask(GET_PORT_STATUS, 2, 1, &mut out).unwrap();
        assert_eq!(out, [3, 2, 0, 0, link, 0, 0, 0], "two lanes would be two");
        // The plain status leaves the rest alone, and so does a high speed hub.
        let mut out = [0xee; 8];
        fast.ask(GET_PORT_STATUS, 0, 1, &mut out).unwrap();
        assert_eq!(out[4..], [0xee; 4]);
    }
    let mut high = Bench::powered(HubSpeed::High);
    let mut out = [0xee; 8];
    high.ask(GET_PORT_STATUS, 2, 1, &mut out).unwrap();
    assert_eq!(out, [0, 1, 0, 0, 0xee, 0xee, 0xee, 0xee]);
}

#[test]
fn requests_to_the_hub() {
    for speed in HUBS {
        let super_only = match speed {
            HubSpeed::High => Err(Stall),
            HubSpeed::Super => Ok(Answer::default()),
        };
        let mut bench = Bench::new(speed);
        let mut out = [0xee; 4];
        assert_eq!(
            bench.ask(GET_HUB_STATUS, 0, 0, &mut out),
            Ok(Answer::default())
        );
        assert_eq!(out, [0; 4]);
        assert_eq!(
            bench.ask(CLEAR_HUB_FEATURE, 0, 0, &mut []),
            Ok(Answer::default())
        );
        assert_eq!(bench.ask(SET_HUB_FEATURE, 0, 0, &mut []), Err(Stall));
        assert_eq!(bench.ask(SET_HUB_DEPTH, 0, 0, &mut []), super_only);
        let mut out = [0xee; 4];
        assert_eq!(bench.ask(GET_PORT_ERROR_COUNT, 0, 1, &mut out), super_only);
        assert_eq!(out == [0; 4], super_only.is_ok());
        for unknown in [0, 0x2000, 0x2302, 0x8008, 0xa301, 0xffff] {
            assert_eq!(bench.ask(unknown, 0, 1, &mut [0; 8]), Err(Stall));
        }
    }
}

#[test]
fn ports_that_are_not_there() {
    for speed in HUBS {
        let mut bench = Bench::powered(speed);
        for port in [0, 16, 17, 255, 0x0100, 0x0110, 0xffff] {
            assert_eq!(bench.ask(GET_PORT_STATUS, 0, port, &mut [0; 4]), Err(Stall));
            for feature in [SUSPEND, RESET, POWER, C_RESET, BH_PORT_RESET] {
                assert_eq!(bench.set(port, feature), Err(Stall), "{port}");
                assert_eq!(bench.clear(port, feature), Err(Stall), "{port}");
            }
        }
        // Only the low byte counts: above it, the link state is passed.
        assert!(bench.ask(GET_PORT_STATUS, 0, 0x050f, &mut [0; 4]).is_ok());
        bench.hub.connect(15, Speed::High);
        bench.hub.connect(255, Speed::High);
        bench.hub.disconnect(15);
        assert!(!bench.hub.has_changed());
        assert_eq!(bench.hub.port_status(15), None);
    }
}

#[test]
fn power() {
    let mut high = Bench::new(HubSpeed::High);
    assert_eq!(high.status(1), 0);
    high.set(1, POWER).unwrap();
    assert_eq!(high.status(1), 0x0100);
    high.clear(1, POWER).unwrap();
    assert_eq!(high.status(1), 0);
    let mut fast = Bench::new(HubSpeed::Super);
    fast.set(1, POWER).unwrap();
    assert_eq!(fast.status(1), 0x0200);
    fast.clear(1, POWER).unwrap();
    assert_eq!(fast.status(1), 0);
    assert_eq!(fast.status(2), 0, "each port has its own switch");
}

#[test]
fn connection_of_each_speed() {
    for (speed, hub, bits) in [
        (Speed::Low, HubSpeed::High, 0x0301),
        (Speed::Full, HubSpeed::High, 0x0101),
        (Speed::High, HubSpeed::High, 0x0501),
        (Speed::Wireless, HubSpeed::High, 0x0101),
        (Speed::Super, HubSpeed::Super, 0x0201),
        (Speed::SuperPlus, HubSpeed::Super, 0x0201),
    ] {
        let mut bench = Bench::powered(hub);
        bench.hub.connect(4, speed);
        assert_eq!(bench.changed(), [0x20, 0]);
        assert_eq!(bench.status(5), bits | 0x0001_0000);
        assert_eq!(bench.enumerate(5), bits | 0x02);
        assert_eq!(bench.changed(), []);
        bench.hub.disconnect(4);
        assert_eq!(bench.changed(), [0x20, 0]);
        let gone = bits
            & 0x0300
            & if hub == HubSpeed::High {
                0x0100
            } else {
                0x0200
            };
        assert_eq!(bench.status(5), gone | 0x0001_0000);
    }
}

/// The bits of a high speed device stayed, and a full speed one after it was announced as such.
#[test]
fn stale_speed_bits() {
    let mut bench = Bench::powered(HubSpeed::High);
    for (speed, bits) in [
        (Speed::High, 0x0400),
        (Speed::Full, 0),
        (Speed::Low, 0x0200),
        (Speed::Full, 0),
        (Speed::High, 0x0400),
    ] {
        bench.hub.connect(0, speed);
        assert_eq!(bench.status(1) & 0x0600, bits);
        assert_eq!(bench.enumerate(1) & 0x0600, bits);
        bench.hub.disconnect(0);
        assert_eq!(bench.status(1) & 0x0600, 0);
        bench.clear(1, C_CONNECTION).unwrap();
    }
}

/// Detached and attached before the hub driver looks: it must not take the new device for the old.
#[test]
fn a_new_device_is_not_enabled() {
    for (hub, speed) in [
        (HubSpeed::High, Speed::High),
        (HubSpeed::Super, Speed::Super),
    ] {
        let mut bench = Bench::powered(hub);
        bench.hub.connect(0, speed);
        bench.enumerate(1);
        bench.hub.disconnect(0);
        bench.hub.connect(0, speed);
        assert_eq!(bench.status(1) & 0x0001_0003, 0x0001_0001);
        bench.enumerate(1);
    }
}

#[test]
fn reset_takes_50_ms() {
    for (hub, speed, power) in [
        (HubSpeed::High, Speed::Full, 0x0100),
        (HubSpeed::Super, Speed::Super, 0x0200),
    ] {
        let mut bench = Bench::powered(hub);
        bench.hub.connect(0, speed);
        bench.clear(1, C_CONNECTION).unwrap();
        bench.set(1, RESET).unwrap();
        assert_eq!(bench.status(1), power | 0x11);
        bench.now += 50;
        assert_eq!(bench.status(1), power | 0x11);
        assert_eq!(bench.hub.port_status(0), Some(power | 0x11));
        bench.now += 1;
        assert_eq!(
            bench.hub.port_status(0),
            Some(power | 0x11),
            "only the request completes it"
        );
        assert_eq!(bench.status(1), power | 0x0010_0003);
        assert_eq!(bench.changed(), [2, 0]);
        bench.clear(1, C_RESET).unwrap();
        // And once more, as drivers do: it is disabled meanwhile.
        bench.set(1, RESET).unwrap();
        assert_eq!(bench.status(1), power | 0x11);
        bench.now += 1000;
        assert_eq!(bench.status(1), power | 0x0010_0003);
    }
}

#[test]
fn reset_of_an_empty_port() {
    for (hub, power) in [(HubSpeed::High, 0x0100), (HubSpeed::Super, 0x0200)] {
        let mut bench = Bench::powered(hub);
        bench.set(3, RESET).unwrap();
        assert_eq!(bench.status(3), power | 0x10, "no device appears");
        bench.now += 51;
        assert_eq!(bench.status(3), power | 0x0010_0000, "nor is it enabled");
    }
}

#[test]
fn reset_without_power() {
    let mut high = Bench::new(HubSpeed::High);
    high.set(1, RESET).unwrap();
    high.now += 51;
    assert_eq!(high.status(1), 0);
    let mut fast = Bench::new(HubSpeed::Super);
    fast.set(1, RESET).unwrap();
    assert_eq!(fast.status(1), 0x0210, "it brings power");
}

#[test]
fn disconnect_ends_a_reset() {
    for hub in HUBS {
        let mut bench = Bench::powered(hub);
        bench.hub.connect(0, Speed::Super);
        bench.set(1, RESET).unwrap();
        bench.hub.disconnect(0);
        bench.hub.disconnect(0);
        bench.now += 51;
        assert_eq!(bench.status(1) & 0x001f_0013, 0x0001_0000);
    }
}

/// A SuperSpeed reset loses no change that the hub driver has not seen.
#[test]
fn reset_keeps_changes() {
    let mut fast = Bench::powered(HubSpeed::Super);
    fast.hub.connect(0, Speed::Super);
    fast.set(1, RESET).unwrap();
    assert_eq!(fast.status(1), 0x0001_0211);
}

#[test]
fn warm_reset() {
    let mut fast = Bench::powered(HubSpeed::Super);
    fast.hub.connect(0, Speed::Super);
    fast.clear(1, C_CONNECTION).unwrap();
    fast.set(1, BH_PORT_RESET).unwrap();
    assert_eq!(fast.status(1), 0x1000_0211);
    fast.now += 51;
    assert_eq!(fast.status(1), 0x1010_0203);
    fast.set(1, RESET).unwrap();
    assert_eq!(fast.status(1), 0x0010_0211);
    let mut high = Bench::powered(HubSpeed::High);
    assert_eq!(high.set(1, BH_PORT_RESET), Err(Stall));
}

#[test]
fn suspend_and_resume() {
    let mut high = Bench::powered(HubSpeed::High);
    high.hub.connect(0, Speed::High);
    high.enumerate(1);
    high.clear(1, SUSPEND).unwrap();
    high.now += 100;
    assert_eq!(high.status(1), 0x0503, "nothing to resume");
    high.set(1, SUSPEND).unwrap();
    assert_eq!(high.status(1), 0x0507);
    high.now += 100;
    assert_eq!(high.status(1), 0x0507);
    high.clear(1, SUSPEND).unwrap();
    high.now += 20;
    assert_eq!(high.status(1), 0x0507);
    high.now += 1;
    assert_eq!(high.status(1), 0x0004_0503);
    high.clear(1, C_SUSPEND).unwrap();
    assert_eq!(high.status(1), 0x0503);
    let mut fast = Bench::powered(HubSpeed::Super);
    assert_eq!(fast.set(1, SUSPEND), Err(Stall));
    assert_eq!(fast.clear(1, SUSPEND), Err(Stall));
}

/// All ports of a hub shared one timer: the status of one ended the resume of another.
#[test]
fn each_port_has_its_timers() {
    let mut high = Bench::powered(HubSpeed::High);
    for port in 1..=2 {
        high.hub
            .connect(u8::try_from(port - 1).unwrap(), Speed::High);
        high.enumerate(port);
        high.set(port, SUSPEND).unwrap();
    }
    high.clear(1, SUSPEND).unwrap();
    high.now += 15;
    high.clear(2, SUSPEND).unwrap();
    high.set(3, RESET).unwrap();
    high.now += 10;
    assert_eq!(high.status(2), 0x0507);
    assert_eq!(high.status(1), 0x0004_0503);
    assert_eq!(high.status(3), 0x0110);
    high.now += 11;
    assert_eq!(high.status(2), 0x0004_0503);
}

#[test]
fn link_features() {
    for feature in [LINK_STATE, U1_TIMEOUT, U2_TIMEOUT] {
        let mut fast = Bench::powered(HubSpeed::Super);
        assert_eq!(fast.set(1, feature), Ok(Answer::default()));
        assert_eq!(fast.status(1), 0x0200);
        let mut high = Bench::powered(HubSpeed::High);
        assert_eq!(high.set(1, feature), Err(Stall));
    }
}

/// Of all other features the bit is set and cleared, if there is power to set it.
#[test]
fn other_features() {
    for hub in HUBS {
        for feature in 0..u16::try_from(u32::BITS).unwrap() {
            let bit = 1_u32 << feature;
            let special = [
                SUSPEND,
                RESET,
                LINK_STATE,
                POWER,
                U1_TIMEOUT,
                U2_TIMEOUT,
                BH_PORT_RESET,
            ];
            // Shown as the device is, whatever is set.
            let derived = feature == 0 || (hub == HubSpeed::High && matches!(feature, 9 | 10));
            let is_power = hub == HubSpeed::Super && feature == 9;
            if special.contains(&feature) || derived || is_power {
                continue;
            }
            let mut bench = Bench::new(hub);
            bench.set(1, feature).unwrap();
            assert_eq!(bench.status(1), 0, "{feature}");
            let mut bench = Bench::powered(hub);
            let before = bench.status(1);
            bench.set(1, feature).unwrap();
            assert_eq!(bench.status(1), before | bit, "{feature}");
            bench.clear(1, feature).unwrap();
            assert_eq!(bench.status(1), before, "{feature}");
        }
        let mut bench = Bench::powered(hub);
        for feature in [32, 33, 64, 255, u16::MAX] {
            assert_eq!(bench.set(1, feature), Err(Stall));
            assert_eq!(bench.clear(1, feature), Err(Stall));
        }
    }
}

/// No request makes up a device, or takes one away.
#[test]
fn connection_is_what_it_is() {
    let mut high = Bench::powered(HubSpeed::High);
    high.set(1, 0).unwrap();
    assert_eq!(high.status(1), 0x0100);
    high.hub.connect(0, Speed::Low);
    high.clear(1, 0).unwrap();
    high.clear(1, 9).unwrap();
    assert_eq!(high.status(1) & 0xffff, 0x0301);
    high.clear(1, ENABLE).unwrap();
    assert_eq!(high.status(1) & 0xffff, 0x0301);
}

/// The bitmap is as long as hub and ports need, and empty if nothing has changed.
#[test]
fn bitmaps() {
    for ports in 1..=15_u8 {
        let mut hub = Hub::new(HubSpeed::High, Geometry::new(1, ports).unwrap());
        let len = usize::from(ports / 8 + 1);
        let mut bits = [0xee; 4];
        assert_eq!(hub.status_bits(&mut bits), 0);
        assert!(bits[..len].iter().all(|byte| *byte == 0));
        assert_eq!(bits[len], 0xee);
        for port in 0..ports {
            hub.connect(port, Speed::High);
        }
        assert_eq!(hub.status_bits(&mut bits), len);
        let all = (1_u32 << (ports + 1)) - 2;
        assert_eq!(bits[..len], all.to_le_bytes()[..len]);
        assert_eq!(hub.status_bits(&mut bits[..len - 1]), 0, "no room");
    }
}

/// Whether the hub driver has looked or not, and whatever it did to the port.
#[test]
fn devices_are_counted() {
    let mut hub = Hub::new(HubSpeed::High, Geometry::new(1, 3).unwrap());
    assert_eq!(hub.connected(), 0);
    hub.connect(0, Speed::High);
    hub.connect(2, Speed::Low);
    hub.connect(3, Speed::High);
    assert_eq!(hub.connected(), 2, "there is no fourth port");
    hub.disconnect(0);
    hub.disconnect(1);
    assert_eq!(hub.connected(), 1);
}

/// Changes that the hub driver is not told of do not wake it.
#[test]
fn quiet_changes() {
    let mut fast = Bench::powered(HubSpeed::Super);
    let answer = fast.set(1, REMOTE_WAKE_MASK).unwrap();
    assert!(!answer.poll);
    assert_eq!(fast.changed(), []);
    for feature in 16..=20 {
        let answer = fast.set(1, feature).unwrap();
        assert!(answer.poll);
        assert_eq!(fast.changed(), [2, 0]);
        fast.clear(1, feature).unwrap();
    }
}

#[test]
fn time_may_start_and_end_anywhere() {
    for now in [0, u64::MAX - 10, u64::MAX] {
        let mut bench = Bench::powered(HubSpeed::High);
        bench.now = now;
        bench.set(1, RESET).unwrap();
        assert_eq!(bench.status(1), 0x0110);
    }
}

proptest! {
    /// Whatever is asked, in whatever order: connection and speed are those of the device, and an
    /// enabled port has one unless it was forced.
    #[test]
    fn any_requests(
        is_super: bool,
        steps in proptest::collection::vec(
            (any::<u8>(), 0_usize..14, 0_u16..36, 0_u16..18, 0_usize..64, 0_u64..60),
            0..100,
        ),
    ) {
        const REQUESTS: [u16; 11] = [
            CLEAR_HUB_FEATURE, SET_HUB_FEATURE, SET_HUB_DEPTH, CLEAR_PORT_FEATURE,
            SET_PORT_FEATURE, GET_DESCRIPTOR, GET_HUB_STATUS, GET_HUB_DESCRIPTOR,
            GET_PORT_STATUS, GET_PORT_ERROR_COUNT, 0x1234,
        ];
        let mut bench = Bench::new(if is_super { HubSpeed::Super } else { HubSpeed::High });
        let mut devices = [None; 15];
        for (speed, action, value, index, len, wait) in steps {
            bench.now += wait;
            let port = index.checked_sub(1).and_then(|port| u8::try_from(port).ok());
            match (action, port) {
                (11 | 12, Some(port)) => {
                    if let Some(speed) = Speed::from_number(u32::from(speed % 7)) {
                        bench.hub.connect(port, speed);
                        if let Some(device) = devices.get_mut(usize::from(port)) {
                            *device = Some(speed);
                        }
                    }
                }
                (13, Some(port)) => {
                    bench.hub.disconnect(port);
                    if let Some(device) = devices.get_mut(usize::from(port)) {
                        *device = None;
                    }
                }
                _ => {
                    let mut out = vec![0; len];
                    let request = REQUESTS.get(action).copied().unwrap_or(0);
                    // Enabling by force is for the hub driver of C only.
                    if (request, value) == (SET_PORT_FEATURE, ENABLE) {
                        continue;
                    }
                    if let Ok(answer) = bench.ask(request, value, index, &mut out) {
                        prop_assert!(answer.len <= len);
                    }
                }
            }
            for (port, device) in (0..).zip(devices) {
                let status = bench.hub.port_status(port).unwrap();
                prop_assert_eq!(status & 1 != 0, device.is_some());
                prop_assert!(status & 2 == 0 || device.is_some());
                if !is_super {
                    prop_assert_eq!(status & 0x0200 != 0, device == Some(Speed::Low));
                    prop_assert_eq!(status & 0x0400 != 0, device == Some(Speed::High));
                }
            }
        }
    }
}
