// SPDX-License-Identifier: GPL-2.0-or-later

//! A client of devices that are bound to usbip-host. Most of it is true of any device that is exported.

pub(crate) mod memory;
pub(crate) mod session;
pub(crate) mod wire;

use std::{
    fs,
    io,
    time::Instant, //
};

use usbip_peer::{
    setup,
    sysfs,
    Client,
    Received,
    Socket,
    Transfer, //
};
use usbip_proto::{
    IsoPacket,
    RetSubmit,
    Seqnum,
    Status, //
};

use crate::{
    suite::{
        self,
        ensure,
        patience, //
        same,
        wait_for,
        Outcome,
        Result,
        Skip,
        Test,
    },
    tests,
    Settings, //
};

/// The devices that there are.
pub(crate) struct Devices {
    disk: String,
    keyboard: Option<String>,
    audio: Option<String>,
    echoes: Vec<String>,
}

impl Devices {
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let name = |name| settings.text(name).map(str::to_owned);
        Ok(Self {
            disk: name("disk").ok_or("disk= is missing")?,
            keyboard: name("keyboard"),
            audio: name("audio"),
            echoes: settings.list("echo").map(str::to_owned).collect(),
        })
    }

    pub(crate) fn disk(&self) -> &str {
        &self.disk
    }

    pub(crate) fn keyboard(&self) -> Result<&str> {
        self.keyboard
            .as_deref()
            .ok_or_else(|| Skip("keyboard").into())
    }

    pub(crate) fn audio(&self) -> Result<&str> {
        self.audio.as_deref().ok_or_else(|| Skip("audio").into())
    }

    pub(crate) fn echo(&self) -> Result<&str> {
        let first = self.echoes.first().map(String::as_str);
        first.ok_or_else(|| Skip("echo").into())
    }

    pub(crate) fn echoes(&self) -> &[String] {
        &self.echoes
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        [
            Some(&self.disk),
            self.keyboard.as_ref(),
            self.audio.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(String::as_str)
    }
}

pub(crate) use wire::patch;

const TESTS: &[Test<Devices>] = tests![
    wire::s1_no_transfer_dma_map_is_dropped,
    wire::s2_iso_offsets_and_lengths_are_checked,
    wire::s3_direction_is_in_or_out,
    wire::s4_sg_hint_is_for_bulk_only,
    session::s5_unlink_races_with_completion,
    session::s6_many_requests_at_once,
    memory::s7_huge_transfers_are_refused,
    memory::s8_free_buffer_is_dropped,
    memory::s9_negative_lengths,
    memory::s9_requests_without_end,
    memory::s9_answers_that_nobody_reads,
    wire::s10_control_direction_is_that_of_the_setup_packet,
    wire::s10_addresses_are_each_machines_own,
    wire::s10_control_length_is_that_of_the_setup_packet,
    wire::s11_endpoints_that_do_not_exist,
    wire::s12_iso_packet_counts,
    session::s13_set_configuration_while_unbinding,
    wire::s14_zero_packet_of_a_large_write,
    wire::s14_large_read_of_little,
    session::s15_unlink_of_a_large_transfer,
    session::s16_connection_that_cannot_be_written_ends,
    session::s17_failing_requests_do_not_flood_the_log,
    session::s18_rebind_of_what_was_never_bound,
    session::s19_rebind_while_bound,
    session::s21_link_has_keepalive,
    session::s22_silent_clients_of_usbipd,
    session::e1_signal_while_unbinding,
    session::e2_unbind_right_after_the_end,
    session::e3_ending_without_memory,
    session::e4_ends_from_everywhere,
    session::e5_one_end_does_not_wait_for_another,
    wire::wrong_devid,
    wire::unknown_command,
    wire::truncated_header,
    wire::truncated_data,
    wire::pdu_in_single_bytes,
    wire::any_number_of_packets_for_other_kinds,
    wire::iso_packets_with_gaps,
    wire::iso_legal_packet_counts,
    wire::interval_of_zero,
    wire::reset_and_clear_halt,
    wire::set_address_does_not_lose_the_device,
    session::c10_numbers_above_two_to_the_31_and_wrap,
    session::unlink_of_what_is_done,
    session::unlink_twice,
    session::unlink_before_submit,
    session::number_used_twice,
    session::numbers_that_crowd,
    session::kernel_says_nothing_first,
    session::second_client_is_refused,
];

