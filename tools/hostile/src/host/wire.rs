// SPDX-License-Identifier: GPL-2.0-or-later

//! What a client may write into a PDU.

use std::{
    thread,
    time::Duration, //
};

use usbip_peer::{
    setup,
    spaced,
    sysfs,
    Client,
    Received,
    Transfer, //
};
use usbip_proto::{
    CmdSubmit,
    CmdUnlink,
    DevId,
    Direction,
    IsoPacket,
    Seqnum,
    Status,
    TransferFlags,
    HEADER_LEN, //
};

use super::{
    available,
    connect,
    fatal,
    innocent,
    refused,
    transfer,
    well_served,
    Devices, //
};
use crate::suite::{
    ensure,
    same,
    Result, //
};

/// All flags that the wire has, and some that it has not.
const ALL_FLAGS: TransferFlags = TransferFlags::from_wire(0xffff_ffff);

/// A command block of a SCSI INQUIRY, in the wrapper of mass storage.
const INQUIRY: [u8; 31] = [
    b'U', b'S', b'B', b'C', 1, 2, 3, 4, 36, 0, 0, 0, 0x80, 0, 6, 0x12, 0, 0, 0, 36, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0,
];

/// The numbers of the disk's bulk endpoints, in and out.
pub(crate) fn bulk_endpoints(client: &mut Client) -> Result<(u32, u32)> {
    let answer = transfer(
        client,
        &Transfer::control_in(setup(0x80, 6, 0x0200, 0, 255)),
    )?;
    let (mut into, mut out) = (None, None);
    let mut rest = answer.data.as_slice();
    while let [length, kind, ..] = *rest {
        if let (5, [_, _, address, 2, ..]) = (kind, rest) {
            let number = u32::from(*address & 15);
            if *address & 0x80 != 0 {
                into = into.or(Some(number));
            } else {
                out = out.or(Some(number));
            }
        }
        rest = rest.get(usize::from(length.max(2))..).unwrap_or_default();
    }
    Ok((
        into.ok_or("no bulk endpoint in")?,
        out.ok_or("no bulk endpoint out")?,
    ))
}

/// Asks a disk for its name, with flags; all three transfers are checked.
pub(crate) fn inquire(client: &mut Client, flags: TransferFlags) -> Result {
    let (into, out) = bulk_endpoints(client)?;
    let answer = transfer(client, &Transfer::bulk_out(out, &INQUIRY).with_flags(flags))?;
    same(
        "command",
        (Status::OK, 31),
        (answer.reply.status, answer.reply.actual_length),
    )?;
    let answer = transfer(client, &Transfer::bulk_in(into, 36).with_flags(flags))?;
    same(
        "data",
        (Status::OK, 36),
        (answer.reply.status, answer.reply.actual_length),
    )?;
    // Removable, SCSI, 31 more bytes; then names, which are printable.
    let name = answer.data.get(8..36).unwrap_or_default();
    ensure(
        &format!("what INQUIRY reads is its answer: {:?}", answer.data),
        !name.is_empty() && name.iter().all(|byte| (0x20..0x7f).contains(byte)),
    )?;
    let answer = transfer(client, &Transfer::bulk_in(into, 13).with_flags(flags))?;
    same("status", Some(b"USBS".as_slice()), answer.data.get(..4))
}

/// The setting of the audio device in which it has its isochronous endpoint, and the endpoint.
pub(crate) struct AudioOut {
    pub(crate) endpoint: u32,
}

/// Chooses the setting in which the audio device takes data.
pub(crate) fn audio_out(client: &mut Client) -> Result<AudioOut> {
    let descriptor = transfer(
        client,
        &Transfer::control_in(setup(0x80, 6, 0x0200, 0, 1024)),
    )?;
    let (mut interface, mut setting) = (0, 0);
    let mut rest = descriptor.data.as_slice();
    while let [length, kind, ..] = *rest {
        match (kind, rest) {
            (4, [_, _, number, alternate, ..]) => (interface, setting) = (*number, *alternate),
            (5, [_, _, address, attributes, ..])
                if *address & 0x80 == 0 && *attributes & 3 == 1 =>
            {
                let request = setup(0x01, 11, setting.into(), interface.into(), 0);
                let answer = transfer(client, &Transfer::control_out(request, &[]))?;
                same("SET_INTERFACE", Status::OK, answer.reply.status)?;
                return Ok(AudioOut {
                    endpoint: u32::from(*address),
                });
            }
            _ => {}
        }
        rest = rest.get(usize::from(length.max(2))..).unwrap_or_default();
    }
    Err("no isochronous endpoint out".into())
}

