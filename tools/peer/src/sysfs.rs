// SPDX-License-Identifier: GPL-2.0-or-later

//! Handing sockets to the kernel's modules, as the tools do.

use std::{
    fs, io,
    os::fd::AsRawFd,
    path::{
        Path,
        PathBuf, //
    },
};

use usbip_proto::{
    sysfs_text::{
        parse_status,
        HubSpeed,
        ParsedRow,
        PortState, //
    },
    DevId,
    Speed, //
};

use crate::{
    client::invalid,
    Socket, //
};

/// Where vhci's files are.
pub const VHCI: &str = "/sys/devices/platform/vhci_hcd.0";

/// Where USB devices are.
pub const DEVICES: &str = "/sys/bus/usb/devices";

/// Where the controllers of devices made in software are.
const GADGETS: &str = "/sys/devices/platform";

/// What the names of those begin with.
const GADGET: &str = "usbip-vudc.";

/// Reads the rows of all ports.
///
/// # Errors
///
/// Those of `read`; `InvalidData` for a row that is none.
pub fn ports() -> io::Result<Vec<ParsedRow>> {
    let mut rows = Vec::new();
    for controller in 0.. {
        let file = match controller {
            0 => format!("{VHCI}/status"),
            other => format!("{VHCI}/status.{other}"),
        };
        if controller > 0 && !Path::new(&file).exists() {
            break;
        }
        for row in parse_status(&fs::read(file)?) {
            rows.push(row.map_err(|_| invalid("not a row of a status table"))?);
        }
    }
    Ok(rows)
}

/// Finds the first free port for a device of that speed.
///
/// # Errors
///
/// Those of [`ports`]; `AddrInUse` if there is none.
pub fn free_port(speed: Speed) -> io::Result<u32> {
    let hub = HubSpeed::of(speed);
    ports()?
        .into_iter()
        .find(|row| row.hub == hub && row.state == PortState::Null)
        .map(|row| row.port)
        .ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

/// Writes to `attach`: vhci takes the socket over, and its other end is the exporting one. The
/// caller may close `socket` then.
///
/// # Errors
///
/// Those of `write`, which are the module's.
pub fn attach(port: u32, socket: &Socket, devid: DevId, speed: Speed) -> io::Result<()> {
    let line = format!(
        "{port} {} {} {}",
        socket.as_raw_fd(),
        devid.get(),
        speed.number()
    );
    fs::write(format!("{VHCI}/attach"), line)
}

/// Writes to `detach`.
///
/// # Errors
///
/// Those of `write`, which are the module's.
pub fn detach(port: u32) -> io::Result<()> {
    fs::write(format!("{VHCI}/detach"), port.to_string())
}

/// Writes to the `usbip_sockfd` of a device that is bound to usbip-host, or of a controller of
/// usbip-vudc: the module takes the socket over; its other end is the importing one.
///
/// # Errors
///
/// Those of `write`, which are the module's.
pub fn export(busid: &str, socket: &Socket) -> io::Result<()> {
    fs::write(
        device(busid).join("usbip_sockfd"),
        format!("{}\n", socket.as_raw_fd()),
    )
}

/// Writes -1 to `usbip_sockfd`: the connection ends.
///
/// # Errors
///
/// Those of `write`, which are the module's.
pub fn stop_export(busid: &str) -> io::Result<()> {
    fs::write(device(busid).join("usbip_sockfd"), "-1\n")
}

/// Reads `usbip_status`: 1 available, 2 used, 3 error.
///
/// # Errors
///
/// Those of `read`.
pub fn host_status(busid: &str) -> io::Result<u32> {
    let text = fs::read_to_string(device(busid).join("usbip_status"))?;
    text.trim().parse().map_err(invalid)
}

/// The folder of a USB device, or of a controller of usbip-vudc.
pub fn device(busid: &str) -> PathBuf {
    let folder = if is_gadget(busid) { GADGETS } else { DEVICES };
    Path::new(folder).join(busid)
}

/// Whether that is the name of a device made in software, which is on no bus.
pub fn is_gadget(busid: &str) -> bool {
    busid.starts_with(GADGET)
}

/// The vendor of a device that can be exported.
///
/// # Errors
///
/// Those of `read`; `InvalidData` if what is read is none.
pub fn vendor(busid: &str) -> io::Result<u16> {
    if !is_gadget(busid) {
        return u16::from_str_radix(&attribute(busid, "idVendor")?, 16).map_err(invalid);
    }
    match fs::read(device(busid).join("dev_desc"))?.as_slice() {
        // USB 2.0 table 9-8.
        [18, 1, _, _, _, _, _, _, low, high, ..] => Ok(u16::from_le_bytes([*low, *high])),
        _ => Err(invalid("not a device descriptor")),
    }
}

/// Reads an attribute of a USB device, without its newline.
///
/// # Errors
///
/// Those of `read`.
pub fn attribute(busid: &str, name: &str) -> io::Result<String> {
    let text = fs::read_to_string(device(busid).join(name))?;
    Ok(text.trim_end().to_owned())
}

/// The number that a local device has on the wire: none if it is on no bus.
///
/// # Errors
///
/// Those of `read`.
pub fn devid(busid: &str) -> io::Result<DevId> {
    if is_gadget(busid) {
        return Ok(DevId::new(0, 0));
    }
    let number = |name| -> io::Result<u16> { attribute(busid, name)?.parse().map_err(invalid) };
    Ok(DevId::new(number("busnum")?, number("devnum")?))
}