/// Runs the tests.
pub(crate) fn run(settings: &Settings, words: &[&str]) -> Result<Outcome> {
    suite::select(words, TESTS.iter().map(|test| test.name))?;
    let mut devices = Devices::of(settings)?;
    settle(&mut devices)?;
    Ok(suite::run(
        "host",
        TESTS,
        words,
        settings,
        &mut devices,
        settle,
    ))
}

/// All devices become available again, and serve a client that does nothing wrong.
pub(crate) fn settle(devices: &mut Devices) -> Result {
    for busid in devices.all() {
        available(busid)?;
        let mut client = connect(busid)?;
        well_served(&mut client, busid)?;
        drop(client);
        available(busid)?;
    }
    Ok(())
}

/// Waits until a device takes a client.
pub(crate) fn available(busid: &str) -> Result {
    wait_for(&format!("{busid} is available"), || {
        matches!(sysfs::host_status(busid), Ok(1))
    })
}

/// Becomes the client of a device, and configures it: a device that was just bound is not.
pub(crate) fn connect(busid: &str) -> Result<Client> {
    let (near, far) = Socket::pair()?;
    near.set_timeout(Some(patience()))?;
    sysfs::export(busid, &far).map_err(|error| format!("usbip_sockfd of {busid}: {error}"))?;
    let mut client = Client::new(near, sysfs::devid(busid)?);
    client.set_next(Seqnum::new(0));
    let configure = Transfer::control_out(setup(0x00, 9, 1, 0, 0), &[]);
    same(
        "SET_CONFIGURATION",
        Status::OK,
        transfer(&mut client, &configure)?.reply.status,
    )?;
    Ok(client)
}

/// A request that nobody can object to.
pub(crate) fn innocent() -> Transfer<'static> {
    Transfer::control_in(setup(0x80, 6, 0x0100, 0, 18))
}

/// The device answers a request that nobody can object to.
pub(crate) fn well_served(client: &mut Client, busid: &str) -> Result {
    let answer = transfer(client, &innocent())?;
    let wanted = sysfs::vendor(busid)?;
    same("status of a good request", Status::OK, answer.reply.status)?;
    match answer.data.as_slice() {
        [18, 1, _, _, _, _, _, _, low, high, ..] => {
            same("vendor", wanted, u16::from_le_bytes([*low, *high]))
        }
        other => Err(format!("no device descriptor: {other:?}").into()),
    }
}

/// An answer to a transfer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) reply: RetSubmit,
    pub(crate) data: Vec<u8>,
    pub(crate) packets: Vec<IsoPacket>,
}

/// Waits for the answer to one transfer, of which it must be the next.
pub(crate) fn answer(client: &mut Client, seqnum: Seqnum) -> Result<Answer> {
    match client.receive()?.ok_or("the connection was closed")? {
        Received::Submit {
            reply,
            data,
            packets,
        } => {
            same("number of the answer", seqnum, reply.seqnum)?;
            Ok(Answer {
                reply,
                data: data.to_vec(),
                packets: packets.to_vec(),
            })
        }
        Received::Unlink(reply) => Err(format!("unasked: {reply:?}").into()),
    }
}

/// Waits for the answer to one unlink, of which it must be the next.
pub(crate) fn unlinked(client: &mut Client, seqnum: Seqnum) -> Result<Status> {
    match client.receive()?.ok_or("the connection was closed")? {
        Received::Unlink(reply) => {
            same("number of the answer", seqnum, reply.seqnum)?;
            Ok(reply.status)
        }
        Received::Submit { reply, .. } => Err(format!("unasked: {reply:?}").into()),
    }
}

