// SPDX-License-Identifier: GPL-2.0

//! Whatever is encoded decodes to itself, and whatever is decoded came from what it encodes to.

use proptest::prelude::*;

use usbip_proto::{
    op::{
        OpCode,
        OpCommon,
        OpStatus,
        UsbDevice,
        UsbInterface,
        USB_DEVICE_LEN, //
    },
    CmdSubmit,
    CmdUnlink,
    DevId,
    Direction,
    IsoPacket,
    Reply,
    Request,
    RetSubmit,
    RetUnlink,
    Seqnum,
    Status,
    TransferFlags, //
};

fn seqnum() -> impl Strategy<Value = Seqnum> {
    any::<u32>().prop_map(Seqnum::new)
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::In), Just(Direction::Out)]
}

fn request() -> impl Strategy<Value = Request> {
    let submit = (
        (seqnum(), any::<u32>(), direction(), any::<u32>()),
        (any::<u32>(), any::<[i32; 4]>(), any::<[u8; 8]>()),
    )
        .prop_map(
            |((seqnum, devid, direction, endpoint), (flags, n, setup))| {
                Request::Submit(CmdSubmit {
                    seqnum,
                    devid: DevId::from_wire(devid),
                    direction,
                    endpoint,
                    flags: TransferFlags::from_wire(flags),
                    length: n[0],
                    start_frame: n[1],
                    packets: n[2],
                    interval: n[3],
                    setup,
                })
            },
        );
    let unlink = (seqnum(), any::<u32>(), seqnum()).prop_map(|(seqnum, devid, target)| {
        Request::Unlink(CmdUnlink {
            seqnum,
            devid: DevId::from_wire(devid),
            target,
        })
    });
    prop_oneof![submit, unlink]
}

fn reply() -> impl Strategy<Value = Reply> {
    let submit = (seqnum(), any::<[i32; 5]>()).prop_map(|(seqnum, n)| {
        Reply::Submit(RetSubmit {
            seqnum,
            status: Status::from_raw(n[0]),
            actual_length: n[1],
            start_frame: n[2],
            packets: n[3],
            error_count: n[4],
        })
    });
    let unlink = (seqnum(), any::<i32>()).prop_map(|(seqnum, status)| {
        Reply::Unlink(RetUnlink {
            seqnum,
            status: Status::from_raw(status),
        })
    });
    prop_oneof![submit, unlink]
}

proptest! {
    #[test]
    fn requests(request in request()) {
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn replies(reply in reply()) {
        prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
    }

    #[test]
    fn iso_packets(bytes in any::<[u8; 16]>()) {
        prop_assert_eq!(IsoPacket::decode(&bytes).encode(), bytes);
    }

    /// Any header decodes, or is refused; and it is never the other side's.
    #[test]
    fn any_header(head in 0_u32..6, rest in any::<[u8; 44]>()) {
        let mut bytes = [0; 48];
        bytes[..4].copy_from_slice(&head.to_be_bytes());
        bytes[4..].copy_from_slice(&rest);
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert!(Reply::decode(&bytes).is_err());
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        if let Ok(reply) = Reply::decode(&bytes) {
            prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn management_heads(request in any::<bool>(), code in 0_u16..16, status in any::<u32>()) {
        if let Some(code) = OpCode::from_number(code) {
            prop_assert_eq!(OpCode::from_number(code.number()), Some(code));
            let common = OpCommon { request, code, status: OpStatus::from_number(status) };
            prop_assert_eq!(OpCommon::decode(&common.encode()), Ok(common));
        }
    }

    #[test]
    fn devices(bytes in proptest::collection::vec(any::<u8>(), USB_DEVICE_LEN)) {
        let mut bytes: [u8; USB_DEVICE_LEN] = bytes.try_into().unwrap();
        // A proper name in the middle of anything.
        bytes[256..288].fill(0);
        bytes[256..261].copy_from_slice(b"3-1.4");
        let device = UsbDevice::decode(&bytes).unwrap();
        prop_assert_eq!(device.encode(), bytes);
        let _ = device.path.as_str();
        let _ = device.devid();
    }

    #[test]
    fn interfaces(class: u8, subclass: u8, protocol: u8) {
        let interface = UsbInterface::new(class, subclass, protocol);
        prop_assert_eq!(interface.encode(), [class, subclass, protocol, 0]);
        prop_assert_eq!(UsbInterface::decode(&[class, subclass, protocol, 0xff]), interface);
    }

    #[test]
    fn device_numbers(bus: u16, dev: u16) {
        let devid = DevId::new(bus, dev);
        prop_assert_eq!(devid.get(), (u32::from(bus) << 16) | u32::from(dev));
        prop_assert_eq!((devid.bus(), devid.dev()), (bus, dev));
        prop_assert_eq!(DevId::from_wire(devid.get()), devid);
        prop_assert_eq!(devid.to_string(), format!("{:08x}", devid.get()));
    }
}
