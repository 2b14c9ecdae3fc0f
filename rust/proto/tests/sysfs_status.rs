// SPDX-License-Identifier: GPL-2.0

//! The `status` files, byte for byte, and what readers make of them.

use proptest::prelude::*;

use usbip_proto::{
    sysfs_text::{
        parse_status,
        BadRow,
        BusId,
        HubSpeed,
        ParsedRow,
        PortState,
        RowState,
        StatusRow,
        STATUS_HEADER, //
    },
    DevId,
    Speed, //
};

fn used() -> StatusRow {
    StatusRow {
        hub: HubSpeed::High,
        port: 0,
        state: RowState::Used {
            speed: Speed::Full,
            devid: DevId::new(1, 2),
            sockfd: 3,
            busid: BusId::new(b"1-1").unwrap(),
        },
    }
}

#[test]
fn rows() {
    assert_eq!(STATUS_HEADER.len(), 45);
    assert_eq!(used().to_string(), "hs  0000 006 002 00010002 000003 1-1\n");
    let table = [
        (
            HubSpeed::High,
            1,
            RowState::Empty(PortState::Null),
            "hs  0001 004 000 00000000 000000 0-0\n",
        ),
        (
            HubSpeed::Super,
            15,
            RowState::Empty(PortState::Null),
            "ss  0015 004 000 00000000 000000 0-0\n",
        ),
        (
            HubSpeed::Super,
            239,
            RowState::Empty(PortState::NotAssigned),
            "ss  0239 005 000 00000000 000000 0-0\n",
        ),
        (
            HubSpeed::High,
            2,
            RowState::Empty(PortState::Error),
            "hs  0002 007 000 00000000 000000 0-0\n",
        ),
        (
            HubSpeed::High,
            30,
            RowState::NotReady,
            "hs  0030 005 000 00000000 0000000000000000 0-0\n",
        ),
    ];
    for (hub, port, state, text) in table {
        assert_eq!(StatusRow { hub, port, state }.to_string(), text);
    }
}

/// Debian's file for an idle controller.
#[test]
fn idle_file() {
    let mut text = String::from(STATUS_HEADER);
    for port in 0..30 {
        let row = StatusRow {
            hub: if port < 15 {
                HubSpeed::High
            } else {
                HubSpeed::Super
            },
            port,
            state: RowState::Empty(PortState::Null),
        };
        text.push_str(&row.to_string());
    }
    assert_eq!(text.len(), 1155);
    let rows: Result<Vec<_>, _> = parse_status(text.as_bytes()).collect();
    let rows = rows.unwrap();
    assert_eq!(rows.len(), 30);
    for (port, row) in (0..).zip(&rows) {
        assert_eq!(row.port, port);
        assert_eq!(row.hub == HubSpeed::Super, port >= 15);
        assert_eq!(row.state, PortState::Null);
        assert_eq!(row.speed, None);
        assert_eq!(row.busid.as_str(), "0-0");
    }
}

#[test]
fn wide_values() {
    let row = StatusRow {
        hub: HubSpeed::Super,
        port: 12_345,
        state: RowState::Used {
            speed: Speed::SuperPlus,
            devid: DevId::from_wire(u32::MAX),
            sockfd: 1_048_576,
            busid: BusId::new(b"16-15.15.15.15.15").unwrap(),
        },
    };
    let text = "ss  12345 006 006 ffffffff 1048576 16-15.15.15.15.15\n";
    assert_eq!(row.to_string(), text);
    let parsed = ParsedRow::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.port, 12_345);
    assert_eq!(parsed.sockfd, 1_048_576);
    assert_eq!(parsed.devid.get(), u32::MAX);
}

#[test]
fn not_ready_rows_are_rows() {
    let row = ParsedRow::parse(b"hs  0030 005 000 00000000 0000000000000000 0-0\n").unwrap();
    assert_eq!(row.state, PortState::NotAssigned);
    assert_eq!(row.sockfd, 0);
}

#[test]
fn bad_rows() {
    for line in [
        "",
        "hs",
        "hs  0000",
        "hs  0000 006 002 00010002 000003",
        "hs  0000 008 000 00000000 000000 0-0",
        "hs  x 006 002 00010002 000003 1-1",
        "hs  0000 006 002 g0010002 000003 1-1",
        "hs  4294967296 006 002 00010002 000003 1-1",
        "hs  0000 006 002 100000000 000003 1-1",
    ] {
        assert_eq!(ParsedRow::parse(line.as_bytes()), Err(BadRow), "{line}");
    }
}

/// One bad row made the C tools abort.
#[test]
fn a_bad_row_does_not_spoil_the_others() {
    let text = "header\nhs  0000 004 000 00000000 000000 0-0\nnonsense\n\
                hs  0001 004 000 00000000 000000 0-0";
    let rows: Vec<_> = parse_status(text.as_bytes()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1], Err(BadRow));
    assert_eq!(rows[2].map(|row| row.port), Ok(1));
    assert_eq!(parse_status(b"").count(), 0);
    assert_eq!(parse_status(STATUS_HEADER.as_bytes()).count(), 0);
}

fn state() -> impl Strategy<Value = RowState> {
    let empty = prop_oneof![
        Just(PortState::Null),
        Just(PortState::NotAssigned),
        Just(PortState::Error)
    ];
    let used = (1_u32..=6, any::<u32>(), any::<u32>(), "[!-~]{1,31}").prop_map(
        |(speed, devid, sockfd, busid)| RowState::Used {
            speed: Speed::from_number(speed).unwrap(),
            devid: DevId::from_wire(devid),
            sockfd,
            busid: BusId::new(busid.as_bytes()).unwrap(),
        },
    );
    prop_oneof![
        Just(RowState::NotReady),
        empty.prop_map(RowState::Empty),
        used
    ]
}

proptest! {
    /// What the modules print, the tools read.
    #[test]
    fn rows_read_back(is_super: bool, port in any::<u32>(), state in state()) {
        let hub = if is_super { HubSpeed::Super } else { HubSpeed::High };
        let row = StatusRow { hub, port, state };
        let parsed = ParsedRow::parse(row.to_string().as_bytes()).unwrap();
        let nothing = BusId::new(b"0-0").unwrap();
        let empty = |state| ParsedRow {
            hub,
            port,
            state,
            speed: None,
            devid: DevId::default(),
            sockfd: 0,
            busid: nothing,
        };
        let expected = match state {
            RowState::NotReady => empty(PortState::NotAssigned),
            RowState::Empty(state) => empty(state),
            RowState::Used { speed, devid, sockfd, busid } => ParsedRow {
                hub,
                port,
                state: PortState::Used,
                speed: Some(speed),
                devid,
                sockfd,
                busid,
            },
        };
        prop_assert_eq!(parsed, expected);
    }

    #[test]
    fn any_text(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        for row in parse_status(&text).flatten() {
            prop_assert!(row.busid.as_bytes().len() < BusId::SIZE);
        }
    }
}
