// SPDX-License-Identifier: GPL-2.0-or-later

//! How requests, connections and devices come to their ends.

use std::{
    collections::HashSet,
    fs,
    io::{
        Read,
        Write, //
    },
    net::{
        Ipv4Addr,
        Shutdown,
        TcpStream, //
    },
    os::{
        fd::AsRawFd,
        unix::process::ExitStatusExt, //
    },
    process::{
        Command,
        Stdio, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use usbip_peer::{
    op,
    setup,
    sysfs,
    Client,
    Received,
    Socket,
    Transfer, //
};
use usbip_proto::{
    Seqnum,
    Status,
    TransferFlags,
    TCP_PORT, //
};

use super::{
    answer,
    available,
    bind,
    bind_now,
    connect,
    driver,
    innocent,
    transfer,
    unlinked,
    well_served,
    wire::bulk_endpoints,
    Devices, //
};
use crate::suite::{
    ensure,
    patience, //
    same,
    wait_for,
    FailingAllocations,
    Messages,
    Race,
    Result,
};

/// The number of write(2), as /proc has it.
#[cfg(target_arch = "x86_64")]
const WRITE: &str = "1";
#[cfg(not(target_arch = "x86_64"))]
const WRITE: &str = "64";

const SIGKILL: i32 = 9;

/// How transfers ended that were all given up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// So many were answered.
    pub(crate) answered: usize,
    /// So many unlinks were answered in the place of a transfer.
    pub(crate) given_up: usize,
}

/// Reads answers until every unlink has its own. Each submission has one answer or none, each
/// unlink exactly one.
pub(crate) fn settle_all(
    client: &mut Client,
    mut submits: HashSet<Seqnum>,
    mut unlinks: HashSet<Seqnum>,
) -> Result<Ends> {
    let mut ends = Ends::default();
    while !unlinks.is_empty() {
        let received = client.receive().map_err(|error| {
            format!("unlinks {unlinks:?} and transfers {submits:?} have no answer: {error}")
        })?;
        match received.ok_or("the connection was closed")? {
            Received::Submit { reply, .. } => {
                let known = submits.remove(&reply.seqnum);
                ensure(&format!("an answer twice: {reply:?}"), known)?;
                ends.answered += 1;
            }
            Received::Unlink(reply) => {
                let known = unlinks.remove(&reply.seqnum);
                ensure(&format!("an answer twice: {reply:?}"), known)?;
                ends.given_up += usize::from(reply.status == Status::CONNRESET);
            }
        }
    }
    Ok(ends)
}

/// Control requests end one after the other: it is sought when to give them up, so that some have ended and others not.
///
/// Where that is always too late, because the machine takes longer for a request than the device, each is given up
/// before the next is made.
fn control_requests_are_given_up(client: &mut Client) -> Result {
    const REQUESTS: usize = 32;
    let mut total = Ends::default();
    let mut race = Race::new();
    for _ in 0..100 {
        let (mut submits, mut unlinks) = (Vec::new(), HashSet::new());
        for _ in 0..REQUESTS {
            let seqnum = client.submit(&innocent())?;
            if !race.has_head_start() {
                unlinks.insert(client.unlink(seqnum)?);
            }
            submits.push(seqnum);
        }
        if race.has_head_start() {
            race.head_start(|| Ok(client.link().flush()?))?;
            for seqnum in &submits {
                unlinks.insert(client.unlink(*seqnum)?);
            }
        }
        let ends = settle_all(client, submits.iter().copied().collect(), unlinks)?;
        for seqnum in submits {
            client.forget(seqnum);
        }
        race.ended(ends.answered > REQUESTS / 2);
        total.answered += ends.answered;
        total.given_up += ends.given_up;
    }
    ensure(
        &format!("always the same outcome: {total:?}"),
        total.answered > 0 && total.given_up > 0,
    )
}

pub(crate) fn s5_unlink_races_with_completion(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    // QEMU's xHCI forgets the next control transfer once a whole queue of them was cancelled.
    if !super::is_on_xhci(busid)? {
        control_requests_are_given_up(&mut client)?;
    }
    well_served(&mut client, busid)?;
    let Ok(busid) = devices.keyboard() else {
        return Ok(());
    };
    let mut client = connect(busid)?;
    for _ in 0..50 {
        let (mut submits, mut unlinks) = (HashSet::new(), HashSet::new());
        for _ in 0..32 {
            let seqnum = client.submit(&Transfer::interrupt_in(1, 8, 10))?;
            submits.insert(seqnum);
        }
        for seqnum in submits.iter().copied().chain(submits.iter().copied()) {
            unlinks.insert(client.unlink(seqnum)?);
        }
        let ends = settle_all(&mut client, submits, unlinks)?;
        let all = Ends {
            answered: 0,
            given_up: 32,
        };
        same("what a keyboard that nobody touches says", all, ends)?;
    }
    well_served(&mut client, busid)
}

pub(crate) fn s6_many_requests_at_once(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let mut open = HashSet::new();
    for round in 0..5000 {
        open.insert(client.submit(&innocent())?);
        if round % 7 == 0 {
            open.insert(client.submit(&Transfer::bulk_in(15, 64))?);
        }
        while open.len() > 64 {
            let received = client.receive()?.ok_or("the connection was closed")?;
            let seqnum = received.seqnum();
            ensure("an answer twice", open.remove(&seqnum))?;
        }
    }
    Ok(())
}

/// While the device is locked by whoever unbinds it, a client asks for what takes that lock.
pub(crate) fn s13_set_configuration_while_unbinding(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for round in 0..10_u64 {
        let mut client = connect(busid)?;
        for _ in 0..40 {
            client.submit(&Transfer::control_out(setup(0x00, 9, 1, 0, 0), &[]))?;
            client.submit(&Transfer::control_out(setup(0x01, 11, 0, 0, 0), &[]))?;
        }
        client.link().flush()?;
        thread::sleep(Duration::from_millis(round * 3));
        let started = Instant::now();
        driver("unbind", busid)?;
        ensure("unbinding takes long", started.elapsed() < patience())?;
        super::closed(&mut client)?;
        bind(busid)?;
    }
    Ok(())
}

pub(crate) fn s15_unlink_of_a_large_transfer(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let (into, _) = bulk_endpoints(&mut client)?;
    // QEMU's stick stalls what it does not expect. A gadget has nothing to say until it is asked.
    let stalls = super::is_on_xhci(busid)?;
    for length in [65_536, 4 << 20] {
        let read = Transfer::bulk_in(into, length).with_flags(TransferFlags::DMA_MAP_SG);
        for _ in 0..25 {
            let ended = super::given_up(&mut client, &read)?;
            // There may be no 4 MiB in one piece, for a controller that wants one.
            if !stalls && (length == 65_536 || ended.is_some()) {
                same("given up", Some(Status::CONNRESET), ended)?;
            }
            well_served(&mut client, busid)?;
        }
    }
    Ok(())
}

pub(crate) fn s16_connection_that_cannot_be_written_ends(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for how in [Shutdown::Both, Shutdown::Read] {
        let mut client = connect(busid)?;
        for _ in 0..32 {
            client.submit(&innocent())?;
        }
        client.link().flush()?;
        client.link().socket().shutdown(how)?;
        // A stream that only reads no more is noticed by writing to it.
        let more = client
            .submit(&innocent())
            .and_then(|_| client.link().flush());
        if how == Shutdown::Read {
            drop(more);
        }
        wait_for("the device is free again", || {
            matches!(sysfs::host_status(busid), Ok(1))
        })?;
    }
    Ok(())
}

pub(crate) fn s17_failing_requests_do_not_flood_the_log(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let mut messages = Messages::from_now()?;
    let started = Instant::now();
    for _ in 0..1000 {
        transfer(&mut client, &Transfer::bulk_in(15, 512))?;
        transfer(
            &mut client,
            &Transfer::control_in(setup(0x80, 6, 0x7700, 0, 18)),
        )?;
    }
    let count = messages.count()?;
    // Two limits of ten lines in five seconds each; C writes 2000 and more.
    let periods = usize::try_from(started.elapsed().as_secs() / 5)?;
    let limit = 60 + 20 * periods;
    ensure(&format!("{count} lines for 2000 requests"), count < limit)
}

pub(crate) fn s18_rebind_of_what_was_never_bound(_: &mut Devices) -> Result {
    for name in ["7-7", "usb1", "1-0:1.0", "", "\n"] {
        let result = driver("rebind", name);
        // An empty write does not reach the driver.
        let failed = result.is_err() || name.is_empty();
        ensure(&format!("rebind of '{name}': {result:?}"), failed)?;
    }
    Ok(())
}

pub(crate) fn s19_rebind_while_bound(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for _ in 0..5 {
        // Refused or done, but done in order: the name can still be unbound and bound.
        drop(driver("rebind", busid));
        let bound = sysfs::device(busid).join("driver");
        let name = fs::read_link(&bound).map(|path| path.ends_with("usbip-host"));
        if matches!(name, Ok(true)) {
            driver("unbind", busid)?;
        }
        bind(busid)?;
    }
    Ok(())
}

pub(crate) fn s21_link_has_keepalive(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let (near, far) = Socket::tcp_pair()?;
    let link = fs::read_link(format!("/proc/self/fd/{}", far.as_raw_fd()))?;
    let inode: String = link
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    sysfs::export(busid, &far)?;
    let mut client = Client::new(near, sysfs::devid(busid)?);
    well_served(&mut client, busid)?;
    wait_for("a timer that probes the idle link", || {
        let Ok(table) = fs::read_to_string("/proc/net/tcp") else {
            return false;
        };
        // The sixth column is the timer, 02 for keepalive; the tenth is the inode.
        table.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            matches!(columns.as_slice(), [_, _, _, _, _, timer, _, _, _, number, ..]
                if *number == inode && timer.starts_with("02:"))
        })
    })?;
    drop(far);
    drop(client);
    available(busid)
}

