// SPDX-License-Identifier: GPL-2.0-or-later

//! A client of devices made in software. What any exporter must stand is tested by the tests of [`host`]; here is
//! what is about a gadget driver on the other side.

use std::{
    collections::HashSet,
    fs,
    io,
    path::{
        Path,
        PathBuf, //
    },
    sync::atomic::{
        AtomicBool,
        AtomicU32,
        Ordering, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    }, //
};

use usbip_peer::{
    setup,
    spaced,
    sysfs,
    Client,
    Received,
    Socket,
    Transfer, //
};
use usbip_proto::{
    Seqnum,
    Status, //
};

use crate::{
    host::{
        self,
        answer,
        available,
        closed,
        connect,
        given_up,
        innocent,
        memory,
        session,
        transfer,
        unlinked,
        well_served,
        wire,
        Devices, //
    },
    suite::{
        self,
        ensure,
        same,
        wait_for,
        FailingAllocations,
        Outcome,
        Result,
        Test, //
    },
    tests,
    Settings, //
};

const ENODEV: i32 = 19;
const EBUSY: i32 = 16;

/// Tests of what any exporter must stand; V1, V7 and V9 are S1 to S12 of a device made in software.
const COMMON: &[Test<Devices>] = tests![
    wire::truncated_data,
    wire::s2_iso_offsets_and_lengths_are_checked,
    wire::s12_iso_packet_counts,
    wire::unknown_command,
    memory::s7_huge_transfers_are_refused,
    memory::s9_negative_lengths,
    memory::s9_requests_without_end,
    memory::s9_answers_that_nobody_reads,
    wire::s1_no_transfer_dma_map_is_dropped,
    wire::s3_direction_is_in_or_out,
    wire::s4_sg_hint_is_for_bulk_only,
    session::s5_unlink_races_with_completion,
    session::s6_many_requests_at_once,
    memory::s8_free_buffer_is_dropped,
    wire::s10_control_direction_is_that_of_the_setup_packet,
    wire::s10_control_length_is_that_of_the_setup_packet,
    wire::s11_endpoints_that_do_not_exist,
    wire::s14_large_read_of_little,
    session::s15_unlink_of_a_large_transfer,
    session::s16_connection_that_cannot_be_written_ends,
    session::s17_failing_requests_do_not_flood_the_log,
    session::s21_link_has_keepalive,
    session::s22_silent_clients_of_usbipd,
    session::e4_ends_from_everywhere,
    wire::truncated_header,
    wire::pdu_in_single_bytes,
    wire::any_number_of_packets_for_other_kinds,
    wire::iso_packets_with_gaps,
    wire::iso_legal_packet_counts,
    wire::reset_and_clear_halt,
    wire::set_address_does_not_lose_the_device,
    session::c10_numbers_above_two_to_the_31_and_wrap,
    session::unlink_of_what_is_done,
    session::unlink_twice,
    session::unlink_before_submit,
    session::kernel_says_nothing_first,
];

/// Tests with a gadget that can be bound and unbound.
const OWN: &[Test<Gadgets>] = tests![
    own::v2_settings_change_while_transfers_move,
    own::v3_answers_of_the_last_client_are_gone,
    own::v4_ends_while_transfers_move,
    own::v5_unlink_races_with_giving_back,
    own::v5_gadget_goes_while_transfers_move,
    own::v6_binding_without_memory,
    own::v8_descriptor_while_binding,
    own::v8_connections_while_binding,
    own::interval_of_zero,
    own::a_stream_that_was_stopped_begins_anew,
    own::unlink_of_what_others_wait_behind,
    own::second_client_is_busy,
    own::any_devid,
];

/// The devices, and the gadget of which one is made.
pub(crate) struct Gadgets {
    devices: Devices,
    /// The controller that has a source and a sink, and isochronous ones too.
    source: String,
    /// The file that says to which controller its gadget is bound.
    udc: PathBuf,
}

impl Gadgets {
    fn of(settings: &Settings) -> Result<Self> {
        let devices = Devices::of(settings)?;
        Ok(Self {
            source: devices.audio()?.to_owned(),
            devices,
            udc: Path::new(settings.text("configfs").ok_or("configfs= is missing")?).join("UDC"),
        })
    }

    fn bind(&self) -> io::Result<()> {
        fs::write(&self.udc, format!("{}\n", self.source))
    }