pub(crate) fn s1_no_transfer_dma_map_is_dropped(devices: &mut Devices) -> Result {
    let mut client = connect(devices.disk())?;
    inquire(&mut client, TransferFlags::NONE)?;
    inquire(&mut client, TransferFlags::NO_TRANSFER_DMA_MAP)?;
    inquire(&mut client, ALL_FLAGS)?;
    let flags = TransferFlags::NO_TRANSFER_DMA_MAP;
    let answer = transfer(&mut client, &innocent().with_flags(flags))?;
    same("descriptor", Some(&[18, 1][..]), answer.data.get(..2))
}

pub(crate) fn s2_iso_offsets_and_lengths_are_checked(devices: &mut Devices) -> Result {
    let busid = devices.audio()?;
    let mut client = connect(busid)?;
    let audio = audio_out(&mut client)?;
    let data = [0; 192];
    let packet = |offset, length| IsoPacket {
        offset,
        length,
        actual_length: 0,
        status: Status::OK,
    };
    let bad = [
        ("offset beyond the buffer", packet(193, 0)),
        ("offset far away", packet(0x7fff_ffff, 192)),
        ("negative offset", packet(0xffff_ff00, 192)),
        ("offset that wraps with its length", packet(0xffff_ffff, 1)),
        ("length beyond the buffer", packet(0, 193)),
        ("end beyond the buffer", packet(100, 93)),
        ("huge length", packet(0, 0xffff_ffff)),
    ];
    for (what, packet) in bad {
        for packets in [vec![packet], vec![packet; 2]] {
            let errors = &[Status::INVAL, Status::MSGSIZE, Status::PROTO];
            let bad = Transfer::iso_out(audio.endpoint, &data, &packets, 1);
            refused(&mut client, what, errors, &bad)?;
        }
    }
    well_served(&mut client, busid)
}

pub(crate) fn s3_direction_is_in_or_out(devices: &mut Devices) -> Result {
    for direction in [2_u32, 3, 0x100, 0x8000_0000, 0xffff_ffff] {
        for busid in devices.all() {
            let mut header = command(busid, &innocent())?.encode();
            patch(&mut header, 12, direction);
            fatal(busid, "a direction that is none", &header)?;
        }
    }
    Ok(())
}

pub(crate) fn s4_sg_hint_is_for_bulk_only(devices: &mut Devices) -> Result {
    let hint = TransferFlags::DMA_MAP_SG;
    for busid in devices.all() {
        let mut client = connect(busid)?;
        for flags in [hint, hint.with(TransferFlags::DIR_IN), ALL_FLAGS] {
            let answer = transfer(&mut client, &innocent().with_flags(flags))?;
            same("descriptor", Some(&[18, 1][..]), answer.data.get(..2))?;
        }
    }
    for busid in devices.all() {
        available(busid)?;
    }
    if let Ok(busid) = devices.keyboard() {
        let mut client = connect(busid)?;
        let held = client.submit(&Transfer::interrupt_in(1, 8, 10).with_flags(hint))?;
        well_served(&mut client, busid)?;
        let unlink = client.unlink(held)?;
        same(
            "unlink",
            Status::CONNRESET,
            super::unlinked(&mut client, unlink)?,
        )?;
    }
    let busid = devices.audio()?;
    let mut client = connect(busid)?;
    let audio = audio_out(&mut client)?;
    let packets = spaced(4, 192, 192);
    let iso = Transfer::iso_out(audio.endpoint, &[0; 768], &packets, 1).with_flags(ALL_FLAGS);
    let answer = transfer(&mut client, &iso)?;
    same("isochronous transfer", Status::OK, answer.reply.status)
}

pub(crate) fn s10_control_direction_is_that_of_the_setup_packet(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let mut bad = Transfer::control_out(setup(0x80, 6, 0x0100, 0, 18), &[0; 18]);
    refused(&mut client, "write, setup reads", &[Status::INVAL], &bad)?;
    bad = Transfer::control_in(setup(0x00, 7, 0x0100, 0, 18));
    refused(&mut client, "read, setup writes", &[Status::INVAL], &bad)?;
    // Without data the direction says nothing.
    let mut none = Transfer::control_in(setup(0x00, 9, 1, 0, 0));
    same(
        "IN without data",
        Status::OK,
        transfer(&mut client, &none)?.reply.status,
    )?;
    none = Transfer::control_out(setup(0x80, 0, 0, 0, 0), &[]);
    transfer(&mut client, &none)?;
    well_served(&mut client, busid)
}