/// Clients that connect and say nothing do not keep others from being served.
pub(crate) fn s22_silent_clients_of_usbipd(devices: &mut Devices) -> Result {
    if TcpStream::connect((Ipv4Addr::LOCALHOST, TCP_PORT)).is_err() {
        return Err(crate::suite::Skip("usbipd").into());
    }
    let mut silent = Vec::new();
    for number in 0..20 {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, TCP_PORT))?;
        // Some stop in the middle of what they say.
        if number % 2 == 0 {
            socket.write_all(&[0x01, 0x11, 0x80])?;
        }
        silent.push(socket);
    }
    let socket = Socket::connect((Ipv4Addr::LOCALHOST, TCP_PORT))?;
    socket.set_timeout(Some(patience()))?;
    let listed = op::devlist(&socket)?;
    ensure(
        "the device is listed",
        listed
            .iter()
            .any(|(device, _)| device.busid.as_str() == devices.disk()),
    )
}

/// Whoever unbinds is killed while it waits.
pub(crate) fn e1_signal_while_unbinding(devices: &mut Devices) -> Result {
    const ROUNDS: u64 = 30;
    let busid = devices.disk();
    let mut landed = 0;
    for round in 0..ROUNDS {
        let mut client = connect(busid)?;
        for _ in 0..32 {
            client.submit(&innocent())?;
        }
        client.link().flush()?;
        let mut writer = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "read line; echo {busid} >/sys/bus/usb/drivers/usbip-host/unbind"
            ))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        writer.stdin.take().ok_or("no pipe")?.write_all(b"go\n")?;
        let seen = waits_in_write(writer.id(), &mut || Ok(writer.try_wait()?.is_some()))?;
        thread::sleep(Duration::from_micros(round % 10 * 100));
        writer.kill()?;
        let killed = writer.wait()?.signal() == Some(SIGKILL);
        landed += u32::from(seen && killed);
        drop(client);
        // It was unbound, or not yet.
        if sysfs::device(busid).join("usbip_status").exists() {
            available(busid)?;
        }
        if let Err(error) = driver("unbind", busid) {
            ensure(
                &format!("unbind: {error}"),
                error.raw_os_error() == Some(19),
            )?;
        }
        bind(busid)?;
    }
    // It may be over before it is seen, but not always.
    ensure(
        &format!("{landed} were killed while they waited"),
        landed > 0,
    )
}

