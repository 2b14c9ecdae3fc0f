// SPDX-License-Identifier: GPL-2.0

//! The PDUs of a running connection against bytes that did not come from this code: those of the
//! kernel's protocol document, and structures laid out by hand.

use usbip_proto::{
    CmdSubmit,
    CmdUnlink,
    DecodeError,
    DevId,
    Direction,
    IsoPacket,
    Reply,
    Request,
    RetSubmit,
    RetUnlink,
    Seqnum,
    Status,
    TransferFlags,
    HEADER_LEN, //
};

/// Reads hexadecimal digits with spaces anywhere.
fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits: String = text.split_whitespace().collect();
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

// The examples at the end of Documentation/usb/usbip_protocol.rst, captured from a keyboard.
const INTERRUPT_IN: &str = "00000001 00000d05 0001000f 00000001 00000001 00000200 00000040 \
                            ffffffff 00000000 00000004 00000000 00000000";
const INTERRUPT_OUT: &str = "00000001 00000d06 0001000f 00000000 00000001 00000000 00000040 \
                             ffffffff 00000000 00000004 00000000 00000000";
const RETURN_OUT: &str = "00000003 00000d06 00000000 00000000 00000000 00000000 00000040 \
                          ffffffff 00000000 00000000 00000000 00000000";
const RETURN_IN: &str = "00000003 00000d05 00000000 00000000 00000000 00000000 00000040 \
                         ffffffff 00000000 00000000 00000000 00000000";

#[test]
fn documented_submissions() {
    let submit = CmdSubmit {
        seqnum: Seqnum::new(0xd05),
        devid: DevId::new(1, 15),
        direction: Direction::In,
        endpoint: 1,
        flags: TransferFlags::DIR_IN,
        length: 64,
        start_frame: -1,
        packets: 0,
        interval: 4,
        setup: [0; 8],
    };
    let bytes: [u8; HEADER_LEN] = hex(INTERRUPT_IN);
    assert_eq!(Request::decode(&bytes), Ok(Request::Submit(submit)));
    assert_eq!(submit.encode(), bytes);

    let submit = CmdSubmit {
        seqnum: Seqnum::new(0xd06),
        direction: Direction::Out,
        flags: TransferFlags::NONE,
        ..submit
    };
    let bytes: [u8; HEADER_LEN] = hex(INTERRUPT_OUT);
    assert_eq!(Request::decode(&bytes), Ok(Request::Submit(submit)));
    assert_eq!(submit.encode(), bytes);
}

#[test]
fn documented_answers() {
    for (text, seqnum) in [(RETURN_OUT, 0xd06), (RETURN_IN, 0xd05)] {
        let answer = RetSubmit {
            seqnum: Seqnum::new(seqnum),
            status: Status::OK,
            actual_length: 64,
            start_frame: -1,
            packets: 0,
            error_count: 0,
        };
        let bytes: [u8; HEADER_LEN] = hex(text);
        assert_eq!(Reply::decode(&bytes), Ok(Reply::Submit(answer)));
        assert_eq!(answer.encode(), bytes);
    }
}

#[test]
fn every_field_of_a_submission() {
    let bytes: [u8; HEADER_LEN] = hex(
        "00000001 80000001 00020003 00000000 0000000f 00040041 00010000 \
         00000102 00000008 00000010 2109 0102 0304 0506",
    );
    let submit = CmdSubmit {
        seqnum: Seqnum::new(0x8000_0001),
        devid: DevId::new(2, 3),
        direction: Direction::Out,
        endpoint: 15,
        flags: TransferFlags::from_wire(0x0004_0041),
        length: 0x1_0000,
        start_frame: 0x102,
        packets: 8,
        interval: 16,
        setup: [0x21, 0x09, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06],
    };
    assert_eq!(Request::decode(&bytes), Ok(Request::Submit(submit)));
    assert_eq!(Request::Submit(submit).encode(), bytes);
    assert!(submit.flags.wants_sg());
}