pub(crate) fn s10_control_length_is_that_of_the_setup_packet(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    for length in [0, 17, 19, 65536, 0x7fff_ffff] {
        let mut bad = innocent();
        bad.command.length = length;
        let errors = &[Status::BADR, Status::MSGSIZE];
        refused(&mut client, "length", errors, &bad)?;
    }
    Ok(())
}

/// `SET_ADDRESS` of a client would make a device answer in the place of another one, or not at all.
pub(crate) fn s10_addresses_are_each_machines_own(devices: &mut Devices) -> Result {
    for busid in devices.all() {
        let mut client = connect(busid)?;
        for address in [1, 2, 99, 127] {
            let set = Transfer::control_out(setup(0x00, 5, address, 0, 0), &[]);
            same(
                "address",
                Status::OK,
                transfer(&mut client, &set)?.reply.status,
            )?;
            well_served(&mut client, busid)?;
        }
    }
    Ok(())
}

pub(crate) fn s11_endpoints_that_do_not_exist(devices: &mut Devices) -> Result {
    for busid in devices.all() {
        let mut client = connect(busid)?;
        for endpoint in [15, 16, 0x81, 0xff, 0x100, 0x7fff_ffff, 0xffff_ffff] {
            let errors = &[Status::PIPE];
            let mut bad = Transfer::bulk_in(endpoint, 512);
            refused(&mut client, "read", errors, &bad)?;
            bad = Transfer::bulk_out(endpoint, &[0x5a; 4096]);
            refused(&mut client, "write", errors, &bad)?;
            let packets = spaced(8, 64, 64);
            bad = Transfer::iso_in(endpoint, 512, &packets, 1);
            refused(&mut client, "isochronous read", errors, &bad)?;
            bad = Transfer::iso_out(endpoint, &[0; 512], &packets, 1);
            refused(&mut client, "isochronous write", errors, &bad)?;
        }
    }
    Ok(())
}

pub(crate) fn s12_iso_packet_counts(devices: &mut Devices) -> Result {
    let busid = devices.audio()?;
    let mut client = connect(busid)?;
    let audio = audio_out(&mut client)?;
    for count in [0, -1, i32::MIN] {
        let mut bad = Transfer::iso_out(audio.endpoint, &[0; 192], &[], 1);
        bad.command.packets = count;
        refused(&mut client, "no packets", &[Status::INVAL], &bad)?;
    }
    drop(client);
    available(busid)?;
    for count in [1025, 65536, 65537, i32::MAX] {
        let mut client = connect(busid)?;
        let audio = audio_out(&mut client)?;
        let mut bad = Transfer::iso_out(audio.endpoint, &[], &[], 1);
        bad.command.packets = count;
        client.submit(&bad)?;
        super::closed(&mut client).map_err(|error| format!("{count} packets: {error}"))?;
        drop(client);
        available(busid)?;
    }
    Ok(())
}

/// A short packet ends a large write, and nothing within it does: what comes back ends where the write does.
pub(crate) fn s14_zero_packet_of_a_large_write(devices: &mut Devices) -> Result {
    let mut client = connect(devices.echo()?)?;
    let (into, out) = bulk_endpoints(&mut client)?;
    let data: Vec<u8> = (0..32_768_u32).flat_map(u32::to_le_bytes).collect();
    let whole = (Status::OK, 131_072);
    for hint in [TransferFlags::NONE, TransferFlags::DMA_MAP_SG] {
        for _ in 0..5 {
            let write = Transfer::bulk_out(out, &data);
            let write = client.submit(&write.with_flags(hint.with(TransferFlags::ZERO_PACKET)))?;
            // In one piece, so that it ends at the first short packet. The device takes the last one only when there
            // is room for it again.
            let read = client.submit(&Transfer::bulk_in(into, 262_144))?;
            for _ in 0..2 {
                match client.receive()?.ok_or("the connection was closed")? {
                    Received::Submit { reply, .. } if reply.seqnum == write => {
                        same("write", whole, (reply.status, reply.actual_length))?;
                    }
                    Received::Submit {
                        reply, data: got, ..
                    } => {
                        same("number of the answer", read, reply.seqnum)?;
                        same("read", whole, (reply.status, reply.actual_length))?;
                        ensure("what is read is what was written", got == data)?;
                    }
                    Received::Unlink(reply) => return Err(format!("unasked: {reply:?}").into()),
                }
            }
        }
    }
    Ok(())
}

