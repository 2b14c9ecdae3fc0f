// SPDX-License-Identifier: GPL-2.0

//! The `status` files: one row for each port of a controller.

use core::fmt::Write;

use kernel::prelude::*;

use usbip_kernel::sysfs::PageWriter;
use usbip_logic::attach::Place;
use usbip_proto::sysfs_text::{
    HubSpeed,
    RowState,
    StatusRow,
    STATUS_HEADER, //
};

use crate::fleet::Fleet;

/// Writes the table of one controller.
///
/// # Errors
///
/// `EOVERFLOW` if it is longer than a page.
pub(crate) fn show(fleet: &Fleet, id: u8, out: &mut PageWriter<'_>) -> Result {
    let geometry = fleet.geometry();
    let controller = fleet.controller(id);

    out.write_str(STATUS_HEADER).map_err(|_| EOVERFLOW)?;
    for hub in [HubSpeed::High, HubSpeed::Super] {
        for port in 0..geometry.ports() {
            let place = Place {
                controller: id,
                hub,
                port,
            };
            let state = controller
                .as_ref()
                .and_then(|controller| controller.session(hub, port))
                .map_or(RowState::NotReady, |session| session.role().row());
            let row = StatusRow {
                hub,
                port: place.number(geometry),
                state,
            };
            write!(out, "{row}").map_err(|_| EOVERFLOW)?;
        }
    }
    Ok(())
}
