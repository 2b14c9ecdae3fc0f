// SPDX-License-Identifier: GPL-2.0-or-later

//! What is measured.

use std::{
    collections::HashSet,
    error::Error,
    result,
    time::Instant, //
};

use usbip_proto::{
    DevId,
    TransferKind, //
};

use crate::{
    client::Client,
    count::Counters,
    descriptors::{
        find_endpoint,
        BULK_IN,
        BULK_OUT,
        INTERRUPT_IN,
        ISO_IN,
        ISO_OUT, //
    },
    exporter::Exporter,
    idle::Clock,
    link::{
        self,
        Import,
        Speed, //
    },
    usbfs::{
        self,
        Repeated,
        Transfer, //
    }, //
};

pub(crate) type Result<T> = result::Result<T, Box<dyn Error>>;

/// What was asked for on the command line.
pub(crate) struct Options {
    /// Whether to count events instead of time.
    pub(crate) count: bool,
    /// What the names of the cases must contain.
    pub(crate) only: String,
    /// The names of the cases, if not all are wanted.
    pub(crate) among: Option<HashSet<String>>,
    /// How many times as many transfers as usual are made.
    pub(crate) times: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            count: false,
            only: String::new(),
            among: None,
            times: 1,
        }
    }
}

/// Runs cases and prints what they cost.
pub(crate) struct Meter<'a> {
    options: &'a Options,
    clock: Clock,
    counters: Option<Counters>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Self> {
        Ok(Self {
            options,
            clock: Clock::new()?,
            counters: options.count.then(Counters::open).transpose()?,
        })
    }

    /// Whether a case is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let is_among = |names: &HashSet<String>| names.contains(name);
        name.contains(&self.options.only) && self.options.among.as_ref().is_none_or(is_among)
    }

    /// Lets `run` make `count` transfers, a few first that do not count, and prints what one took.
    pub(crate) fn measure(
        &self,
        name: &str,
        count: usize,
        mut run: impl FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        run(count / 4)?;
        let count = count * self.options.times;
        let transfers = u64::try_from(count)?;
        if let Some(counters) = &self.counters {
            let before = counters.read()?;
            run(count)?;
            let after = counters.read()?;
            for ((what, before), (_, after)) in before.into_iter().zip(after) {
                let hundredths = (after - before) * 100 / transfers;
                println!(
                    "{name}\t{what}\t{}.{:02}",
                    hundredths / 100,
                    hundredths % 100
                );
            }
            return Ok(());
        }
        let mark = self.clock.start();
        run(count)?;
        let busy = self.clock.stop(mark);
        println!("{name}\tns\t{}", busy / transfers);
        Ok(())
    }

    /// As [`Meter::measure`], but prints how long a transfer takes, also where the processor waits.
    pub(crate) fn measure_with_waiting(
        &self,
        name: &str,
        count: usize,
        mut run: impl FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        if !self.wants(name) || self.counters.is_some() {
            return Ok(());
        }
        run(count / 4)?;
        let count = count * self.options.times;
        let began = Instant::now();
        run(count)?;
        let elapsed = began.elapsed().as_nanos();
        println!("{name}\telapsed\t{}", elapsed / u128::try_from(count)?);
        Ok(())
    }
}

pub(crate) const KIB: usize = 1024;
static SIZES: [(&str, usize); 4] = [
    ("512 B", 512),
    ("4 KiB", 4 * KIB),
    ("16 KiB", 16 * KIB),
    ("64 KiB", 64 * KIB),
];
const DEPTHS: [usize; 2] = [1, 32];

/// The sizes that the configurations of the gadget can do: the first sends 4 KiB at a time, and the
/// second 1 KiB, which is a packet.
static GADGET_SIZES: [(u8, &[(&str, usize)]); 2] = [
    (2, &[("1 KiB", KIB)]),
    (
        1,
        &[
            ("4 KiB", 4 * KIB),
            ("16 KiB", 16 * KIB),
            ("64 KiB", 64 * KIB),
        ],
    ),
];

/// How many transfers of a size tell enough.
pub(crate) fn transfers(length: usize) -> usize {
    match length {
        0..=4096 => 800,
        4097..=16384 => 480,
        _ => 160,
    }
}

/// All sizes and depths of bulk transfers, in both directions: their names, what they are, and how
/// many of them are under way at a time.
fn bulk_cases<'a>(
    suite: &'a str,
    endpoints: [(&'a str, u8); 2],
    sizes: &'a [(&'a str, usize)],
) -> impl Iterator<Item = (String, Transfer, usize)> + 'a {
    DEPTHS.into_iter().flat_map(move |depth| {
        endpoints
            .into_iter()
            .flat_map(move |(direction, endpoint)| {
                sizes.iter().map(move |&(size, length)| {
                    let name = format!("{suite} bulk {direction} {size} x {depth}");
                    (name, Transfer::bulk(endpoint, length), depth)
                })
            })
    })
}

/// Measures all of [`bulk_cases`].
fn bulk(
    meter: &Meter<'_>,
    suite: &str,
    endpoints: [(&str, u8); 2],
    sizes: &[(&str, usize)],
    mut run: impl FnMut(Transfer, usize, usize) -> Result<()>,
) -> Result<()> {
    for (name, transfer, depth) in bulk_cases(suite, endpoints, sizes) {
        meter.measure(&name, transfers(transfer.length), |count| {
            run(transfer, depth, count)
        })?;
    }
    Ok(())
}

