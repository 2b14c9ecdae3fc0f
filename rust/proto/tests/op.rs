// SPDX-License-Identifier: GPL-2.0

//! The management PDUs against bytes laid out by hand after the kernel's protocol document.

use usbip_proto::{
    op::{
        DeviceText,
        OpCode,
        OpCommon,
        OpError,
        OpStatus,
        UsbDevice, //
    },
    sysfs_text::BusId,
    DevId,
    Speed, //
};

#[test]
fn heads() {
    let list = OpCommon::request(OpCode::DevList);
    assert_eq!(list.encode(), [0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0]);
    let import = OpCommon::request(OpCode::Import);
    assert_eq!(import.encode(), [0x01, 0x11, 0x80, 0x03, 0, 0, 0, 0]);
    let busy = OpCommon::reply(OpCode::Import, OpStatus::DeviceBusy);
    assert_eq!(busy.encode(), [0x01, 0x11, 0x00, 0x03, 0, 0, 0, 2]);
    for head in [list, import, busy] {
        assert_eq!(OpCommon::decode(&head.encode()), Ok(head));
    }
}

#[test]
fn bad_heads() {
    assert_eq!(
        OpCommon::decode(&[0x01, 0x06, 0x80, 0x05, 0, 0, 0, 0]),
        Err(OpError::Version(0x106))
    );
    for code in [0x8000, 0x8001, 0x8008, 0x0000, 0x00ff, 0xffff] {
        let [high, low] = u16::to_be_bytes(code);
        assert_eq!(
            OpCommon::decode(&[0x01, 0x11, high, low, 0, 0, 0, 0]),
            Err(OpError::Code(code))
        );
    }
}

#[test]
fn words_for_statuses() {
    let words = [
        "Request Completed Successfully",
        "Request Failed",
        "Device busy (exported)",
        "Device in error state",
        "Device not found",
        "Unexpected response",
    ];
    for (number, words) in (0..).zip(words) {
        let status = OpStatus::from_number(number);
        assert_eq!(status.number(), number);
        assert_eq!(status.to_string(), words);
    }
    assert_eq!(OpStatus::from_number(77).number(), 77);
}

#[test]
fn device() {
    let path = "/sys/devices/pci0000:00/0000:00:1d.1/usb2/3-2";
    let device = UsbDevice {
        path: DeviceText::new(path),
        busid: BusId::new(b"3-2").unwrap(),
        bus: 3,
        dev: 2,
        speed: Speed::High.number(),
        vendor: 0x0781,
        product: 0x5581,
        release: 0x0100,
        class: 1,
        subclass: 2,
        protocol: 3,
        configuration: 4,
        configurations: 5,
        interfaces: 6,
    };
    let mut bytes = Vec::new();
    bytes.extend(path.as_bytes());
    bytes.resize(256, 0);
    bytes.extend(b"3-2");
    bytes.resize(288, 0);
    for number in [3_u32, 2, 3] {
        bytes.extend(number.to_be_bytes());
    }
    for number in [0x0781_u16, 0x5581, 0x0100] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend([1, 2, 3, 4, 5, 6]);
    let bytes: [u8; 312] = bytes.try_into().unwrap();
    assert_eq!(device.encode(), bytes);
    assert_eq!(UsbDevice::decode(&bytes), Some(device));
    assert_eq!(device.path.as_str(), path);
    assert_eq!(device.devid(), Some(DevId::new(3, 2)));
}

/// The C tools cut bus and device to eight bits, and such devices could not be imported.
#[test]
fn bus_numbers_above_255() {
    let mut bytes = [0; 312];
    bytes[256..261].copy_from_slice(b"999-1");
    bytes[288..292].copy_from_slice(&999_u32.to_be_bytes());
    bytes[292..296].copy_from_slice(&300_u32.to_be_bytes());
    let device = UsbDevice::decode(&bytes).unwrap();
    assert_eq!(device.devid().map(DevId::get), Some(0x03e7_012c));
    bytes[288..292].copy_from_slice(&0x1_0000_u32.to_be_bytes());
    assert_eq!(UsbDevice::decode(&bytes).unwrap().devid(), None);
}

#[test]
fn texts_are_cut() {
    let long = "x".repeat(300);
    assert_eq!(DeviceText::new(&long).as_str(), &long[..255]);
    assert_eq!(DeviceText::new("").as_str(), "");
    // A peer may send what is no text, or does not end.
    let mut bytes = [0xff; 312];
    bytes[256..288].fill(0);
    bytes[256] = b'a';
    let device = UsbDevice::decode(&bytes).unwrap();
    assert_eq!(device.path.as_str(), "");
    bytes[..256].fill(b'/');
    let device = UsbDevice::decode(&bytes).unwrap();
    assert_eq!(device.path.as_str().len(), 256);
}

#[test]
fn devices_without_a_name() {
    assert_eq!(UsbDevice::decode(&[0; 312]), None);
    let mut bytes = [0; 312];
    bytes[256..288].fill(b'1');
    assert_eq!(UsbDevice::decode(&bytes), None, "no room for the NUL");
    bytes[287] = 0;
    assert!(UsbDevice::decode(&bytes).is_some());
}
