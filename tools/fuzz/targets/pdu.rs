// SPDX-License-Identifier: GPL-2.0-or-later

//! Every structure of the wire: what is decoded is encoded to the same bytes, as far as they mean anything.

#![no_main]

use libfuzzer_sys::fuzz_target;
use usbip_proto::{
    op::{
        OpCommon,
        UsbDevice,
        UsbInterface, //
    },
    IsoPacket,
    Reply,
    Request, //
};

fuzz_target!(|data: &[u8]| {
    if let Some(header) = data.first_chunk() {
        if let Ok(request) = Request::decode(header) {
            let again = request.encode();
            assert_eq!(Request::decode(&again), Ok(request));
            if matches!(request, Request::Submit(_)) {
                assert_eq!(&again, header);
            }
        }
        if let Ok(reply) = Reply::decode(header) {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
        assert!(Request::decode(header).is_err() || Reply::decode(header).is_err());
    }
    if let Some(bytes) = data.first_chunk() {
        let packet = IsoPacket::decode(bytes);
        assert_eq!(&packet.encode(), bytes);
        assert!(packet.status.normalise().get() <= 0);
        assert_eq!(
            packet.status.normalise().normalise(),
            packet.status.normalise()
        );
    }
    if let Some(bytes) = data.first_chunk() {
        if let Ok(common) = OpCommon::decode(bytes) {
            assert_eq!(&common.encode(), bytes);
        }
    }
    if let Some(device) = data.first_chunk().and_then(UsbDevice::decode) {
        assert_eq!(UsbDevice::decode(&device.encode()), Some(device));
        let _ = (device.path.as_str(), device.devid());
    }
    if let Some(bytes) = data.first_chunk() {
        let interface = UsbInterface::decode(bytes);
        assert_eq!(UsbInterface::decode(&interface.encode()), interface);
    }
});