/// Sends a transfer and gives it up at once. Either it is answered, and then there is nothing to unlink any more; or
/// the unlink is answered in its place. Says which with the status of the latter.
pub(crate) fn given_up(client: &mut Client, transfer: &Transfer<'_>) -> Result<Option<Status>> {
    let seqnum = client.submit(transfer)?;
    let unlink = client.unlink(seqnum)?;
    let first = client.receive()?.ok_or("the connection was closed")?;
    match first {
        // A device that stalls is quick.
        Received::Submit { reply, .. } => {
            same("number of the answer", seqnum, reply.seqnum)?;
            same(
                "unlink of what is done",
                Status::OK,
                unlinked(client, unlink)?,
            )?;
            Ok(None)
        }
        Received::Unlink(reply) => {
            same("number of the answer", unlink, reply.seqnum)?;
            client.forget(seqnum);
            // It may have stalled while it was given up, and then that is what is said.
            let ended = matches!(reply.status, Status::CONNRESET | Status::PIPE);
            ensure(&format!("given up with {:?}", reply.status), ended)?;
            Ok(Some(reply.status))
        }
    }
}

/// Lets an endpoint go on that has stalled.
pub(crate) fn clear_halt(client: &mut Client, endpoint: u32) -> Result {
    let request = setup(0x02, 1, 0, u16::try_from(endpoint)?, 0);
    transfer(client, &Transfer::control_out(request, &[]))?;
    Ok(())
}

/// Sends a transfer and waits for its answer.
pub(crate) fn transfer(client: &mut Client, transfer: &Transfer<'_>) -> Result<Answer> {
    let seqnum = client.submit(transfer)?;
    answer(client, seqnum)
}

/// Sends a transfer that is refused with this status, and nothing else happens.
pub(crate) fn refused(
    client: &mut Client,
    what: &str,
    wanted: &[Status],
    bad: &Transfer<'_>,
) -> Result {
    let answer = transfer(client, bad).map_err(|error| format!("{what}: {error}"))?;
    let got = answer.reply.status;
    ensure(
        &format!("{what}: want one of {wanted:?}, got {got:?}"),
        wanted.contains(&got),
    )?;
    same(
        &format!("{what}: actual length"),
        0,
        answer.reply.actual_length,
    )?;
    let after = transfer(client, &innocent()).map_err(|error| format!("after {what}: {error}"))?;
    same(
        &format!("the next request after {what}"),
        Status::OK,
        after.reply.status,
    )
}

/// The kernel closes the connection; answers that were under way may come before.
pub(crate) fn closed(client: &mut Client) -> Result {
    let end = Instant::now() + patience();
    loop {
        match client.receive() {
            Ok(None) => return Ok(()),
            Ok(Some(_)) if Instant::now() < end => {}
            Ok(Some(_)) => return Err("the connection goes on".into()),
            // What was sent and never read resets the connection; an answer may be cut short.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::UnexpectedEof
                ) =>
            {
                return Ok(())
            }
            Err(error) => return Err(format!("not closed, but {error}").into()),
        }
    }
}

/// Sends bytes after which the kernel must close the connection.
pub(crate) fn fatal(busid: &str, what: &str, bytes: &[u8]) -> Result {
    let mut client = connect(busid)?;
    client.link().push(bytes)?;
    client.link().flush()?;
    closed(&mut client).map_err(|error| format!("{what}: {error}"))?;
    drop(client);
    available(busid)
}

/// Whether a device is behind an xHCI controller, which in a machine is QEMU's.
pub(crate) fn is_on_xhci(busid: &str) -> Result<bool> {
    if sysfs::is_gadget(busid) {
        return Ok(false);
    }
    let controller = fs::canonicalize(sysfs::device(busid).join("../../driver"))?;
    Ok(controller.ends_with("xhci_hcd"))
}

/// Chooses the setting in which the audio device takes data.
pub(crate) fn choose_audio(client: &mut Client) -> Result {
    wire::audio_out(client).map(drop)
}

/// Writes to a file of usbip-host.
pub(crate) fn driver(file: &str, text: &str) -> io::Result<()> {
    fs::write(format!("/sys/bus/usb/drivers/usbip-host/{file}"), text)
}

/// Binds a device to usbip-host.
pub(crate) fn bind(busid: &str) -> Result {
    bind_now(busid)?;
    available(busid)
}

/// The same, without waiting for what comes of it.
pub(crate) fn bind_now(busid: &str) -> io::Result<()> {
    driver("match_busid", &format!("add {busid}"))?;
    let bound = sysfs::device(busid).join("driver");
    if bound.exists() {
        fs::write(bound.join("unbind"), busid)?;
    }
    driver("bind", busid)
}
