// SPDX-License-Identifier: GPL-2.0-or-later

//! Management: what is said before a connection becomes that of a device.
//!
//! Read and written byte by byte as far as it goes, without a buffer: whatever follows belongs to
//! whoever takes the socket next.

use std::io::{
    self,
    Read,
    Write, //
};

use usbip_proto::{
    op::{
        OpCode,
        OpCommon,
        OpStatus,
        UsbDevice,
        UsbInterface,
        OP_COMMON_LEN,
        USB_DEVICE_LEN,
        USB_INTERFACE_LEN, //
    },
    sysfs_text::BusId, //
};

use crate::{
    client::invalid,
    Socket, //
};

/// A device and its interfaces, as in the list of devices.
pub type Listed = (UsbDevice, Vec<UsbInterface>);

fn take<const N: usize>(socket: &Socket) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut stream = socket.stream();
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn put(socket: &Socket, bytes: &[u8]) -> io::Result<()> {
    let mut stream = socket.stream();
    stream.write_all(bytes)
}

/// Reads the start of a reply and checks what it is about.
fn reply(socket: &Socket, code: OpCode) -> io::Result<OpStatus> {
    let common =
        OpCommon::decode(&take::<OP_COMMON_LEN>(socket)?).map_err(|e| invalid(e.to_string()))?;
    if common.request || common.code != code {
        return Err(invalid(format!("not a reply to {code:?}: {common:?}")));
    }
    Ok(common.status)
}

fn refused(status: OpStatus) -> io::Error {
    io::Error::other(status.to_string())
}

/// Asks for the list of devices.
///
/// # Errors
///
/// Those of the socket, and what the other end says.
pub fn devlist(socket: &Socket) -> io::Result<Vec<Listed>> {
    put(socket, &OpCommon::request(OpCode::DevList).encode())?;
    match reply(socket, OpCode::DevList)? {
        OpStatus::Ok => {}
        status => return Err(refused(status)),
    }
    let count = u32::from_be_bytes(take(socket)?);
    let mut devices = Vec::new();
    for _ in 0..count {
        let device = device(socket)?;
        let mut interfaces = Vec::new();
        for _ in 0..device.interfaces {
            interfaces.push(UsbInterface::decode(&take::<USB_INTERFACE_LEN>(socket)?));
        }
        devices.push((device, interfaces));
    }
    Ok(devices)
}

/// Imports a device; the socket is its connection from then on.
///
/// # Errors
///
/// Those of the socket, and what the other end says.
pub fn import(socket: &Socket, busid: &BusId) -> io::Result<UsbDevice> {
    let mut request = OpCommon::request(OpCode::Import).encode().to_vec();
    request.extend(busid.to_field());
    put(socket, &request)?;
    match reply(socket, OpCode::Import)? {
        OpStatus::Ok => device(socket),
        status => Err(refused(status)),
    }
}

fn device(socket: &Socket) -> io::Result<UsbDevice> {
    UsbDevice::decode(&take::<USB_DEVICE_LEN>(socket)?)
        .ok_or_else(|| invalid("a device without a name"))
}

/// Answers one request of a client. Returns the place in `devices` of the device that it has
/// imported, or nothing if it only asked for the list or for a device that is not there.
///
/// # Errors
///
/// Those of the socket; `InvalidData` for a request that is none.
pub fn serve(socket: &Socket, devices: &[Listed]) -> io::Result<Option<usize>> {
    let common =
        OpCommon::decode(&take::<OP_COMMON_LEN>(socket)?).map_err(|e| invalid(e.to_string()))?;
    match (common.request, common.code) {
        (true, OpCode::DevList) => {
            let mut answer = OpCommon::reply(OpCode::DevList, OpStatus::Ok)
                .encode()
                .to_vec();
            answer.extend(u32::try_from(devices.len()).unwrap_or(0).to_be_bytes());
            for (device, interfaces) in devices {
                answer.extend(device.encode());
                for interface in interfaces {
                    answer.extend(interface.encode());
                }
            }
            put(socket, &answer)?;
            Ok(None)
        }
        (true, OpCode::Import) => {
            let wanted = BusId::from_field(&take(socket)?);
            let found = devices
                .iter()
                .position(|(device, _)| Some(device.busid) == wanted);
            let status = match found {
                Some(_) => OpStatus::Ok,
                None => OpStatus::NoDevice,
            };
            let mut answer = OpCommon::reply(OpCode::Import, status).encode().to_vec();
            if let Some((device, _)) = found.and_then(|index| devices.get(index)) {
                answer.extend(device.encode());
            }
            put(socket, &answer)?;
            Ok(found)
        }
        _ => Err(invalid(format!("not a request: {common:?}"))),
    }
}
