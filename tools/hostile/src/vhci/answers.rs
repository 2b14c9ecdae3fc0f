// SPDX-License-Identifier: GPL-2.0-or-later

//! What a server may write into an answer.

use usbip_proto::{
    CmdSubmit,
    IsoPacket,
    RetSubmit,
    Status, //
};

use super::{
    attached::fine,
    free,
    well_used,
    Attached,
    Driver, //
};
use crate::suite::{
    ensure,
    same,
    Result, //
};

/// One transfer that is answered in a way that ends the connection.
fn fatal(
    what: &str,
    transfer: &str,
    answer: impl Fn(&CmdSubmit) -> (RetSubmit, Vec<u8>),
) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, transfer)?;
    let submit = attached.submission()?;
    let (reply, data) = answer(&submit);
    attached.answer(&reply, &data)?;
    attached
        .closed()
        .map_err(|error| format!("{what}: {error}"))?;
    let done = driver
        .failed(1)
        .map_err(|error| format!("{what}: {error}"))?;
    same(&format!("{what}: its data"), 0, done.sum)?;
    drop((driver, attached));
    free()
}

pub(super) fn c1_negative_actual_length(_: &mut ()) -> Result {
    for length in [-1, i32::MIN, -4096] {
        for kind in ["bulk 0x81", "bulk 0x01", "interrupt 0x82"] {
            let what = format!("{kind} 0 1024");
            fatal(&what, &what, |submit| (fine(submit, length), Vec::new()))?;
        }
        let what = "iso 0x83 0 1024 512 512";
        fatal(what, what, |submit| (fine(submit, length), Vec::new()))?;
    }
    Ok(())
}

