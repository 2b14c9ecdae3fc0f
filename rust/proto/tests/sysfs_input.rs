// SPDX-License-Identifier: GPL-2.0

//! What users write to sysfs files: the grammars of the C modules, table by table.

use proptest::prelude::*;

use usbip_proto::{
    sysfs_text::{
        parse_debug_flags,
        parse_detach,
        parse_sockfd,
        parse_sockfd_any_base,
        write_busids,
        AttachLine,
        BusId,
        MatchCommand, //
    },
    DevId, //
};

fn name(text: &str) -> BusId {
    BusId::new(text.as_bytes()).unwrap()
}

#[test]
fn attach() {
    let line = AttachLine {
        port: 3,
        sockfd: 4,
        devid: DevId::new(1, 2),
        speed: 5,
    };
    assert_eq!(line.to_string(), "3 4 65538 5");
    for text in [
        "3 4 65538 5",
        "3 4 65538 5\n",
        "  3\t4\n65538   5",
        "3 4 65538 5 and whatever follows",
        "3 4 65538 5x",
        "0003 04 0065538 05",
        "3 4 65538 5\0 6",
    ] {
        assert_eq!(AttachLine::parse(text.as_bytes()), Some(line), "{text:?}");
    }
    for text in [
        "",
        "\n",
        "3",
        "3 4 65538",
        "3 4 65538 ",
        "3,4,65538,5",
        "-3 4 65538 5",
        "+3 4 65538 5",
        "3 4 0x10002 5",
        "a 4 65538 5",
        "3 4 65538\0 5",
    ] {
        assert_eq!(AttachLine::parse(text.as_bytes()), None, "{text:?}");
    }
}

/// C wraps such numbers: port 4294967296 was port 0.
#[test]
fn attach_does_not_wrap() {
    assert_eq!(AttachLine::parse(b"4294967296 4 65538 5"), None);
    assert_eq!(AttachLine::parse(b"0 4 65538 99999999999999999999"), None);
    let line = AttachLine::parse(b"4294967295 4294967295 4294967295 4294967295").unwrap();
    assert_eq!(line.port, u32::MAX);
    assert_eq!(line.fd(), -1);
}

