// SPDX-License-Identifier: GPL-2.0

//! Writes to `attach` and `detach`: which port they mean, and which error they get.

use usbip_logic::attach::{
    AttachError,
    AttachRequest,
    Geometry,
    Place, //
};
use usbip_proto::{
    sysfs_text::HubSpeed,
    Speed, //
};

/// As Debian configures it.
fn debian() -> Geometry {
    Geometry::new(8, 15).unwrap()
}

#[test]
fn geometries() {
    assert_eq!(debian().all_ports(), 240);
    assert_eq!((debian().controllers(), debian().ports()), (8, 15));
    assert_eq!(Geometry::new(1, 1).map(Geometry::all_ports), Some(2));
    assert_eq!(Geometry::new(32, 15).map(Geometry::all_ports), Some(960));
    for (controllers, ports) in [(0, 8), (33, 8), (8, 0), (8, 16), (255, 255)] {
        assert_eq!(Geometry::new(controllers, ports), None);
    }
}

/// Every port of every possible geometry has one number, and they are in the order of the rows.
#[test]
fn numbers_and_places() {
    for controllers in 1..=32 {
        for ports in 1..=15 {
            let geometry = Geometry::new(controllers, ports).unwrap();
            let mut number = 0;
            for controller in 0..controllers {
                for hub in [HubSpeed::High, HubSpeed::Super] {
                    for port in 0..ports {
                        let place = Place {
                            controller,
                            hub,
                            port,
                        };
                        assert_eq!(place.number(geometry), number);
                        assert_eq!(Place::from_number(number, geometry), Some(place));
                        number += 1;
                    }
                }
            }
            assert_eq!(number, geometry.all_ports());
            for number in [number, number + 1, u32::MAX] {
                assert_eq!(Place::from_number(number, geometry), None);
            }
        }
    }
}

fn parse(text: &str) -> Result<AttachRequest, AttachError> {
    AttachRequest::parse(text.as_bytes(), debian())
}

#[test]
fn speed_chooses_the_hub() {
    for (number, speed, landing) in [
        (3, 5, 18),
        (3, 6, 18),
        (3, 3, 3),
        (18, 3, 3),
        (18, 5, 18),
        (29, 1, 14),
        (30, 2, 30),
        (45, 4, 30),
        (239, 6, 239),
    ] {
        let request = parse(&format!("{number} 4 65538 {speed}")).unwrap();
        assert_eq!(request.place.number(debian()), landing);
        assert_eq!(Some(request.speed), Speed::from_number(speed));
        assert_eq!(request.line.fd(), 4);
        assert_eq!(request.line.devid.get(), 65_538);
    }
}

#[test]
fn errors_and_their_order() {
    for (text, error) in [
        ("0 4 65538", AttachError::Malformed),
        ("x", AttachError::Malformed),
        ("240 4 65538 3", AttachError::NoSuchPort(240)),
        ("4294967295 4 65538 9", AttachError::NoSuchPort(u32::MAX)),
        ("239 4 65538 0", AttachError::BadSpeed(0)),
        ("0 4 65538 7", AttachError::BadSpeed(7)),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
    for (error, errno) in [
        (AttachError::Malformed, -22),
        (AttachError::NoSuchPort(240), -22),
        (AttachError::BadSpeed(7), -22),
        (AttachError::NotReady, -11),
        (AttachError::NoThread, -22),
        (AttachError::Busy, -16),
    ] {
        assert_eq!(error.errno(), errno);
        assert!(!error.to_string().is_empty());
    }
}
