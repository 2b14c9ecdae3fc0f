// SPDX-License-Identifier: GPL-2.0-or-later

//! A root hub between a hub driver that asks anything and devices that come and go.

#![no_main]

use libfuzzer_sys::fuzz_target;
use usbip_logic::{
    attach::Geometry,
    roothub::{
        Hub,
        HubRequest, //
    }, //
};
use usbip_proto::{
    sysfs_text::HubSpeed,
    Speed, //
};

fuzz_target!(|data: &[u8]| {
    let Some(([kind, ports], steps)) = data.split_first_chunk() else {
        return;
    };
    let speed = match kind & 1 {
        0 => HubSpeed::High,
        _ => HubSpeed::Super,
    };
    let Some(geometry) = Geometry::new(1, ports % 15 + 1) else {
        return;
    };
    let mut hub = Hub::new(speed, geometry);
    let mut now = 0_u64;
    for step in steps.chunks_exact(8) {
        now += u64::from(step[7]);
        let number = u32::from(step[1] % 8);
        match (step[0], Speed::from_number(number)) {
            (0, Some(device)) if HubSpeed::of(device) == speed => hub.connect(step[2], device),
            (1, _) => hub.disconnect(step[2]),
            _ => {
                let word = |at: usize| u16::from_be_bytes([step[at], step[at + 1]]);
                let request = HubRequest::decode(word(0), word(2), word(4));
                let mut out = vec![0xee; usize::from(step[6])];
                let before = out.len();
                if let Ok(answer) = hub.control(request, now, &mut out) {
                    assert!(answer.len <= before);
                }
            }
        }
        let mut bits = [0; 4];
        let length = hub.status_bits(&mut bits);
        assert_eq!(length > 0, hub.has_changed());
        assert!(length <= 2);
        assert!(hub.status_bits(&mut []) == 0);
        for port in 0..=15 {
            assert_eq!(hub.port_status(port).is_some(), port < geometry.ports());
        }
    }
});
