// SPDX-License-Identifier: GPL-2.0-or-later

//! Sequences of answers.

use usbip_peer::Incoming;
use usbip_proto::{
    CmdSubmit,
    CmdUnlink,
    IsoPacket,
    RetSubmit,
    RetUnlink,
    Seqnum,
    Status, //
};

use super::Rng;
use crate::{
    suite::{
        ensure,
        same,
        Result, //
    },
    vhci::{
        free,
        Attached,
        Driver, //
    }, //
};

/// The number of the transfer after which nothing more comes.
const LAST: u32 = 99;

/// What the last transfer looks like.
const LAST_LENGTH: i32 = 77;

/// A device and its driver; both are made anew when the connection has ended.
pub(super) struct Servers {
    both: Option<(Driver, Attached)>,
}

/// A transfer as it was asked for.
struct Asked {
    submit: CmdSubmit,
    packets: Vec<IsoPacket>,
    unlink: Option<CmdUnlink>,
}

impl Servers {
    pub(super) fn new() -> Self {
        Self { both: None }
    }

    /// Lets the driver ask for something, and answers it.
    pub(super) fn sequence(&mut self, rng: &mut Rng) -> Result {
        let (mut driver, mut attached) = match self.both.take() {
            Some(both) => both,
            None => {
                free()?;
                let attached = Attached::everything()?;
                (attached.driver()?, attached)
            }
        };
        let count = 1 + rng.below(6);
        for id in 0..count {
            driver.submit(id, &transfer(rng))?;
        }
        let mut expected = count + 1;
        driver.submit(LAST, &format!("bulk 0x81 0 {LAST_LENGTH}"))?;
        let (last, mut asked) = asked(&mut attached)?;
        same("transfers", usize::try_from(count)?, asked.len())?;

        // Some are given up, one after the other; the answers may come first.
        let mut ends = false;
        for id in (0..count).rev() {
            if ends || !rng.one_in(4) {
                continue;
            }
            let mut one = asked.remove(usize::try_from(id)?);
            driver.discard(id)?;
            if rng.one_in(2) {
                one.unlink = Some(unlink(&mut attached, one.submit.seqnum)?);
            }
            ends = answer(&mut attached, rng, &one)?;
        }
        while !asked.is_empty() && !ends {
            let index = rng.below(u32::try_from(asked.len())?);
            let one = asked.swap_remove(usize::try_from(index)?);
            ends = answer(&mut attached, rng, &one)?;
        }
        if ends {
            // Whatever the kernel waits for does not come.
            attached.server.link().finish()?;
            attached.closed()?;
        } else {
            attached.good(&last)?;
        }
        while expected > 0 {
            let done = driver.reap(60)?;
            ensure(
                &format!("{expected} transfers were never given back"),
                done.is_some(),
            )?;
            if let Some(done) = done {
                ensure(
                    &format!("{done:?}"),
                    done.status.get() <= 0 && done.actual_length >= 0,
                )?;
            }
            expected -= 1;
        }
        if !ends && !rng.one_in(200) {
            self.both = Some((driver, attached));
        }
        Ok(())
    }
}

/// A transfer for the driver to submit.
fn transfer(rng: &mut Rng) -> String {
    let length = match rng.below(4) {
        0 => 1 + rng.below(70_000),
        1 => 512 * (1 + rng.below(16)),
        _ => 100 + rng.below(400),
    };
    // Not what the last one looks like.
    match rng.below(8) {
        0 => format!("bulk 0x84 0 {length}"),
        1 => format!("bulk 0x04 0 {length}"),
        2 | 3 => format!("bulk 0x81 0 {}", length.max(100)),
        4 => format!("bulk 0x01 0 {length}"),
        5 => format!("interrupt 0x82 0 {}", length.min(1024)),
        number => {
            let endpoint = if number == 6 { "0x83" } else { "0x03" };
            let count = 1 + rng.below(20);
            let size = 1 + rng.below(1024);
            let packets = vec![size.to_string(); usize::try_from(count).unwrap_or(1)];
            format!("iso {endpoint} 0x02 {} {}", count * size, packets.join(" "))
        }
    }
}

/// All that the driver has asked for.
fn asked(attached: &mut Attached) -> Result<(CmdSubmit, Vec<Asked>)> {
    let mut asked: Vec<Asked> = Vec::new();
    loop {
        match attached.request()? {
            Incoming::Submit(submit) if submit.length == LAST_LENGTH && submit.endpoint == 1 => {
                return Ok((submit, asked))
            }
            Incoming::Submit(submit) => asked.push(Asked {
                submit,
                packets: attached.server.packets().to_vec(),
                unlink: None,
            }),
            // It was answered when it was sent.
            Incoming::Unlink(unlink) => {
                attached.server.reply_unlink(&unlink, Status::OK)?;
                attached.flush()?;
            }
        }
    }
}