    fn unbind(&self) -> io::Result<()> {
        fs::write(&self.udc, "\n")
    }

    fn is_bound(&self) -> bool {
        fs::read_to_string(&self.udc).is_ok_and(|name| !name.trim().is_empty())
    }
}

/// Runs the tests.
pub(crate) fn run(settings: &Settings, words: &[&str]) -> Result<Outcome> {
    let names = COMMON.iter().map(|test| test.name);
    suite::select(words, names.chain(OWN.iter().map(|test| test.name)))?;
    let mut gadgets = Gadgets::of(settings)?;
    host::settle(&mut gadgets.devices)?;
    let common = suite::run(
        "vudc",
        COMMON,
        words,
        settings,
        &mut gadgets.devices,
        host::settle,
    );
    let own = suite::run("vudc", OWN, words, settings, &mut gadgets, |gadgets| {
        if !gadgets.is_bound() {
            gadgets.bind()?;
        }
        host::settle(&mut gadgets.devices)
    });
    match (common, own) {
        (Outcome::Passed, Outcome::Passed) => Ok(Outcome::Passed),
        _ => Ok(Outcome::Failed),
    }
}

/// Reads until all of these are answered, each once. Says how they ended.
fn answers(client: &mut Client, mut open: HashSet<Seqnum>) -> Result<Vec<Status>> {
    let mut all = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let received = client.receive()?.ok_or("the connection was closed")?;
        let (seqnum, status) = match received {
            Received::Submit { reply, .. } => (reply.seqnum, reply.status),
            Received::Unlink(reply) => (reply.seqnum, reply.status),
        };
        ensure("an answer twice", open.remove(&seqnum))?;
        all.push(status);
    }
    Ok(all)
}

mod own {
    use super::*;

    /// What the source sends at a time.
    const BLOCK: u32 = 4096;