/// An imported device, and who plays it.
pub(crate) struct Played {
    pub(crate) import: Import,
    _exporter: Exporter,
}

impl Played {
    pub(crate) fn new() -> Result<Self> {
        let (ours, theirs) = link::connection()?;
        let exporter = Exporter::start(ours)?;
        Ok(Self {
            import: Import::attach(&theirs, Speed::High, DevId::new(1, 2))?,
            _exporter: exporter,
        })
    }
}

/// vhci-hcd with an exporter in user space.
pub(crate) fn vhci(options: &Options) -> Result<()> {
    let meter = Meter::new(options)?;
    let endpoints = [("in", BULK_IN), ("out", BULK_OUT)];
    for (name, transfer, depth) in bulk_cases("vhci", endpoints, &SIZES) {
        if !meter.wants(&name) {
            continue;
        }
        let played = Played::new()?;
        let mut device = usbfs::open(played.import.path())?;
        meter.measure(&name, transfers(transfer.length), |count| {
            Repeated::new(&mut device, transfer, depth)?.run(count)
        })?;
    }
    let played = Played::new()?;
    let mut device = usbfs::open(played.import.path())?;
    for (name, kind, endpoint, length, packets, depth) in [
        (
            "vhci control in 64 B x 1",
            TransferKind::Control,
            0,
            64,
            0,
            1,
        ),
        (
            "vhci interrupt in 64 B x 1",
            TransferKind::Interrupt,
            INTERRUPT_IN,
            64,
            0,
            1,
        ),
        (
            "vhci iso in 8 x 1 KiB x 4",
            TransferKind::Isochronous,
            ISO_IN,
            8 * KIB,
            8,
            4,
        ),
        (
            "vhci iso out 8 x 1 KiB x 4",
            TransferKind::Isochronous,
            ISO_OUT,
            8 * KIB,
            8,
            4,
        ),
    ] {
        let transfer = Transfer {
            kind,
            endpoint,
            length,
            packets,
            // What the exporter answers with as much as it is asked for.
            setup: [0xc0, 1, 0, 0, 0, 0, 64, 0],
        };
        meter.measure(name, transfers(length), |count| {
            Repeated::new(&mut device, transfer, depth)?.run(count)
        })?;
    }
    Ok(())
}

/// usbip-host with a client in user space.
pub(crate) fn host(options: &Options, busid: &str) -> Result<()> {
    let meter = Meter::new(options)?;
    let mut client = Client::connect(busid)?;
    // They are the same in both configurations.
    let endpoints = bulk_endpoints(&client.configuration()?)?;
    for (number, sizes) in GADGET_SIZES {
        client.configure(number)?;
        bulk(
            &meter,
            "host",
            endpoints,
            sizes,
            |transfer, depth, count| client.run(transfer, depth, count),
        )?;
    }
    meter.measure("host control in 18 B x 1", transfers(0), |count| {
        for _ in 0..count {
            client.control([0x80, 6, 0, 1, 0, 0, 18, 0])?;
        }
        Ok(())
    })
}

pub(crate) fn bulk_endpoints(descriptors: &[u8]) -> Result<[(&'static str, u8); 2]> {
    let find = |is_in| find_endpoint(descriptors, TransferKind::Bulk, is_in).ok_or("no endpoint");
    Ok([("in", find(true)?), ("out", find(false)?)])
}

/// usbip-host and vhci-hcd, connected.
pub(crate) fn connect(busid: &str, speed: Speed) -> Result<Import> {
    let (exporting, importing) = link::connection()?;
    let id = link::device_id(busid)?;
    link::export(busid, &exporting)?;
    Import::attach(&importing, speed, id)
}

/// usbip-host with vhci-hcd.
pub(crate) fn both(options: &Options, busid: &str) -> Result<()> {
    let meter = Meter::new(options)?;
    let import = connect(busid, Speed::Super)?;
    let endpoints = bulk_endpoints(&import.descriptors()?)?;
    for (number, sizes) in GADGET_SIZES {
        import.configure(number)?;
        let mut device = usbfs::open(import.path())?;
        bulk(
            &meter,
            "both",
            endpoints,
            sizes,
            |transfer, depth, count| Repeated::new(&mut device, transfer, depth)?.run(count),
        )?;
    }
    Ok(())
}

/// Many exporters in user space.
pub(crate) fn many(options: &Options) -> Result<()> {
    const DEVICES: usize = 16;
    const DEPTH: usize = 4;

    let meter = Meter::new(options)?;
    let cases = [("in", BULK_IN), ("out", BULK_OUT)].map(|(direction, endpoint)| {
        let name = format!("vhci {DEVICES} devices, bulk {direction} 4 KiB x {DEPTH}");
        (name, Transfer::bulk(endpoint, 4 * KIB))
    });
    if !cases.iter().any(|(name, _)| meter.wants(name)) {
        return Ok(());
    }
    let played = (0..DEVICES)
        .map(|_| Played::new())
        .collect::<Result<Vec<_>>>()?;
    let mut devices = played
        .iter()
        .map(|played| usbfs::open(played.import.path()))
        .collect::<Result<Vec<_>>>()?;
    for (name, transfer) in cases {
        let mut all = devices
            .iter_mut()
            .map(|device| Repeated::new(device, transfer, DEPTH))
            .collect::<Result<Vec<_>>>()?;
        let each = transfers(transfer.length) / DEVICES;
        meter.measure(&name, each * DEVICES, |count| {
            Repeated::run_all(&mut all, count / DEVICES)
        })?;
    }
    Ok(())
}