/// Waits for the unlink of what was not answered. Others may still be under way.
fn unlink(attached: &mut Attached, target: Seqnum) -> Result<CmdUnlink> {
    loop {
        let unlink = attached.unlink()?;
        if unlink.target == target {
            return Ok(unlink);
        }
        attached.server.reply_unlink(&unlink, Status::OK)?;
        attached.flush()?;
    }
}

/// Answers a transfer; says whether that ends the connection.
fn answer(attached: &mut Attached, rng: &mut Rng, asked: &Asked) -> Result<bool> {
    let status = match rng.below(3) {
        0 => Status::from_raw(rng.nasty()),
        1 => Status::CONNRESET,
        _ => Status::OK,
    };
    if let Some(unlink) = &asked.unlink {
        if rng.one_in(2) {
            attached.server.reply_unlink(unlink, status)?;
            attached.flush()?;
            return Ok(false);
        }
    }
    let submit = &asked.submit;
    let is_in = submit.direction.is_in();
    let length = u32::try_from(submit.length)?;
    let mut packets = asked.packets.clone();
    let mut reply = RetSubmit {
        seqnum: submit.seqnum,
        status,
        actual_length: submit.length,
        start_frame: rng.nasty(),
        packets: submit.packets,
        error_count: rng.nasty(),
    };
    if packets.is_empty() {
        reply.actual_length = match rng.below(4) {
            0 => i32::try_from(rng.below(length + 1))?,
            1 => i32::try_from(length + rng.below(5000))?,
            _ => submit.length,
        };
        if rng.one_in(4) {
            reply.packets = rng.nasty();
        }
    } else {
        let mut sum = 0;
        for packet in &mut packets {
            packet.actual_length = match rng.below(3) {
                0 => rng.below(packet.length + 1),
                _ => packet.length,
            };
            sum += packet.actual_length;
        }
        reply.actual_length = i32::try_from(sum)?;
        // Wrong in one packet, or in the sum; the stream stays in step.
        if rng.one_in(3) {
            let nasty = u32::from_ne_bytes(rng.nasty().to_ne_bytes());
            let index = usize::try_from(rng.below(20))? % packets.len();
            if let Some(packet) = packets.get_mut(index) {
                match rng.below(4) {
                    0 => packet.offset = nasty,
                    1 => packet.length = nasty,
                    2 => packet.actual_length = nasty,
                    _ => packet.status = Status::from_raw(rng.nasty()),
                }
            }
        }
        if rng.one_in(6) {
            reply.actual_length = i32::try_from(rng.below(70_000))?;
        }
    }
    if rng.one_in(100) {
        return poison(attached, rng, reply);
    }
    let count = match is_in {
        true => usize::try_from(reply.actual_length)?,
        false => 0,
    };
    let data = vec![0x33; count];
    attached.server.reply(&reply, &data, &packets)?;
    if let Some(unlink) = &asked.unlink {
        attached
            .server
            .reply_unlink(unlink, Status::from_raw(rng.nasty()))?;
    }
    if rng.one_in(10) {
        // An answer to an unlink that nobody has sent is passed over.
        let nothing = RetUnlink {
            seqnum: Seqnum::new(submit.seqnum.get().wrapping_sub(1000)),
            status,
        };
        attached.server.link().push(&nothing.encode())?;
    }
    attached.flush()?;
    Ok(false)
}

/// Answers in a way that ends the connection.
fn poison(attached: &mut Attached, rng: &mut Rng, mut reply: RetSubmit) -> Result<bool> {
    let mut bytes = Vec::new();
    match rng.below(6) {
        0 => {
            reply.actual_length = -1 - rng.nasty().saturating_abs().min(i32::MAX - 1);
            bytes.extend(reply.encode());
        }
        1 => {
            reply.seqnum = Seqnum::new(rng.word());
            bytes.extend(reply.encode());
        }
        2 => {
            for _ in 0..=rng.below(20) {
                bytes.extend(rng.next().to_be_bytes());
            }
        }
        3 => {
            let cut = usize::try_from(rng.below(48))?;
            bytes.extend(reply.encode().get(..cut).unwrap_or_default());
        }
        4 => {
            reply.packets = rng.nasty();
            bytes.extend(reply.encode());
        }
        _ => {
            bytes.extend(reply.encode());
            bytes.extend([0x44; 10]);
        }
    }
    attached.send(&bytes)?;
    Ok(true)
}