#[test]
fn detach() {
    for (text, port) in [("0", 0), ("7\n", 7), ("+5", 5), ("007", 7), ("-0", 0)] {
        assert_eq!(parse_detach(text.as_bytes()), Some(port), "{text:?}");
    }
    for text in [
        "",
        "\n",
        " 1",
        "1 ",
        "1\n\n",
        "1x",
        "-1",
        "0x1",
        "2147483648",
        "--1",
        "+",
        "-",
    ] {
        assert_eq!(parse_detach(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(parse_detach(b"2147483647"), Some(0x7fff_ffff));
}

#[test]
fn sockfd() {
    for (text, fd) in [
        ("3\n", 3),
        ("-1\n", -1),
        (" 12 junk", 12),
        ("-2147483648", i32::MIN),
    ] {
        assert_eq!(parse_sockfd(text.as_bytes()), Some(fd), "{text:?}");
    }
    for text in ["", "x", "+1", "- 1", "2147483648", "-2147483649"] {
        assert_eq!(parse_sockfd(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn sockfd_of_an_emulated_controller() {
    for (text, fd) in [
        ("3\n", 3),
        ("-1", -1),
        ("0x1f", 31),
        ("-0X1F", -31),
        ("010", 8),
        ("0", 0),
    ] {
        assert_eq!(parse_sockfd_any_base(text.as_bytes()), Some(fd), "{text:?}");
    }
    for text in ["", "3 junk", "08", "0x", "0xg", " 3", "1f"] {
        assert_eq!(parse_sockfd_any_base(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn debug_flags() {
    for (text, flags) in [
        ("0", 0),
        ("ff\n", 0xff),
        ("0xFF", 0xff),
        (" 10", 0x10),
        ("010", 0x10),
        ("ffffffffffffffff", u64::MAX),
        ("8 junk", 8),
    ] {
        assert_eq!(parse_debug_flags(text.as_bytes()), Some(flags), "{text:?}");
    }
    for text in ["", "g", "-1", "10000000000000000"] {
        assert_eq!(parse_debug_flags(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn names() {
    let longest = "1".repeat(31);
    for text in ["1", "1-1", "3-1.4.2", "usb1", longest.as_str()] {
        let name = name(text);
        assert_eq!(name.as_str(), text);
        assert_eq!(name.to_string(), text);
        assert_eq!(format!("{name:?}"), format!("{text:?}"));
        assert_eq!(BusId::from_field(&name.to_field()), Some(name));
    }
    assert_eq!(format!("{:>11}|", name("1-1")), "        1-1|");
    for text in ["", "1 1", "1\n", "1\t", "\u{e4}", &"1".repeat(32)] {
        assert_eq!(BusId::new(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(BusId::from_field(&[b'1'; 32]), None);
}

#[test]
fn match_busid() {
    let five = name("5-5");
    assert_eq!(
        MatchCommand::parse(b"add 5-5"),
        Some(MatchCommand::Add(five))
    );
    assert_eq!(
        MatchCommand::parse(b"del 5-5"),
        Some(MatchCommand::Del(five))
    );
    assert_eq!(MatchCommand::Add(five).to_string(), "add 5-5");
    assert_eq!(MatchCommand::Del(five).to_string(), "del 5-5");
    let longest = format!("add {}", "1".repeat(31));
    assert!(MatchCommand::parse(longest.as_bytes()).is_some());
    let too_long = format!("add {}", "1".repeat(32));
    for text in [
        "", "add", "add ", "add \n", "add\t5-5", "Add 5-5", "mod 5-5", "5-5", "add  5-5", &too_long,
    ] {
        assert_eq!(MatchCommand::parse(text.as_bytes()), None, "{text:?}");
    }
}

/// With `echo` instead of `echo -n` the C module kept the newline in the name.
#[test]
fn newline_is_no_part_of_a_name() {
    assert_eq!(
        MatchCommand::parse(b"add 5-5\n"),
        Some(MatchCommand::Add(name("5-5")))
    );
    assert_eq!(BusId::parse(b"5-5\n"), Some(name("5-5")));
    assert_eq!(BusId::parse(b"5-5\0rest"), Some(name("5-5")));
    assert_eq!(BusId::parse(b"5-5\n\n"), None);
}

#[test]
fn list_of_names() {
    let list = |names: &[BusId]| {
        let mut text = String::new();
        write_busids(&mut text, names).unwrap();
        text
    };
    assert_eq!(list(&[]), "\n");
    assert_eq!(list(&[name("1-1"), name("5-5")]), "1-1 5-5 \n");
}

proptest! {
    #[test]
    fn attach_reads_back(port: u32, sockfd: u32, devid: u32, speed: u32) {
        let line = AttachLine { port, sockfd, devid: DevId::from_wire(devid), speed };
        prop_assert_eq!(AttachLine::parse(line.to_string().as_bytes()), Some(line));
    }

    #[test]
    fn detach_reads_back(port in 0_u32..0x8000_0000) {
        prop_assert_eq!(parse_detach(format!("{port}\n").as_bytes()), Some(port));
    }

    #[test]
    fn sockfd_reads_back(fd: i32) {
        prop_assert_eq!(parse_sockfd(format!("{fd}\n").as_bytes()), Some(fd));
        prop_assert_eq!(parse_sockfd_any_base(format!("{fd}\n").as_bytes()), Some(fd));
    }

    #[test]
    fn match_busid_reads_back(name in "[!-~]{1,31}", add: bool) {
        let name = BusId::new(name.as_bytes()).unwrap();
        let command = if add { MatchCommand::Add(name) } else { MatchCommand::Del(name) };
        prop_assert_eq!(MatchCommand::parse(command.to_string().as_bytes()), Some(command));
    }

    #[test]
    fn any_text(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = AttachLine::parse(&text);
        let _ = parse_detach(&text);
        let _ = parse_sockfd(&text);
        let _ = parse_sockfd_any_base(&text);
        let _ = parse_debug_flags(&text);
        if let Some(MatchCommand::Add(name) | MatchCommand::Del(name)) = MatchCommand::parse(&text) {
            prop_assert!((1..BusId::SIZE).contains(&name.as_bytes().len()));
        }
    }
}