/// Waits until a process sleeps in write(2), and says whether it did so before it ended.
fn waits_in_write(process: u32, ended: &mut dyn FnMut() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + patience();
    while Instant::now() < end {
        // "running", or the number of the call and what it was called with.
        let call = fs::read_to_string(format!("/proc/{process}/syscall")).unwrap_or_default();
        if call.split(' ').next() == Some(WRITE) {
            return Ok(true);
        }
        if ended()? {
            return Ok(false);
        }
    }
    Err("it neither ends nor waits".into())
}

pub(crate) fn e2_unbind_right_after_the_end(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for round in 0..30 {
        let mut client = connect(busid)?;
        client.submit(&innocent())?;
        client.link().flush()?;
        if round % 2 == 0 {
            drop(client);
        } else {
            // It may have ended by itself.
            drop(sysfs::stop_export(busid));
            drop(client);
        }
        driver("unbind", busid)?;
        bind(busid)?;
    }
    Ok(())
}

pub(crate) fn e3_ending_without_memory(devices: &mut Devices) -> Result {
    const MODULES: [&str; 2] = ["usbip_core", "usbip_host"];

    let mut failed = FailingAllocations::begin(&MODULES, 0)?.end()?;
    let busid = devices.disk();
    for _ in 0..10 {
        let mut client = connect(busid)?;
        well_served(&mut client, busid)?;
        let failing = FailingAllocations::begin(&MODULES, 30)?;
        drop(client);
        thread::sleep(Duration::from_millis(300));
        failed += failing.end()?;
        // A reset that found no memory loses the device to the hub, which takes its time, and finds it again without
        // its driver: until then it is in error, and binding it may fail.
        let mut steady = 0;
        wait_for("the device is back, and stays", || {
            match sysfs::host_status(busid) {
                Ok(1) => steady += 1,
                Ok(_) => steady = 0,
                Err(_) => {
                    steady = 0;
                    drop(bind_now(busid));
                }
            }
            steady > 100
        })?;
    }
    ensure("no allocation has failed", failed > 0)
}

