// SPDX-License-Identifier: GPL-2.0-or-later

//! What a client may make the server allocate.

use std::{
    thread,
    time::Duration, //
};

use usbip_peer::{
    setup,
    sysfs,
    Received,
    Transfer, //
};
use usbip_proto::{
    CmdSubmit,
    Status,
    TransferFlags, //
};

use super::{
    available,
    connect,
    fatal,
    innocent,
    refused,
    well_served,
    wire::{
        bulk_endpoints,
        inquire, //
    },
    Devices, //
};
use crate::suite::{
    ensure,
    same,
    Result, //
};

pub(crate) fn s7_huge_transfers_are_refused(devices: &mut Devices) -> Result {
    let hint = TransferFlags::DMA_MAP_SG;
    for busid in devices.all() {
        let mut client = connect(busid)?;
        let endpoint = match busid == devices.disk() {
            true => bulk_endpoints(&mut client)?.0,
            false => 1,
        };
        // An interrupt endpoint wants an interval, or is refused for that.
        for length in [
            0x7fff_ffff,
            0x7fff_f000,
            0x4000_0000,
            0x1000_0000,
            0x0400_0001,
        ] {
            for flags in [TransferFlags::NONE, hint] {
                let errors = &[Status::MSGSIZE, Status::NOMEM, Status::PIPE];
                let bad = Transfer::interrupt_in(endpoint, length, 8).with_flags(flags);
                refused(&mut client, "a huge read", errors, &bad)?;
            }
        }
        // What is just within the limit is done, or there is no memory for it.
        for length in [0x0040_0000, 0x0300_0000, 0x03ff_0000] {
            for flags in [TransferFlags::NONE, hint] {
                let large = Transfer::interrupt_in(endpoint, length, 8).with_flags(flags);
                super::given_up(&mut client, &large)?;
            }
        }
        well_served(&mut client, busid)?;
    }
    Ok(())
}

pub(crate) fn s8_free_buffer_is_dropped(devices: &mut Devices) -> Result {
    let free = TransferFlags::FREE_BUFFER;
    let mut client = connect(devices.disk())?;
    let (into, _) = bulk_endpoints(&mut client)?;
    for flags in [free, free.with(TransferFlags::DMA_MAP_SG)] {
        inquire(&mut client, flags)?;
        // Large enough for a scatter-gather list, or for several URBs.
        for length in [65_536, 1 << 20] {
            super::given_up(
                &mut client,
                &Transfer::bulk_in(into, length).with_flags(flags),
            )?;
        }
        super::clear_halt(&mut client, into | 0x80)?;
    }
    inquire(&mut client, free)
}

pub(crate) fn s9_negative_lengths(devices: &mut Devices) -> Result {
    for busid in devices.all() {
        let mut client = connect(busid)?;
        let mut reads = vec![innocent()];
        if busid == devices.disk() {
            reads.push(Transfer::bulk_in(bulk_endpoints(&mut client)?.0, 0));
        }
        for length in [-1, -5, i32::MIN] {
            for mut bad in reads.clone() {
                bad.command.length = length;
                let errors = &[Status::MSGSIZE, Status::BADR, Status::INVAL];
                refused(&mut client, "a read", errors, &bad)?;
            }
        }
        drop(client);
        available(busid)?;
        // What follows a write of negative length nobody can know.
        for length in [-1, -5, i32::MIN] {
            let mut bad: CmdSubmit = Transfer::control_out(setup(0x40, 1, 0, 0, 0), &[]).command;
            bad.devid = sysfs::devid(busid)?;
            bad.length = length;
            fatal(busid, "a write of negative length", &bad.encode())?;
        }
    }
    Ok(())
}

/// Requests that nothing ends, in any number: those beyond what a connection may take up are
/// refused, and ending the connection ends them all.
pub(crate) fn s9_requests_without_end(devices: &mut Devices) -> Result {
    const REQUESTS: u32 = 150_000;
    let busid = devices.keyboard()?;
    let mut client = connect(busid)?;
    let mut refused = 0;
    for round in 0..REQUESTS / 1000 {
        for _ in 0..1000 {
            client.submit(&Transfer::interrupt_in(1, 8, 10))?;
        }
        let last = client.submit(&innocent())?;
        loop {
            match client.receive()?.ok_or("the connection was closed")? {
                Received::Submit { reply, .. } if reply.seqnum == last => {
                    let fair = matches!(reply.status, Status::OK | Status::NOMEM);
                    ensure(&format!("round {round}: {:?}", reply.status), fair)?;
                    break;
                }
                Received::Submit { reply, .. } => {
                    same("what is too much", Status::NOMEM, reply.status)?;
                    refused += 1;
                }
                Received::Unlink(reply) => return Err(format!("unasked: {reply:?}").into()),
            }
        }
        if refused > 2000 {
            break;
        }
    }
    ensure("a connection has its limits", refused > 0)?;
    drop(client);
    available(busid)
}

/// A client that sends and never reads: the server neither waits for it for ever nor collects
/// answers without end.
pub(crate) fn s9_answers_that_nobody_reads(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    client
        .link()
        .socket()
        .set_timeout(Some(Duration::from_secs(10)))?;
    let mut request = Transfer::bulk_in(15, 512);
    request.command.devid = client.devid();
    let mut block = Vec::new();
    for number in 0..256 {
        request.command.seqnum = usbip_proto::Seqnum::new(number);
        block.extend(request.command.encode());
    }
    let mut ended = false;
    for _ in 0..1000 {
        let sent = client
            .link()
            .push(&block)
            .and_then(|()| client.link().flush());
        if sent.is_err() {
            ended = true;
            break;
        }
    }
    ensure("256000 answers were not enough to be disconnected", ended)?;
    drop(client);
    available(busid)?;

    // The same without sending anything more: data wait to be sent, and the client just leaves.
    let mut client = connect(busid)?;
    for _ in 0..64 {
        client.submit(&Transfer::control_in(setup(0x80, 6, 0x0200, 0, 255)))?;
    }
    client.link().flush()?;
    thread::sleep(Duration::from_millis(100));
    drop(client);
    available(busid)
}
