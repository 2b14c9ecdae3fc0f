// SPDX-License-Identifier: GPL-2.0

//! The files of `vhci_hcd.0`: which there are, with which modes, and what each of them calls.

use core::fmt::Write;

use kernel::{
    device::Device,
    prelude::*,
    str::CString,
    sync::Arc, //
};

use usbip_core::debug;
use usbip_kernel::sysfs::{
    DeviceFiles,
    File,
    PageWriter, //
};

use crate::{
    attach,
    fleet::Fleet,
    status, //
};

/// What a file is about: all controllers, or one of them.
pub(crate) struct FileData {
    fleet: Arc<Fleet>,
    controller: u8,
}

const NPORTS: File<FileData> = File::readable(c"nports", |data, out| {
    writeln!(out, "{}", data.fleet.geometry().all_ports()).map_err(|_| EOVERFLOW)
});

const STATUS: File<FileData> =
    File::readable(c"status", |data: &FileData, out: &mut PageWriter<'_>| {
        status::show(&data.fleet, data.controller, out)
    });

const ATTACH: File<FileData> =
    File::writable(c"attach", |data, text| attach::attach(&data.fleet, text));

const DETACH: File<FileData> =
    File::writable(c"detach", |data, text| attach::detach(&data.fleet, text));

const DEBUG: File<FileData> = File::both(
    c"usbip_debug",
    |_, out| debug::show(out),
    |_, text| debug::store(text),
);

/// Creates all files on `device`.
///
/// # Errors
///
/// `ENOMEM`; `EEXIST` if there are such files.
pub(crate) fn create(fleet: &Arc<Fleet>, device: &Device) -> Result {
    let data = |controller| FileData {
        fleet: fleet.clone(),
        controller,
    };
    let mut files = DeviceFiles::new(device);
    for file in [&NPORTS, &DETACH, &ATTACH, &DEBUG, &STATUS] {
        files.add(file, data(0))?;
    }
    for controller in 1..fleet.geometry().controllers() {
        let name = CString::try_from_fmt(fmt!("status.{controller}"))?;
        files.add_named(name, &STATUS, data(controller))?;
    }
    fleet.set_files(files);
    Ok(())
}