/// A read ends where the device ends it: nothing of it takes what the device says next.
pub(crate) fn s14_large_read_of_little(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let (into, out) = bulk_endpoints(&mut client)?;
    for hint in [TransferFlags::NONE, TransferFlags::DMA_MAP_SG] {
        for length in [65_536, 131_072, 1 << 20] {
            let command = transfer(&mut client, &Transfer::bulk_out(out, &INQUIRY))?;
            same("command", Status::OK, command.reply.status)?;
            let read = Transfer::bulk_in(into, length).with_flags(hint);
            let data = transfer(&mut client, &read)?;
            same(
                "data",
                (Status::OK, 36),
                (data.reply.status, data.reply.actual_length),
            )?;
            let status = transfer(&mut client, &read)?;
            same(
                "status",
                (Status::OK, 13),
                (status.reply.status, status.reply.actual_length),
            )?;
            // The number of the command, nothing left over, and no error.
            let wanted = [b'U', b'S', b'B', b'S', 1, 2, 3, 4, 0, 0, 0, 0, 0];
            same("what it says", &wanted[..], &status.data[..])?;
        }
    }
    well_served(&mut client, busid)
}

pub(crate) fn wrong_devid(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let right = sysfs::devid(busid)?;
    for wrong in [0, 0xffff_ffff, right.get() + 1, right.get() << 16] {
        let mut submit = command(busid, &innocent())?;
        submit.devid = DevId::from_wire(wrong);
        fatal(busid, "submission to another device", &submit.encode())?;
        let unlink = CmdUnlink {
            seqnum: Seqnum::new(2),
            devid: DevId::from_wire(wrong),
            target: Seqnum::new(1),
        };
        fatal(busid, "unlink of another device", &unlink.encode())?;
    }
    Ok(())
}

pub(crate) fn unknown_command(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for number in [0_u32, 3, 4, 5, 0x0100_0000, 0xffff_ffff] {
        let mut header = command(busid, &innocent())?.encode();
        patch(&mut header, 0, number);
        fatal(busid, "a command that is none", &header)?;
    }
    Ok(())
}

pub(crate) fn truncated_header(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let header = command(busid, &innocent())?.encode();
    for length in [0, 1, 20, HEADER_LEN - 1] {
        let mut client = connect(busid)?;
        client
            .link()
            .push(header.get(..length).unwrap_or_default())?;
        client.link().finish()?;
        super::closed(&mut client)?;
        available(busid)?;
    }
    Ok(())
}

pub(crate) fn truncated_data(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for length in [0, 1, 10, 4095] {
        let mut client = connect(busid)?;
        let (_, out) = bulk_endpoints(&mut client)?;
        let data = [0; 4096];
        let mut bytes = command(busid, &Transfer::bulk_out(out, &data))?
            .encode()
            .to_vec();
        bytes.extend(data.get(..length).unwrap_or_default());
        client.link().push(&bytes)?;
        client.link().finish()?;
        super::closed(&mut client)?;
        available(busid)?;
    }
    Ok(())
}

pub(crate) fn pdu_in_single_bytes(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let mut submit = innocent().command;
    submit.devid = client.devid();
    submit.seqnum = client.number();
    client.expect(submit.seqnum, Direction::In, false);
    for byte in submit.encode() {
        client.link().push(&[byte])?;
        client.link().flush()?;
        thread::sleep(Duration::from_millis(1));
    }
    let answer = super::answer(&mut client, submit.seqnum)?;
    same("length", 18, answer.reply.actual_length)
}

pub(crate) fn any_number_of_packets_for_other_kinds(devices: &mut Devices) -> Result {
    let mut client = connect(devices.disk())?;
    for count in [0, -1, 1, 1024, 1025, i32::MAX, i32::MIN] {
        let mut request = innocent();
        request.command.packets = count;
        request.command.seqnum = client.number();
        request.command.devid = client.devid();
        client.expect(request.command.seqnum, Direction::In, false);
        client.link().push(&request.command.encode())?;
        let answer = super::answer(&mut client, request.command.seqnum)?;
        same("status", Status::OK, answer.reply.status)?;
        same(
            "number of packets of the answer",
            count,
            answer.reply.packets,
        )?;
    }
    Ok(())
}

