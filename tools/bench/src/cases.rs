// SPDX-License-Identifier: GPL-2.0-or-later

//! What is measured.

use std::{
    error::Error,
    result, //
};

use usbip_proto::{
    DevId,
    TransferKind, //
};

use crate::{
    client::Client,
    descriptors::{
        find_endpoint,
        BULK_IN,
        BULK_OUT,
        INTERRUPT_IN,
        ISO_IN,
        ISO_OUT, //
    },
    exporter::Exporter,
    link::{
        self,
        Import,
        Speed, //
    },
    meter::{
        Amount,
        Meter,
        Options, //
    },
    usbfs::{
        self,
        Repeated,
        Transfer, //
    }, //
};

pub(crate) type Result<T> = result::Result<T, Box<dyn Error>>;

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

/// How many transfers of a size tell enough, if so many are under way at a time.
pub(crate) fn transfers(length: usize, depth: usize) -> Amount {
    let count = match length {
        0..=4096 => 800,
        4097..=16384 => 480,
        _ => 160,
    };
    match depth {
        1 => Amount::in_turn(count),
        _ => Amount::together(count),
    }
}

/// All sizes and depths of bulk transfers, in both directions: their names, what they are, and how
/// many of them are under way at a time. Each is to have a connection of its own, or what TCP has learnt of the windows and
/// buffers of the one before counts.
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
        meter.measure(&name, transfers(transfer.length, depth), |count| {
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
        meter.measure(name, transfers(length, depth), |count| {
            Repeated::new(&mut device, transfer, depth)?.run(count)
        })?;
    }
    Ok(())
}

/// usbip-host with a client in user space.
pub(crate) fn host(options: &Options, busid: &str) -> Result<()> {
    let meter = Meter::new(options)?;
    // They are the same in both configurations.
    let endpoints = bulk_endpoints(&Client::connect(busid)?.configuration()?)?;
    for (number, sizes) in GADGET_SIZES {
        for (name, transfer, depth) in bulk_cases("host", endpoints, sizes) {
            if !meter.wants(&name) {
                continue;
            }
            let mut client = Client::connect(busid)?;
            client.configure(number)?;
            meter.measure(&name, transfers(transfer.length, depth), |count| {
                client.run(transfer, depth, count)
            })?;
        }
    }
    let mut client = Client::connect(busid)?;
    meter.measure("host control in 18 B x 1", transfers(0, 1), |count| {
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
    let endpoints = bulk_endpoints(&connect(busid, Speed::Super)?.descriptors()?)?;
    for (number, sizes) in GADGET_SIZES {
        for (name, transfer, depth) in bulk_cases("both", endpoints, sizes) {
            if !meter.wants(&name) {
                continue;
            }
            let import = connect(busid, Speed::Super)?;
            import.configure(number)?;
            let mut device = usbfs::open(import.path())?;
            meter.measure(&name, transfers(transfer.length, depth), |count| {
                Repeated::new(&mut device, transfer, depth)?.run(count)
            })?;
        }
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
        meter.measure(&name, transfers(transfer.length, DEPTH), |count| {
            Repeated::run_all(&mut all, count / DEVICES)
        })?;
    }
    Ok(())
}