pub(super) fn c1_actual_length_beyond_the_buffer(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for (length, claimed) in [(4096, 4097), (1, 65536), (512, 1 << 20)] {
        for kind in ["bulk 0x81", "interrupt 0x82"] {
            driver.submit(1, &format!("{kind} 0 {length}"))?;
            let submit = attached.submission()?;
            let data = vec![0x77; usize::try_from(claimed)?];
            attached.answer(&fine(&submit, claimed), &data)?;
            let done = driver.done(1)?;
            same("status", Status::OVERFLOW, done.status)?;
            same("actual length", 0, done.actual_length)?;
        }
    }
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn c2_actual_length_of_a_write(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for claimed in [513, 0x7fff_ffff] {
        driver.submit(1, "bulk 0x01 0 512")?;
        let submit = attached.submission()?;
        attached.answer(&fine(&submit, claimed), &[])?;
        same("status", Status::PROTO, driver.done(1)?.status)?;
    }
    for claimed in [0, 100, 512] {
        driver.submit(1, "bulk 0x01 0 512")?;
        let submit = attached.submission()?;
        attached.answer(&fine(&submit, claimed), &[])?;
        let done = driver.done(1)?;
        same(
            "a short write",
            (Status::OK, claimed),
            (done.status, done.actual_length),
        )?;
    }
    drop(driver);
    well_used(&mut attached)
}

/// Asks for four packets of 100 bytes; answers with packets, and the data that they are said to have.
fn iso_in(
    attached: &mut Attached,
    driver: &mut Driver,
    actual_length: i32,
    data: &[u8],
    packet: impl Fn(u32) -> IsoPacket,
) -> Result<super::Done> {
    driver.submit(1, "iso 0x83 0x02 400 100 100 100 100")?;
    let submit = attached.submission()?;
    same("packets", 4, submit.packets)?;
    let packets: Vec<IsoPacket> = (0..4).map(packet).collect();
    attached
        .server
        .reply(&fine(&submit, actual_length), data, &packets)?;
    attached.flush()?;
    driver.done(1)
}

/// The data of four packets of 50 bytes, of which each has its number in every byte.
fn numbered() -> Vec<u8> {
    (1..=4).flat_map(|number| [number; 50]).collect()
}

pub(super) fn c3_iso_offsets_and_lengths_are_the_drivers(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for (offset, length) in [
        (0, 0),
        (0xffff_ff00, 0xffff),
        (400, 0xffff_ffff),
        (0x7fff_ffff, 1),
    ] {
        let done = iso_in(&mut attached, &mut driver, 200, &numbered(), |_| {
            IsoPacket {
                offset,
                length,
                actual_length: 50,
                status: Status::OK,
            }
        })?;
        same("status", Status::OK, done.status)?;
        for (packet, number) in done.packets.iter().zip(1..) {
            same("packet", (Status::OK, 50, number), *packet)?;
        }
    }
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn c3_iso_lengths_that_do_not_add_up(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for actual_length in [0, 49, 51, 100, 101, 0x7fff_ffff, 0xffff_ffff, 0xffff_ffce] {
        let done = iso_in(&mut attached, &mut driver, 200, &numbered(), |number| {
            IsoPacket {
                offset: number * 100,
                length: 100,
                actual_length: if number == 1 { actual_length } else { 50 },
                status: Status::OK,
            }
        })?;
        ensure(
            &format!("{actual_length}: {done:?}"),
            !done.status.is_ok() && done.packets.iter().all(|(status, ..)| !status.is_ok()),
        )?;
    }
    // As long as the buffer, which C takes for data without gaps and does not look at.
    let done = iso_in(&mut attached, &mut driver, 400, &[9; 400], |_| IsoPacket {
        offset: 0,
        length: 100,
        actual_length: 0x8000_0000,
        status: Status::OK,
    })?;
    ensure(&format!("{done:?}"), !done.status.is_ok())?;
    // More than the buffer.
    let done = iso_in(&mut attached, &mut driver, 404, &[9; 404], |_| IsoPacket {
        offset: 0,
        length: 101,
        actual_length: 101,
        status: Status::OK,
    })?;
    ensure(&format!("{done:?}"), !done.status.is_ok())?;
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn c3_iso_gaps_are_restored(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for lengths in [
        [100, 0, 100, 0],
        [0, 0, 0, 100],
        [1, 2, 3, 4],
        [100, 100, 100, 99],
    ] {
        let lengths: [u32; 4] = lengths;
        let mut data = Vec::new();
        for (length, number) in lengths.iter().zip(1_u8..) {
            data.resize(data.len() + usize::try_from(*length)?, number);
        }
        let sum = i32::try_from(data.len())?;
        let done = iso_in(&mut attached, &mut driver, sum, &data, |number| IsoPacket {
            offset: number * 100,
            length: 100,
            actual_length: lengths
                .into_iter()
                .nth(usize::try_from(number).unwrap_or(0))
                .unwrap_or(0),
            status: Status::OK,
        })?;
        same("status", Status::OK, done.status)?;
        for ((packet, length), number) in done.packets.iter().zip(lengths).zip(1..) {
            same("packet", (Status::OK, length), (packet.0, packet.1))?;
            if length > 0 {
                same("its first byte", number, packet.2)?;
            }
        }
    }
    Ok(())
}

pub(super) fn iso_legal_packet_counts(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    // usbfs takes no more.
    for count in [1, 2, 127, 128_usize] {
        let length = 1024 * count;
        let packets = " 1024".repeat(count);
        driver.submit(1, &format!("iso 0x83 0x02 {length}{packets}"))?;
        let submit = attached.submission()?;
        same("packets", i32::try_from(count)?, submit.packets)?;
        attached.good(&submit)?;
        let done = driver.done(1)?;
        same("status", (Status::OK, 0), (done.status, done.error_count))?;
        same("packets that came back", count, done.packets.len())?;
        for packet in done.packets {
            same("packet", (Status::OK, 1024), (packet.0, packet.1))?;
        }
        // 0 to 255, over and over.
        same("data", u64::try_from(length / 256)? * 255 * 128, done.sum)?;
    }
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn c4_packet_count_is_the_drivers(_: &mut ()) -> Result {
    for count in [5, 3, 1024, 1025, 0x7fff_ffff, 0, -1, i32::MIN] {
        let what = format!("{count} packets for 4");
        fatal(&what, "iso 0x83 0x02 400 100 100 100 100", |submit| {
            let mut reply = fine(submit, 0);
            reply.packets = count;
            (
                reply,
                vec![0; 16 * usize::try_from(count.clamp(0, 1024)).unwrap_or(0)],
            )
        })?;
    }
    // For other kinds the number means nothing, but some servers send it.
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for count in [1, -1, 1025, i32::MAX] {
        driver.submit(1, "bulk 0x81 0 512")?;
        let submit = attached.submission()?;
        let mut reply = fine(&submit, 512);
        reply.packets = count;
        attached.answer(&reply, &[1; 512])?;
        let done = driver.done(1)?;
        same(
            "status",
            (Status::OK, 512),
            (done.status, done.actual_length),
        )?;
    }
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn c4_start_frame_and_error_count(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for number in [0, -1, i32::MIN, i32::MAX] {
        driver.submit(1, "iso 0x83 0x02 400 100 100 100 100")?;
        let submit = attached.submission()?;
        let packets = [IsoPacket {
            offset: 0,
            length: 100,
            actual_length: 50,
            status: Status::OK,
        }; 4];
        let reply = RetSubmit {
            start_frame: number,
            error_count: number,
            ..fine(&submit, 200)
        };
        attached.server.reply(&reply, &numbered(), &packets)?;
        attached.flush()?;
        let done = driver.done(1)?;
        same("errors", (Status::OK, 0), (done.status, done.error_count))?;
    }
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn c13_status_that_is_no_errno(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for number in [1, 5, -115, -4096, i32::MAX, i32::MIN] {
        driver.submit(1, "bulk 0x81 0 512")?;
        let submit = attached.submission()?;
        let reply = RetSubmit {
            status: Status::from_raw(number),
            ..fine(&submit, 0)
        };
        attached.answer(&reply, &[])?;
        same(
            &format!("status {number}"),
            Status::PROTO,
            driver.done(1)?.status,
        )?;

        driver.submit(2, "bulk 0x84 0 512")?;
        attached.submission()?;
        driver.discard(2)?;
        let unlink = attached.unlink()?;
        attached
            .server
            .reply_unlink(&unlink, Status::from_raw(number))?;
        attached.flush()?;
        // usbcore overrides it with what it gave the transfer up for.
        driver.failed(2)?;

        let done = iso_in(&mut attached, &mut driver, 200, &numbered(), |_| {
            IsoPacket {
                offset: 0,
                length: 100,
                actual_length: 50,
                status: Status::from_raw(number),
            }
        })?;
        for (status, ..) in done.packets {
            same("status of a packet", Status::PROTO, status)?;
        }
    }
    drop(driver);
    well_used(&mut attached)
}