pub(crate) fn iso_packets_with_gaps(devices: &mut Devices) -> Result {
    let mut client = connect(devices.audio()?)?;
    let audio = audio_out(&mut client)?;
    for stride in [192, 193, 256, 1000] {
        let packets = spaced(8, 192, stride);
        let data = vec![0; usize::try_from(8 * stride)?];
        let answer = transfer(
            &mut client,
            &Transfer::iso_out(audio.endpoint, &data, &packets, 1),
        )?;
        same("status", Status::OK, answer.reply.status)?;
        same("packets", 8, answer.packets.len())?;
        same("errors", 0, answer.reply.error_count)?;
        for (sent, got) in packets.iter().zip(&answer.packets) {
            same("offset", sent.offset, got.offset)?;
            same("length", sent.length, got.length)?;
        }
    }
    Ok(())
}

pub(crate) fn iso_legal_packet_counts(devices: &mut Devices) -> Result {
    let mut client = connect(devices.audio()?)?;
    let audio = audio_out(&mut client)?;
    for count in [1_u16, 2, 7, 8, 9, 63, 64, 128, 129, 1023, 1024] {
        let packets = spaced(count, 192, 192);
        let data = vec![0; usize::from(count) * 192];
        let answer = transfer(
            &mut client,
            &Transfer::iso_out(audio.endpoint, &data, &packets, 1),
        )?;
        same(
            &format!("status of {count} packets"),
            Status::OK,
            answer.reply.status,
        )?;
        same("packets", usize::from(count), answer.packets.len())?;
    }
    Ok(())
}

pub(crate) fn interval_of_zero(devices: &mut Devices) -> Result {
    let busid = devices.keyboard()?;
    let mut client = connect(busid)?;
    for interval in [0, -1, i32::MIN] {
        let bad = Transfer::interrupt_in(1, 8, interval);
        refused(&mut client, "interval", &[Status::INVAL], &bad)?;
    }
    // Whatever else is rounded to what the bus can do.
    for interval in [1, 10, 255, 65536, i32::MAX] {
        let held = client.submit(&Transfer::interrupt_in(1, 8, interval))?;
        well_served(&mut client, busid)?;
        let unlink = client.unlink(held)?;
        same(
            "unlink",
            Status::CONNRESET,
            super::unlinked(&mut client, unlink)?,
        )?;
    }
    Ok(())
}

pub(crate) fn reset_and_clear_halt(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let requests = [
        ("port reset", setup(0x23, 3, 4, 1, 0)),
        ("clear halt", setup(0x02, 1, 0, 0x81, 0)),
        ("clear halt of nothing", setup(0x02, 1, 0, 0x8f, 0)),
        (
            "clear halt of a number that is none",
            setup(0x02, 1, 0, 0xffff, 0),
        ),
        ("interface that is not there", setup(0x01, 11, 0, 77, 0)),
        ("setting that is not there", setup(0x01, 11, 77, 0, 0)),
        ("configuration that is not there", setup(0x00, 9, 77, 0, 0)),
        ("no configuration", setup(0x00, 9, 0, 0, 0)),
        ("its configuration", setup(0x00, 9, 1, 0, 0)),
    ];
    for (what, request) in requests {
        transfer(&mut client, &Transfer::control_out(request, &[]))
            .map_err(|error| format!("{what}: {error}"))?;
        well_served(&mut client, busid).map_err(|error| format!("after {what}: {error}"))?;
    }
    Ok(())
}

/// The header of a transfer as the first request to a device.
fn command(busid: &str, transfer: &Transfer<'_>) -> Result<CmdSubmit> {
    Ok(CmdSubmit {
        devid: sysfs::devid(busid)?,
        ..transfer.command
    })
}

/// Writes a number over a field of a header.
pub(crate) fn patch(header: &mut [u8], at: usize, value: u32) {
    for (to, from) in header.iter_mut().skip(at).zip(value.to_be_bytes()) {
        *to = from;
    }
}

pub(crate) fn set_address_does_not_lose_the_device(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    // Whether the device follows is between it and the client; the next client finds it.
    transfer(
        &mut client,
        &Transfer::control_out(setup(0x00, 5, 99, 0, 0), &[]),
    )?;
    drop(client);
    available(busid)
}