pub(crate) fn e4_ends_from_everywhere(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for round in 0..30 {
        let mut client = connect(busid)?;
        well_served(&mut client, busid)?;
        match round % 3 {
            0 => drop(client),
            1 => {
                sysfs::stop_export(busid)?;
                super::closed(&mut client)?;
            }
            _ => {
                client.link().push(&[0xff; 48])?;
                client.link().flush()?;
                super::closed(&mut client)?;
            }
        }
        available(busid)?;
    }
    Ok(())
}

/// Lets these devices lose their clients at once, and says how long it takes until all can have others.
fn ends_take(busids: &[String]) -> Result<Duration> {
    let clients = busids
        .iter()
        .map(|busid| connect(busid))
        .collect::<Result<Vec<_>>>()?;
    let started = Instant::now();
    drop(clients);
    for busid in busids {
        available(busid)?;
    }
    Ok(started.elapsed())
}

/// Devices on buses of their own are reset side by side: if one end waited for another, together they would take as
/// long as one after the other.
pub(crate) fn e5_one_end_does_not_wait_for_another(devices: &mut Devices) -> Result {
    const ROUNDS: usize = 5;
    let busids = devices.echoes();
    ensure("it takes several", busids.len() > 2)?;
    // The machine may be busy with something else at times, so the quickest round counts.
    let quickest = |busids: &[String]| -> Result<Duration> {
        let rounds = (0..ROUNDS)
            .map(|_| ends_take(busids))
            .collect::<Result<Vec<_>>>()?;
        Ok(rounds.into_iter().min().unwrap_or_default())
    };
    let mut apart = Duration::ZERO;
    for busid in busids {
        apart += quickest(std::slice::from_ref(busid))?;
    }
    let together = quickest(busids)?;
    ensure(
        &format!("{apart:?} one after the other, {together:?} at once"),
        together < apart * 3 / 4,
    )
}