#[test]
fn every_field_of_an_unlink() {
    let bytes: [u8; HEADER_LEN] = hex(
        "00000002 00000d07 0001000f 00000000 00000000 00000d05 00000000 \
         00000000 00000000 00000000 00000000 00000000",
    );
    let unlink = CmdUnlink {
        seqnum: Seqnum::new(0xd07),
        devid: DevId::new(1, 15),
        target: Seqnum::new(0xd05),
    };
    assert_eq!(Request::decode(&bytes), Ok(Request::Unlink(unlink)));
    assert_eq!(Request::Unlink(unlink).encode(), bytes);
}

#[test]
fn every_field_of_an_answer() {
    let bytes: [u8; HEADER_LEN] = hex(
        "00000003 00000001 00000000 00000000 00000000 ffffffe0 00000007 \
         00000102 00000008 00000002 00000000 00000000",
    );
    let answer = RetSubmit {
        seqnum: Seqnum::FIRST,
        status: Status::PIPE,
        actual_length: 7,
        start_frame: 0x102,
        packets: 8,
        error_count: 2,
    };
    assert_eq!(Reply::decode(&bytes), Ok(Reply::Submit(answer)));
    assert_eq!(Reply::Submit(answer).encode(), bytes);
}

#[test]
fn every_field_of_an_unlinked_answer() {
    let bytes: [u8; HEADER_LEN] = hex(
        "00000004 00000d07 00000000 00000000 00000000 ffffff98 00000000 \
         00000000 00000000 00000000 00000000 00000000",
    );
    let answer = RetUnlink {
        seqnum: Seqnum::new(0xd07),
        status: Status::CONNRESET,
    };
    assert_eq!(Reply::decode(&bytes), Ok(Reply::Unlink(answer)));
    assert_eq!(Reply::Unlink(answer).encode(), bytes);
}

/// Fields that a sender leaves zero are not looked at, as C does not look at them.
#[test]
fn unused_fields_are_ignored() {
    let mut bytes: [u8; HEADER_LEN] = [0xaa; HEADER_LEN];
    bytes[..4].copy_from_slice(&2_u32.to_be_bytes());
    assert!(matches!(
        Request::decode(&bytes),
        Ok(Request::Unlink(unlink)) if unlink.target.get() == 0xaaaa_aaaa
    ));
    bytes[..4].copy_from_slice(&4_u32.to_be_bytes());
    assert!(matches!(Reply::decode(&bytes), Ok(Reply::Unlink(_))));
    bytes[..4].copy_from_slice(&3_u32.to_be_bytes());
    assert!(matches!(Reply::decode(&bytes), Ok(Reply::Submit(_))));
}

/// Each side takes only the two commands that the other one sends.
#[test]
fn commands_of_the_wrong_side() {
    let mut bytes = [0; HEADER_LEN];
    for command in (0_u32..=8).chain([0x8001, 0x0100_0000, u32::MAX]) {
        bytes[..4].copy_from_slice(&command.to_be_bytes());
        let unknown = DecodeError::UnknownCommand(command);
        assert_eq!(
            Request::decode(&bytes).err(),
            (!matches!(command, 1 | 2)).then_some(unknown)
        );
        assert_eq!(
            Reply::decode(&bytes).err(),
            (!matches!(command, 3 | 4)).then_some(unknown)
        );
    }
    assert_eq!(
        DecodeError::UnknownCommand(0x8001).to_string(),
        "unknown command 0x8001"
    );
}

/// Direction 2 made the C server validate one endpoint and submit to another.
#[test]
fn s3_direction_is_in_or_out() {
    for direction in [2, 3, 0x80, 0x0100_0000, u32::MAX] {
        let mut bytes: [u8; HEADER_LEN] = hex(INTERRUPT_IN);
        bytes[12..16].copy_from_slice(&u32::to_be_bytes(direction));
        assert_eq!(
            Request::decode(&bytes),
            Err(DecodeError::BadDirection(direction))
        );
    }
}

#[test]
fn iso_packet() {
    let bytes = hex("00000c00 00000400 00000123 ffffffee");
    let packet = IsoPacket {
        offset: 0xc00,
        length: 0x400,
        actual_length: 0x123,
        status: Status::XDEV,
    };
    assert_eq!(IsoPacket::decode(&bytes), packet);
    assert_eq!(packet.encode(), bytes);
}