    /// Chooses whether there are isochronous endpoints too.
    fn setting(alternate: u16) -> Transfer<'static> {
        Transfer::control_out(setup(0x01, 11, alternate, 0, 0), &[])
    }

    /// Lets much happen at once, and does not wait for it.
    fn traffic(client: &mut Client, into: u32, out: u32, iso: u32) -> Result {
        let data = [0; 1024];
        for _ in 0..16 {
            client.submit(&Transfer::bulk_in(into, BLOCK))?;
            client.submit(&Transfer::bulk_out(out, &data))?;
            client.submit(&Transfer::iso_out(iso, &data, &spaced(8, 128, 128), 1))?;
            client.submit(&innocent())?;
        }
        client.link().flush()?;
        Ok(())
    }

    /// Becomes a client, with the isochronous endpoints, and says where all endpoints are.
    fn prepared(gadgets: &Gadgets) -> Result<(Client, u32, u32, u32)> {
        let mut client = connect(&gadgets.source)?;
        let (into, out) = wire::bulk_endpoints(&mut client)?;
        let iso = wire::audio_out(&mut client)?.endpoint;
        Ok((client, into, out, iso))
    }

    /// Endpoints come and go under the transfers. Each is answered once, and moves, stalls or is lost.
    pub(in crate::vudc) fn v2_settings_change_while_transfers_move(
        gadgets: &mut Gadgets,
    ) -> Result {
        let (mut client, into, out, iso) = prepared(gadgets)?;
        let data = [0; 512];
        for round in 0..60_u16 {
            let mut open = HashSet::new();
            for step in 0..4 {
                for _ in 0..8 {
                    open.insert(client.submit(&Transfer::bulk_in(into, BLOCK))?);
                    open.insert(client.submit(&Transfer::bulk_out(out, &data))?);
                    let packets = spaced(4, 128, 128);
                    open.insert(client.submit(&Transfer::iso_out(iso, &data, &packets, 1))?);
                }
                open.insert(match step {
                    3 => client
                        .submit(&Transfer::control_out(setup(0x00, 9, round & 1, 0, 0), &[]))?,
                    _ => client.submit(&setting((round + step) & 1))?,
                });
            }
            for status in answers(&mut client, open)? {
                ensure(
                    &format!("round {round}: a transfer ends with {status:?}"),
                    matches!(
                        status,
                        // Nothing may be asked of an interface of a device without a configuration.
                        Status::OK | Status::PIPE | Status::PROTO | Status::SHUTDOWN
                    ),
                )?;
            }
            let configure = Transfer::control_out(setup(0x00, 9, 1, 0, 0), &[]);
            same(
                "SET_CONFIGURATION",
                Status::OK,
                transfer(&mut client, &configure)?.reply.status,
            )?;
        }
        let data = transfer(&mut client, &Transfer::bulk_in(into, BLOCK))?;
        same("the source after all that", Status::OK, data.reply.status)?;
        well_served(&mut client, &gadgets.source)
    }

    pub(in crate::vudc) fn v3_answers_of_the_last_client_are_gone(gadgets: &mut Gadgets) -> Result {
        let (client, into, ..) = prepared(gadgets)?;
        drop(client);
        for round in 0..40_u32 {
            available(&gadgets.source)?;
            let mut client = connect(&gadgets.source)?;
            // The numbers tell whose answers these are.
            client.set_next(Seqnum::new(100_000 + round * 1000));
            for _ in 0..4 {
                let answer = transfer(&mut client, &Transfer::bulk_in(into, BLOCK))?;
                same("status", Status::OK, answer.reply.status)?;
            }
            // Nobody reads what these bring.
            for _ in 0..64 {
                client.submit(&Transfer::bulk_in(into, 16 * BLOCK))?;
                client.submit(&innocent())?;
            }
            client.link().flush()?;
            thread::sleep(Duration::from_millis(u64::from(round % 8)));
        }
        Ok(())
    }

    pub(in crate::vudc) fn v4_ends_while_transfers_move(gadgets: &mut Gadgets) -> Result {
        for round in 0..60_u64 {
            let (mut client, into, out, iso) = prepared(gadgets)?;
            traffic(&mut client, into, out, iso)?;
            thread::sleep(Duration::from_millis(round % 7));
            match round % 3 {
                0 => drop(client),
                1 => {
                    // It may be the first to know, or not.
                    drop(sysfs::stop_export(&gadgets.source));
                    closed(&mut client)?;
                }
                _ => {
                    client.link().push(&[0xff; 48])?;
                    client.link().flush()?;
                    closed(&mut client)?;
                }
            }
            available(&gadgets.source)?;
        }
        Ok(())
    }

    pub(in crate::vudc) fn v5_unlink_races_with_giving_back(gadgets: &mut Gadgets) -> Result {
        let (mut client, into, out, iso) = prepared(gadgets)?;
        let data = [0; 1024];
        for _ in 0..100 {
            let (mut submits, mut unlinks) = (HashSet::new(), HashSet::new());
            for _ in 0..8 {
                submits.insert(client.submit(&Transfer::bulk_in(into, BLOCK))?);
                submits.insert(client.submit(&Transfer::bulk_out(out, &data))?);
                let packets = spaced(2, 512, 512);
                submits.insert(client.submit(&Transfer::iso_out(iso, &data, &packets, 1))?);
                submits.insert(client.submit(&innocent())?);
            }
            for seqnum in &submits {
                unlinks.insert(client.unlink(*seqnum)?);
            }
            session::settle_all(&mut client, submits.clone(), unlinks)?;
            for seqnum in submits {
                client.forget(seqnum);
            }
        }
        well_served(&mut client, &gadgets.source)
    }

    /// The gadget driver goes under the transfers; its client is told by the end of the connection.
    pub(in crate::vudc) fn v5_gadget_goes_while_transfers_move(gadgets: &mut Gadgets) -> Result {
        for round in 0..30_u64 {
            let (mut client, into, out, iso) = prepared(gadgets)?;
            traffic(&mut client, into, out, iso)?;
            thread::sleep(Duration::from_millis(round % 7));
            gadgets.unbind()?;
            closed(&mut client)?;
            drop(client);
            let (near, far) = Socket::pair()?;
            let error = sysfs::export(&gadgets.source, &far).err();
            same(
                "errno of a client without a gadget",
                Some(ENODEV),
                error.and_then(|error| error.raw_os_error()),
            )?;
            drop((near, far));
            gadgets.bind()?;
            available(&gadgets.source)?;
        }
        Ok(())
    }

    /// The gadget driver cannot be bound, or has no descriptor: either way it can be unbound, and bound later.
    pub(in crate::vudc) fn v6_binding_without_memory(gadgets: &mut Gadgets) -> Result {
        // Below libcomposite is the driver core, too, which leaves a link behind when it has no memory to unregister a
        // driver.
        const MODULES: [&str; 1] = ["usbip_vudc"];

        let mut failed = FailingAllocations::begin(&MODULES, 0)?.end()?;
        for percent in [5, 20, 60].into_iter().cycle().take(30) {
            gadgets.unbind()?;
            let failing = FailingAllocations::begin(&MODULES, percent)?;
            let bound = gadgets.bind();
            failed += failing.end()?;
            if bound.is_err() {
                gadgets.bind()?;
            }
            available(&gadgets.source)?;
            gadgets.unbind()?;
            gadgets.bind()?;
            let mut client = connect(&gadgets.source)?;
            well_served(&mut client, &gadgets.source)?;
            drop(client);
            available(&gadgets.source)?;
        }
        ensure("no allocation has failed", failed > 0)
    }

    /// What is read is the descriptor, whole, or that there is none.
    pub(in crate::vudc) fn v8_descriptor_while_binding(gadgets: &mut Gadgets) -> Result {
        let file = sysfs::device(&gadgets.source).join("dev_desc");
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| -> Result<u32> {
                        let mut seen = 0;
                        while !stop.load(Ordering::Relaxed) {
                            match fs::read(&file) {
                                Ok(bytes) => {
                                    same("a descriptor", Some(&[18, 1][..]), bytes.get(..2))?;
                                    same("its length", 18, bytes.len())?;
                                    seen += 1;
                                }
                                Err(error) => {
                                    same("errno", Some(ENODEV), error.raw_os_error())?;
                                }
                            }
                        }
                        Ok(seen)
                    })
                })
                .collect();
            let mut bound = Ok(());
            for _ in 0..60 {
                bound = gadgets.unbind().and_then(|()| gadgets.bind());
                if bound.is_err() {
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
            for reader in readers {
                let seen = reader.join().map_err(|_| "a reader panicked")??;
                ensure("the descriptor was seen", seen > 0)?;
            }
            Ok(bound?)
        })
    }

    /// Who connects while the gadget is bound is answered what he asked for, and the descriptor is there afterwards.
    pub(in crate::vudc) fn v8_connections_while_binding(gadgets: &mut Gadgets) -> Result {
        const CONFIGURATION: [u8; 2] = [9, 2];
        let source = &gadgets.source;
        let (stop, served) = (AtomicBool::new(false), AtomicU32::new(0));
        let descriptor = sysfs::device(source).join("dev_desc");
        thread::scope(|scope| {
            let clients = scope.spawn(|| -> Result {
                while !stop.load(Ordering::Relaxed) {
                    let (near, far) = Socket::pair()?;
                    near.set_timeout(Some(suite::patience()))?;
                    if let Err(error) = sysfs::export(source, &far) {
                        let error = error.raw_os_error();
                        ensure("errno", error == Some(ENODEV) || error == Some(EBUSY))?;
                        continue;
                    }
                    drop(far);
                    let mut client = Client::new(near, sysfs::devid(source)?);
                    let ask = Transfer::control_in(setup(0x80, 6, 0x0200, 0, 9));
                    match transfer(&mut client, &ask) {
                        Ok(answer) if answer.reply.status.is_ok() => {
                            same("what it is", Some(&CONFIGURATION[..]), answer.data.get(..2))?;
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        // Its gadget has gone while it asked.
                        Ok(_) | Err(_) => {}
                    }
                }
                Ok(())
            });
            let rounds = (0..200).try_for_each(|_| -> Result {
                gadgets.unbind()?;
                let before = served.load(Ordering::Relaxed);
                gadgets.bind()?;
                same("its descriptor", 18, fs::read(&descriptor)?.len())?;
                // Whoever has lost his answer to somebody else waits until the gadget goes again.
                wait_for("a client is served", || {
                    served.load(Ordering::Relaxed) != before || clients.is_finished()
                })
            });
            stop.store(true, Ordering::Relaxed);
            // Nobody waits for an answer any more.
            gadgets.unbind()?;
            clients.join().map_err(|_| "a client panicked")??;
            gadgets.bind()?;
            rounds
        })
    }

    /// Who takes all of a stream back and soon begins another one is not late with it.
    pub(in crate::vudc) fn a_stream_that_was_stopped_begins_anew(gadgets: &mut Gadgets) -> Result {
        let (mut client, _, _, iso) = prepared(gadgets)?;
        // One packet each millisecond.
        let data = [0; 150 * 64];
        let packets = spaced(150, 64, 64);
        for _ in 0..3 {
            let begun = Transfer::iso_out(iso, &data[..64], &packets[..1], 1);
            same(
                "status of the first packet",
                Status::OK,
                transfer(&mut client, &begun)?.reply.status,
            )?;
            let stream = Transfer::iso_out(iso, &data, &packets, 1);
            same(
                "status of a stream that is stopped",
                Some(Status::CONNRESET),
                given_up(&mut client, &stream)?,
            )?;
            // Less than what the network may hold up.
            thread::sleep(Duration::from_millis(140));
            let begin = Instant::now();
            same(
                "status of the next stream",
                Status::OK,
                transfer(&mut client, &stream)?.reply.status,
            )?;
            let took = begin.elapsed();
            ensure(
                &format!("150 packets take {took:?}"),
                took >= Duration::from_millis(140),
            )?;
        }
        Ok(())
    }

    /// Nobody polls a gadget, and some clients fill no interval in.
    pub(in crate::vudc) fn interval_of_zero(gadgets: &mut Gadgets) -> Result {
        let (mut client, _, _, iso) = prepared(gadgets)?;
        let data = [0; 1024];
        let packets = spaced(2, 512, 512);
        for interval in [0, -1, i32::MIN] {
            let sent = client.submit(&Transfer::iso_out(iso, &data, &packets, interval))?;
            let ends = answers(&mut client, HashSet::from([sent]))?;
            same("status of an isochronous transfer", vec![Status::OK], ends)?;
        }
        drop(client);
        let mut client = connect(gadgets.devices.keyboard()?)?;
        for interval in [0, -1, i32::MIN] {
            // No key is pressed: it waits until it is given up.
            let sent = client.submit(&Transfer::interrupt_in(1, 8, interval))?;
            let unlink = client.unlink(sent)?;
            let ends = answers(&mut client, HashSet::from([unlink]))?;
            same(
                "status of an interrupt transfer",
                vec![Status::CONNRESET],
                ends,
            )?;
            client.forget(sent);
        }
        Ok(())
    }

    /// A control transfer that its gadget driver does not answer is given up: those behind it go on at once. (For
    /// GET_REPORT the keyboard's driver waits two and a half seconds for a program.)
    pub(in crate::vudc) fn unlink_of_what_others_wait_behind(gadgets: &mut Gadgets) -> Result {
        let mut client = connect(gadgets.devices.keyboard()?)?;
        let report = client.submit(&Transfer::control_in(setup(0xa1, 1, 0x0100, 0, 8)))?;
        client.link().flush()?;
        thread::sleep(Duration::from_millis(200));
        let next = client.submit(&innocent())?;
        client.link().flush()?;
        thread::sleep(Duration::from_millis(200));
        let unlink = client.unlink(report)?;
        let given_up = Instant::now();
        let status = unlinked(&mut client, unlink)?;
        same("status of the unlink", Status::CONNRESET, status)?;
        client.forget(report);
        let status = answer(&mut client, next)?.reply.status;
        same("status of the next transfer", Status::OK, status)?;
        ensure(
            "it went on at once",
            given_up.elapsed() < Duration::from_secs(1),
        )
    }

    pub(in crate::vudc) fn second_client_is_busy(gadgets: &mut Gadgets) -> Result {
        let mut client = connect(&gadgets.source)?;
        let (near, far) = Socket::pair()?;
        let second = sysfs::export(&gadgets.source, &far);
        let error = second.err().and_then(|error| error.raw_os_error());
        same("errno of a second client", Some(EBUSY), error)?;
        drop((near, far));
        well_served(&mut client, &gadgets.source)
    }

    /// The device is on no bus, so that clients make its number up.
    pub(in crate::vudc) fn any_devid(gadgets: &mut Gadgets) -> Result {
        for devid in [(1, 2), (0, 1), (u16::MAX, u16::MAX)] {
            wait_for("a free device", || {
                matches!(sysfs::host_status(&gadgets.source), Ok(1))
            })?;
            let (near, far) = Socket::pair()?;
            near.set_timeout(Some(suite::patience()))?;
            sysfs::export(&gadgets.source, &far)?;
            let number = usbip_proto::DevId::new(devid.0, devid.1);
            well_served(&mut Client::new(near, number), &gadgets.source)?;
        }
        Ok(())
    }
}
