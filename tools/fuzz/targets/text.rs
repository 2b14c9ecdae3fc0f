// SPDX-License-Identifier: GPL-2.0-or-later

//! What is written to and read from sysfs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use usbip_logic::attach::{
    AttachRequest,
    Geometry,
    Place, //
};
use usbip_proto::sysfs_text::{
    parse_debug_flags,
    parse_detach,
    parse_sockfd,
    parse_sockfd_any_base,
    parse_status,
    AttachLine,
    BusId,
    MatchCommand,
    RowState,
    StatusRow, //
};

fuzz_target!(|data: &[u8]| {
    let geometries = [
        Geometry::new(8, 15),
        Geometry::new(1, 1),
        Geometry::new(32, 15),
    ];
    for geometry in geometries.into_iter().flatten() {
        if let Ok(request) = AttachRequest::parse(data, geometry) {
            assert_eq!(AttachLine::parse(data), Some(request.line));
            let number = request.place.number(geometry);
            assert!(number < geometry.all_ports());
            assert_eq!(Place::from_number(number, geometry), Some(request.place));
        }
        if let Some(place) = parse_detach(data).and_then(|n| Place::from_number(n, geometry)) {
            assert_eq!(parse_detach(data), Some(place.number(geometry)));
        }
    }
    let _ = (
        parse_sockfd(data),
        parse_sockfd_any_base(data),
        parse_debug_flags(data),
        MatchCommand::parse(data),
    );
    if let Some(name) = BusId::parse(data) {
        assert_eq!(BusId::parse(name.as_bytes()), Some(name));
        assert_eq!(BusId::from_field(&name.to_field()), Some(name));
    }
    for row in parse_status(data).flatten() {
        let state = match row.speed {
            Some(speed) => RowState::Used {
                speed,
                devid: row.devid,
                sockfd: row.sockfd,
                busid: row.busid,
            },
            None => RowState::Empty(row.state),
        };
        let text = StatusRow {
            hub: row.hub,
            port: row.port,
            state,
        }
        .to_string();
        assert!(usbip_proto::sysfs_text::ParsedRow::parse(text.as_bytes()).is_ok());
    }
});
