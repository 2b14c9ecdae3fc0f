// SPDX-License-Identifier: GPL-2.0-or-later

//! Which request an answer is for, and when it comes.

use std::{
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use usbip_peer::{
    sysfs,
    Incoming,
    Transfer, //
};
use usbip_proto::{
    sysfs_text::PortState,
    CmdSubmit,
    Request,
    RetSubmit,
    RetUnlink,
    Seqnum,
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
    patience, //
    same,
    FailingAllocations,
    Messages,
    Race,
    Result,
};

/// An answer to a request of any number.
fn answer_to(seqnum: Seqnum) -> RetSubmit {
    RetSubmit {
        seqnum,
        status: Status::OK,
        actual_length: 0,
        start_frame: 0,
        packets: 0,
        error_count: 0,
    }
}

pub(super) fn c5_answer_to_what_is_not_sent(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x84 0 512")?;
    let submit = attached.submission()?;
    attached.answer(&answer_to(submit.seqnum.next()), &[])?;
    attached.closed()?;
    driver.failed(1)?;
    Ok(())
}

pub(super) fn c5_answer_to_what_is_being_sent(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for _ in 0..20 {
        // More than any buffer of a socket: it cannot be sent before it is read here.
        driver.submit(2, "bulk 0x01 0 4194304")?;
        let seqnum = begun(&mut attached)?;
        let mut early = answer_to(seqnum);
        early.actual_length = 4_194_304;
        attached.answer(&early, &[])?;
        thread::sleep(Duration::from_millis(5));
        let ended = driver.reap(0)?;
        ensure(
            &format!("ended while it was sent: {ended:?}"),
            ended.is_none(),
        )?;
        attached.server.link().skip(4_194_304)?;
        let done = driver.done(2)?;
        same(
            "status",
            (Status::OK, 4_194_304),
            (done.status, done.actual_length),
        )?;
    }
    drop(driver);
    well_used(&mut attached)?;

    // The connection ends in the middle of that.
    let mut driver = attached.driver()?;
    driver.submit(3, "bulk 0x01 0 4194304")?;
    let seqnum = begun(&mut attached)?;
    attached.answer(&answer_to(seqnum), &[])?;
    drop(attached);
    driver.done(3)?;
    Ok(())
}

/// Transfers of an endpoint end in the order in which they were answered, whoever gives them back.
pub(super) fn transfers_end_in_order(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for _ in 0..10 {
        // While the first one blocks the connection, the others are queued behind it.
        driver.submit(0, "bulk 0x01 0 4194304")?;
        let first = begun(&mut attached)?;
        driver.submit(1, "bulk 0x01 0 512")?;
        driver.submit(2, "bulk 0x01 0 0")?;
        driver.submit(3, "bulk 0x01 0 4194304")?;
        attached.server.link().skip(4_194_304)?;
        attached.answer(&answer_to(first), &[])?;
        driver.done(0)?;
        let second = begun(&mut attached)?;
        attached.server.link().skip(512)?;
        let third = begun(&mut attached)?;
        // The last one is still being sent now, perhaps together with these.
        attached.answer(&answer_to(second), &[])?;
        attached.answer(&answer_to(third), &[])?;
        let last = begun(&mut attached)?;
        thread::sleep(Duration::from_millis(5));
        attached.server.link().skip(4_194_304)?;
        attached.answer(&answer_to(last), &[])?;
        for id in 1..=3 {
            driver.done(id)?;
        }
    }

    // As quick as can be: answers come while the frame is being put together, sent and settled.
    let Attached {
        mut server,
        mut device,
        ..
    } = attached;
    let server = thread::spawn(move || drop(device.serve(&mut server)));
    for _ in 0..60 {
        driver.submit_all(32, "bulk 0x01 0 512")?;
        for id in 0..32 {
            driver.done(id)?;
        }
    }
    drop(driver);
    for row in sysfs::ports()? {
        if row.state == PortState::Used {
            sysfs::detach(row.port)?;
        }
    }
    server.join().map_err(|_| "the server")?;
    free()
}

/// Reads the header of a transfer to the device, and none of its data: it is being sent.
pub(super) fn begun(attached: &mut Attached) -> Result<Seqnum> {
    loop {
        let header = attached
            .server
            .link()
            .take()?
            .ok_or("the connection was closed")?;
        match Request::decode(&header)? {
            Request::Submit(submit) if submit.endpoint == 0 => {
                attached.good(&submit)?;
            }
            request => return Ok(request.seqnum()),
        }
    }
}

pub(super) fn c6_unlink_races_with_completion(_: &mut ()) -> Result {
    struct Peers(Attached, Driver, CmdSubmit);
    let attached = Attached::everything()?;
    let driver = attached.driver()?;
    let nothing = Transfer::bulk_in(1, 0).command;
    let mut peers = Peers(attached, driver, nothing);
    let mut race = Race::new();
    for _ in 0..300 {
        peers.1.submit(1, "bulk 0x81 0 512")?;
        peers.2 = loop {
            match peers.0.request()? {
                Incoming::Submit(submit) => break submit,
                // Of the round before, whose transfer has ended anyhow.
                Incoming::Unlink(unlink) => {
                    peers.0.server.reply_unlink(&unlink, Status::OK)?;
                    peers.0.flush()?;
                }
            }
        };
        race.run(
            &mut peers,
            |Peers(_, driver, _)| driver.discard(1),
            |Peers(attached, _, submit)| attached.good(submit),
        )?;
        let done = peers.1.done(1)?;
        let given_up = done.status == Status::NOENT;
        if !given_up {
            let whole = (done.status, done.actual_length);
            same("what was not given up", (Status::OK, 512), whole)?;
        }
        race.ended(given_up);
    }
    race.was_one()
}

pub(super) fn c7_unlink_of_what_is_not_sent(_: &mut ()) -> Result {
    let attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    // Nobody reads here: the first few fill the socket, the others wait.
    for id in 0..60 {
        driver.submit(id, "bulk 0x01 0 131072")?;
    }
    let started = Instant::now();
    for id in (30..60).rev() {
        driver.discard(id)?;
    }
    for _ in 30..60 {
        ensure("one was never given back", driver.reap(30)?.is_some())?;
    }
    ensure("giving up takes long", started.elapsed() < patience())?;
    // The connection ends with the others still unanswered, some of which are being given up.
    driver.discard(0)?;
    driver.discard(20)?;
    drop(attached);
    for _ in 0..30 {
        let done = driver.reap(30)?;
        ensure("one was never given back", done.is_some())?;
    }
    drop(driver);
    free()
}

pub(super) fn c8_c9_no_memory(_: &mut ()) -> Result {
    const MODULES: [&str; 2] = ["usbip_core", "vhci_hcd"];

    let mut failed = FailingAllocations::begin(&MODULES, 0)?.end()?;
    for _ in 0..10 {
        let attached = Attached::everything()?;
        let mut driver = attached.driver()?;
        let Attached {
            mut server,
            mut device,
            ..
        } = attached;
        // It answers unlinks. If it finds no memory itself, the connection ends, and so do all transfers.
        let server = thread::spawn(move || device.serve(&mut server).is_ok());
        let failing = FailingAllocations::begin(&MODULES, 20)?;
        let mut submitted = 0;
        for id in 0..40 {
            submitted += u32::from(driver.try_submit(id, "bulk 0x84 0 512")?);
        }
        for id in 0..40 {
            driver.discard(id)?;
        }
        let mut ended = u32::from(driver.reap(0)?.is_some());
        failed += failing.end()?;
        while ended < submitted {
            ensure("one was never given back", driver.reap(30)?.is_some())?;
            ended += 1;
        }
        drop(driver);
        for row in sysfs::ports()? {
            if row.state == PortState::Used {
                sysfs::detach(row.port)?;
            }
        }
        server.join().map_err(|_| "the server")?;
        free()?;
    }
    ensure("no allocation has failed", failed > 0)
}

pub(super) fn c11_unlink_of_scatter_gather(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for _ in 0..20 {
        // usbfs makes a scatter-gather list of what is longer than 16 KiB.
        driver.submit(1, "bulk 0x84 0 131072")?;
        attached.submission()?;
        driver.discard(1)?;
        let unlink = attached.unlink()?;
        attached.server.reply_unlink(&unlink, Status::CONNRESET)?;
        attached.flush()?;
        driver.failed(1)?;

        driver.submit(2, "bulk 0x81 0 131071")?;
        let submit = attached.submission()?;
        attached.good(&submit)?;
        let done = driver.done(2)?;
        same(
            "length",
            (Status::OK, 131_071),
            (done.status, done.actual_length),
        )?;
        same("data", 512 * 255 * 128 - 255, done.sum)?;
    }
    driver.submit(3, "bulk 0x84 0 131072")?;
    driver.submit(4, "bulk 0x84 0 1048576")?;
    drop(attached);
    let mut ended = [driver.any_done()?, driver.any_done()?];
    ended.sort_by_key(|done| done.id);
    // In any order, and as usbcore itself ends the transfers of a device that is gone: drivers take other errors for
    // those of a device that is still there.
    same(
        "the transfers of a connection that ended",
        [(3, Status::SHUTDOWN), (4, Status::SHUTDOWN)],
        ended.map(|done| (done.id, done.status)),
    )
}

pub(super) fn c12_unlinks_do_not_flood_the_log(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    let mut messages = Messages::from_now()?;
    for _ in 0..200 {
        driver.submit(1, "bulk 0x84 0 512")?;
        attached.submission()?;
        driver.discard(1)?;
        let unlink = attached.unlink()?;
        attached.server.reply_unlink(&unlink, Status::CONNRESET)?;
        attached.flush()?;
        driver.failed(1)?;
    }
    let count = messages.count()?;
    ensure(&format!("{count} lines for 200 unlinks"), count < 50)
}

pub(super) fn unlink_answered_after_the_transfer(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for status in [Status::OK, Status::CONNRESET, Status::NOENT] {
        driver.submit(1, "bulk 0x84 0 512")?;
        let submit = attached.submission()?;
        driver.discard(1)?;
        let unlink = attached.unlink()?;
        attached.server.reply(&fine(&submit, 512), &[1; 512], &[])?;
        attached.server.reply_unlink(&unlink, status)?;
        attached.flush()?;
        driver.done(1)?;
    }
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn unlink_answered_before_the_transfer(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x84 0 512")?;
    let submit = attached.submission()?;
    driver.discard(1)?;
    let unlink = attached.unlink()?;
    attached.server.reply_unlink(&unlink, Status::CONNRESET)?;
    // The transfer is over; this answers nothing, and what follows it could not be understood.
    attached.server.reply(&fine(&submit, 512), &[1; 512], &[])?;
    attached.flush()?;
    driver.failed(1)?;
    attached.closed()
}

/// As the C server answers a transfer that ends while it looks at unlinks.
pub(super) fn transfer_answered_after_nothing_to_unlink(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    for length in [512, 0, 65_536] {
        driver.submit(1, &format!("bulk 0x84 0 {length}"))?;
        let submit = attached.submission()?;
        driver.discard(1)?;
        let unlink = attached.unlink()?;
        attached.server.reply_unlink(&unlink, Status::OK)?;
        let data = vec![1; length];
        let late = fine(&submit, i32::try_from(length)?);
        attached.server.reply(&late, &data, &[])?;
        attached.flush()?;
        driver.done(1)?;
    }
    drop(driver);
    well_used(&mut attached)?;

    // Once is enough.
    let mut driver = attached.driver()?;
    driver.submit(2, "bulk 0x84 0 512")?;
    let submit = attached.submission()?;
    driver.discard(2)?;
    let unlink = attached.unlink()?;
    attached.server.reply_unlink(&unlink, Status::OK)?;
    for _ in 0..2 {
        attached.server.reply(&fine(&submit, 512), &[1; 512], &[])?;
    }
    attached.flush()?;
    driver.done(2)?;
    attached.closed()
}

pub(super) fn unlink_answered_twice(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x84 0 512")?;
    attached.submission()?;
    driver.discard(1)?;
    let unlink = attached.unlink()?;
    for _ in 0..3 {
        attached.server.reply_unlink(&unlink, Status::CONNRESET)?;
    }
    // As in C, an unlink that nobody waits for is passed over.
    for number in [0, 1, 0x8000_0000, 0xffff_ffff] {
        let nothing = RetUnlink {
            seqnum: Seqnum::new(number),
            status: Status::OK,
        };
        attached.server.link().push(&nothing.encode())?;
    }
    attached.flush()?;
    driver.failed(1)?;
    drop(driver);
    well_used(&mut attached)
}

pub(super) fn answer_to_nothing(_: &mut ()) -> Result {
    for number in [0, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        let mut attached = Attached::everything()?;
        attached.answer(&answer_to(Seqnum::new(number)), &[])?;
        attached.closed()?;
        drop(attached);
        free()?;
    }
    Ok(())
}

pub(super) fn answer_twice(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x81 0 512")?;
    let submit = attached.submission()?;
    attached.good(&submit)?;
    attached.good(&submit)?;
    same("the first answer", Status::OK, driver.done(1)?.status)?;
    attached.closed()
}

pub(super) fn answer_of_the_wrong_kind(_: &mut ()) -> Result {
    // An unlink's number in the answer to a transfer.
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x84 0 512")?;
    attached.submission()?;
    driver.discard(1)?;
    let unlink = attached.unlink()?;
    attached.answer(&answer_to(unlink.seqnum), &[])?;
    attached.closed()?;
    driver.failed(1)?;
    drop((driver, attached));
    free()?;

    // A transfer's number in the answer to an unlink.
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x84 0 512")?;
    let submit = attached.submission()?;
    let reply = RetUnlink {
        seqnum: submit.seqnum,
        status: Status::CONNRESET,
    };
    attached.send(&reply.encode())?;
    attached.closed()?;
    driver.failed(1)?;
    Ok(())
}

/// More requests than any table holds: those beyond are refused, and all come to an end.
pub(super) fn requests_without_end(_: &mut ()) -> Result {
    let attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    let mut submitted = 0;
    while submitted < 40_000 && driver.try_submit(submitted, "bulk 0x84 0 0")? {
        submitted += 1;
    }
    ensure(&format!("only {submitted} requests"), submitted > 1000)?;
    drop(attached);
    for number in 0..submitted {
        let ended = driver.reap(30)?.is_some();
        ensure(
            &format!("only {number} of {submitted} were given back"),
            ended,
        )?;
    }
    drop(driver);
    free()
}