pub(crate) fn c10_numbers_above_two_to_the_31_and_wrap(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    for start in [0x7fff_fff0, 0x8000_0000, 0xffff_fff0, 0] {
        let mut client = connect(busid)?;
        client.set_next(Seqnum::new(start));
        for _ in 0..32 {
            let seqnum = client.submit(&innocent())?;
            let reply = answer(&mut client, seqnum)?.reply;
            same("status", Status::OK, reply.status)?;
        }
        drop(client);
        available(busid)?;
    }
    let busid = devices.keyboard()?;
    for start in [0x7fff_fff0, 0x8000_0000, 0xffff_fff0, 0] {
        let mut client = connect(busid)?;
        client.set_next(Seqnum::new(start));
        for _ in 0..16 {
            let seqnum = client.submit(&Transfer::interrupt_in(1, 8, 10))?;
            let unlink = client.unlink(seqnum)?;
            same("unlink", Status::CONNRESET, unlinked(&mut client, unlink)?)?;
            client.forget(seqnum);
        }
        drop(client);
        available(busid)?;
    }
    Ok(())
}

pub(crate) fn unlink_of_what_is_done(devices: &mut Devices) -> Result {
    let mut client = connect(devices.disk())?;
    for _ in 0..10 {
        let seqnum = client.submit(&innocent())?;
        answer(&mut client, seqnum)?;
        let unlink = client.unlink(seqnum)?;
        same("unlink", Status::OK, unlinked(&mut client, unlink)?)?;
    }
    for target in [0, 0x1234, 0x8000_0000, 0xffff_ffff] {
        let unlink = client.unlink(Seqnum::new(target))?;
        same(
            "unlink of nothing",
            Status::OK,
            unlinked(&mut client, unlink)?,
        )?;
    }
    // Itself.
    let next = client.number();
    client.set_next(next);
    let unlink = client.unlink(next)?;
    same(
        "unlink of itself",
        Status::OK,
        unlinked(&mut client, unlink)?,
    )
}

pub(crate) fn unlink_twice(devices: &mut Devices) -> Result {
    let busid = devices.keyboard()?;
    let mut client = connect(busid)?;
    for _ in 0..50 {
        let seqnum = client.submit(&Transfer::interrupt_in(1, 8, 10))?;
        let unlinks = HashSet::from([client.unlink(seqnum)?, client.unlink(seqnum)?]);
        let ends = settle_all(&mut client, HashSet::from([seqnum]), unlinks)?;
        let once = Ends {
            answered: 0,
            given_up: 1,
        };
        same("how the transfer ended", once, ends)?;
        client.forget(seqnum);
    }
    well_served(&mut client, busid)
}

