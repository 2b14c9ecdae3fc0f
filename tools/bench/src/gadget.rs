// SPDX-License-Identifier: GPL-2.0-or-later

//! A gadget on usbip-vudc, imported by vhci-hcd: how long transfers take, waiting included.

use usbip_proto::{
    DevId,
    TransferKind, //
};

use crate::{
    cases::{
        bulk_endpoints,
        Result,
        KIB, //
    },
    link::{
        self,
        Import,
        Speed, //
    },
    meter::{
        Meter,
        Options, //
    },
    usbfs::{
        self,
        Repeated,
        Transfer, //
    }, //
};

/// The C module moves what it has every 4 ms: fewer transfers tell as much.
const COUNT: usize = 64;

/// `GET_DESCRIPTOR` of the device.
const DEVICE_DESCRIPTOR: [u8; 8] = [0x80, 6, 0, 1, 0, 0, 18, 0];

/// The source-sink gadget on controller 0.
pub(crate) fn run(options: &Options) -> Result<()> {
    let meter = Meter::new(options)?;
    let (exporting, importing) = link::connection()?;
    link::export_gadget(0, &exporting)?;
    // The number of the device is not looked at, as there is no bus that it is on.
    let import = Import::attach(&importing, Speed::High, DevId::new(1, 2))?;
    let endpoints = bulk_endpoints(&import.descriptors()?)?;
    let mut device = usbfs::open(import.path())?;
    for depth in [1, 32] {
        for (direction, endpoint) in endpoints {
            let transfer = Transfer::bulk(endpoint, 16 * KIB);
            let name = format!("vudc bulk {direction} 16 KiB x {depth}");
            meter.measure_with_waiting(&name, COUNT, |count| {
                Repeated::new(&mut device, transfer, depth)?.run(count)
            })?;
        }
    }
    let transfer = Transfer {
        kind: TransferKind::Control,
        setup: DEVICE_DESCRIPTOR,
        ..Transfer::bulk(0, 18)
    };
    meter.measure_with_waiting("vudc control in 18 B x 1", COUNT, |count| {
        Repeated::new(&mut device, transfer, 1)?.run(count)
    })
}
