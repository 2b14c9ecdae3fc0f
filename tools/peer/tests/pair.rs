// SPDX-License-Identifier: GPL-2.0-or-later

//! Both ends against each other.

use std::{
    io,
    thread, //
};

use usbip_peer::{
    op,
    setup,
    spaced,
    Client,
    Device,
    Model,
    Received,
    Server,
    Socket,
    Transfer, //
};
use usbip_proto::{
    op::{
        DeviceText,
        UsbDevice,
        UsbInterface, //
    },
    sysfs_text::BusId,
    DevId,
    Speed,
    Status, //
};

/// A client of a device that answers in a thread of its own.
fn with_device(speed: Speed, run: impl FnOnce(&mut Client) -> io::Result<()>) {
    let (near, far) = Socket::pair().unwrap();
    let device =
        thread::spawn(move || Device::new(Model::everything(speed)).serve(&mut Server::new(far)));
    let mut client = Client::new(near, DevId::new(1, 2));
    run(&mut client).unwrap();
    drop(client);
    device.join().unwrap().unwrap();
}

fn submitted(client: &mut Client) -> (Status, i32, Vec<u8>, usize) {
    match client.receive().unwrap().unwrap() {
        Received::Submit {
            reply,
            data,
            packets,
        } => (
            reply.status,
            reply.actual_length,
            data.to_vec(),
            packets.len(),
        ),
        Received::Unlink(reply) => panic!("{reply:?}"),
    }
}

#[test]
fn descriptors_have_the_lengths_that_they_say() {
    for speed in [Speed::Full, Speed::High, Speed::Super] {
        with_device(speed, |client| {
            client.submit(&Transfer::control_in(setup(0x80, 6, 0x0100, 0, 18)))?;
            client.submit(&Transfer::control_in(setup(0x80, 6, 0x0200, 0, 1024)))?;
            let (status, length, data, _) = submitted(client);
            assert_eq!((status, length, data.len()), (Status::OK, 18, 18));
            let (_, length, data, _) = submitted(client);
            assert_eq!(i32::from(u16::from_le_bytes([data[2], data[3]])), length);
            Ok(())
        });
    }
}

#[test]
fn bulk_data_of_all_sizes_arrive() {
    with_device(Speed::High, |client| {
        for length in [0, 1, 511, 512, 8191, 8192, 65536, 65537, 1 << 20] {
            client.submit(&Transfer::bulk_in(1, length))?;
            let (status, got, data, _) = submitted(client);
            assert_eq!(status, Status::OK);
            assert_eq!(u32::try_from(got).unwrap(), length);
            assert!(data
                .iter()
                .zip((0..=u8::MAX).cycle())
                .all(|(byte, wanted)| *byte == wanted));
            client.submit(&Transfer::bulk_out(1, &data))?;
            let (status, got, data, _) = submitted(client);
            assert_eq!((status, data.len()), (Status::OK, 0));
            assert_eq!(u32::try_from(got).unwrap(), length);
        }
        Ok(())
    });
}

#[test]
fn isochronous_packets_arrive_without_gaps() {
    with_device(Speed::High, |client| {
        let packets = spaced(8, 100, 128);
        client.submit(&Transfer::iso_in(3, 1024, &packets, 1))?;
        let (status, length, data, count) = submitted(client);
        assert_eq!(
            (status, length, data.len(), count),
            (Status::OK, 800, 800, 8)
        );
        client.submit(&Transfer::iso_out(3, &[0; 1024], &packets, 1))?;
        let (status, length, data, count) = submitted(client);
        assert_eq!((status, length, data.len(), count), (Status::OK, 800, 0, 8));
        Ok(())
    });
}

#[test]
fn what_is_held_back_can_be_unlinked() {
    with_device(Speed::High, |client| {
        let held = client.submit(&Transfer::bulk_in(4, 512))?;
        let unlink = client.unlink(held)?;
        match client.receive()?.unwrap() {
            Received::Unlink(reply) => {
                assert_eq!((reply.seqnum, reply.status), (unlink, Status::CONNRESET));
            }
            Received::Submit { reply, .. } => panic!("{reply:?}"),
        }
        Ok(())
    });
}

#[test]
fn a_listed_device_can_be_imported() {
    let busid = BusId::new(b"1-1").unwrap();
    let device = UsbDevice {
        path: DeviceText::new("/sys/nowhere"),
        busid,
        bus: 1,
        dev: 2,
        speed: 3,
        vendor: 0x1209,
        product: 1,
        release: 0x100,
        class: 0,
        subclass: 0,
        protocol: 0,
        configuration: 1,
        configurations: 1,
        interfaces: 1,
    };
    let devices = vec![(device, vec![UsbInterface::new(255, 0, 0)])];
    for wanted in ["1-1", "1-2"] {
        let (near, far) = Socket::tcp_pair().unwrap();
        let served = {
            let devices = devices.clone();
            thread::spawn(move || op::serve(&far, &devices).unwrap())
        };
        let imported = op::import(&near, &BusId::new(wanted.as_bytes()).unwrap());
        assert_eq!(imported.is_ok(), wanted == "1-1");
        assert_eq!(served.join().unwrap().is_some(), wanted == "1-1");
    }
    let (near, far) = Socket::pair().unwrap();
    let served = {
        let devices = devices.clone();
        thread::spawn(move || op::serve(&far, &devices).unwrap())
    };
    assert_eq!(op::devlist(&near).unwrap(), devices);
    assert_eq!(served.join().unwrap(), None);
}