/// Linux sends an unlink before its submission if both wait to be sent at the same time.
pub(crate) fn unlink_before_submit(devices: &mut Devices) -> Result {
    let busid = devices.keyboard()?;
    let mut client = connect(busid)?;
    well_served(&mut client, busid)?;
    for _ in 0..40 {
        let target = client.number();
        let unlink = client.unlink(target)?;
        let after = client.number();
        client.set_next(target);
        client.submit(&Transfer::interrupt_in(1, 8, 10))?;
        client.set_next(after);
        same("unlink", Status::CONNRESET, unlinked(&mut client, unlink)?)?;
        client.forget(target);
    }
    // Many whose submissions never come are answered all the same.
    let first = client.number();
    let mut unlinks = HashSet::new();
    client.set_next(Seqnum::new(first.get() + 1000));
    for number in 0..100 {
        unlinks.insert(client.unlink(Seqnum::new(first.get() + 1 + number))?);
    }
    client.set_next(Seqnum::new(first.get() + 2000));
    let last = client.submit(&innocent())?;
    settle_all(&mut client, HashSet::from([last]), unlinks)?;
    client.forget(last);
    Ok(())
}

pub(crate) fn number_used_twice(devices: &mut Devices) -> Result {
    let busid = devices.keyboard()?;
    let mut client = connect(busid)?;
    client.submit(&Transfer::interrupt_in(1, 8, 10))?;
    client.set_next(Seqnum::FIRST);
    client.submit(&Transfer::interrupt_in(1, 8, 10))?;
    super::closed(&mut client)?;
    drop(client);
    available(busid)?;
    // One that is done may be used again.
    let mut client = connect(busid)?;
    for _ in 0..3 {
        client.set_next(Seqnum::FIRST);
        well_served(&mut client, busid)?;
    }
    Ok(())
}

/// Requests that stay, whose numbers all want one slot of the table: of a table that takes the lowest bits of a
/// number, and of ours. usbip-host once looked for a place for ever, and then no connection could be ended.
pub(crate) fn numbers_that_crowd(devices: &mut Devices) -> Result {
    const MANY: u32 = 600;
    let busid = devices.keyboard()?;
    for step in [1 << 16, 0x0e8b_2f51_u32] {
        let mut client = connect(busid)?;
        for count in 1..=MANY {
            client.set_next(Seqnum::new(step.wrapping_mul(count)));
            client.submit(&Transfer::interrupt_in(1, 8, 10))?;
        }
        // The last of them has arrived when this is answered; before it, those are that were refused.
        client.set_next(Seqnum::FIRST);
        let last = client.submit(&innocent())?;
        let mut refused = 0;
        loop {
            match client.receive()?.ok_or("the connection was closed")? {
                Received::Submit { reply, .. } if reply.seqnum == last => break,
                Received::Submit { reply, .. } => {
                    same("a number too many", Status::NOMEM, reply.status)?;
                    refused += 1;
                }
                Received::Unlink(reply) => return Err(format!("unasked: {reply:?}").into()),
            }
        }
        // Those that nobody chose for our table are all taken.
        ensure(
            "numbers in a sequence are refused",
            step != 1 << 16 || refused == 0,
        )?;
        ensure(
            "numbers that crowd are taken",
            step == 1 << 16 || refused > 0,
        )?;
        drop(client);
        available(busid)?;
    }
    Ok(())
}

pub(crate) fn kernel_says_nothing_first(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let (near, far) = Socket::tcp_pair()?;
    sysfs::export(busid, &far)?;
    let mut stream = TcpStream::from(std::os::fd::OwnedFd::from(near));
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut byte = [0; 1];
    ensure(
        "the kernel speaks before it is spoken to",
        stream.read(&mut byte).is_err(),
    )?;
    drop((stream, far));
    available(busid)
}

pub(crate) fn second_client_is_refused(devices: &mut Devices) -> Result {
    let busid = devices.disk();
    let mut client = connect(busid)?;
    let (near, far) = Socket::pair()?;
    let second = sysfs::export(busid, &far);
    let error = second.err().and_then(|error| error.raw_os_error());
    same("errno of a second client", Some(22), error)?;
    drop((near, far));
    well_served(&mut client, busid)
}
