// SPDX-License-Identifier: GPL-2.0

//! The files of a device: user space sees there what it is, and hands it a socket.

use core::fmt::Write;

use kernel::{
    device::Device,
    prelude::*,
    sync::Arc, //
};

use usbip_core::{
    usbip_dbg,
    ConnectError,
    Fault,
    Session,
    SessionState, //
};
use usbip_kernel::sysfs::{
    BinaryFile,
    DeviceFiles,
    File,
    PageWriter, //
};
use usbip_proto::sysfs_text::parse_sockfd_any_base;

use crate::{
    receive::Incoming,
    role::Gadget,
    state::DESCRIPTOR,
    transmit::Outgoing, //
};

/// What `usbip_sockfd` takes for "disconnect" instead of a file descriptor.
const DISCONNECT: i32 = -1;

/// The session that the files are about.
type Gadgets = Arc<Session<Gadget>>;

const STATUS: File<Gadgets> = File::readable(c"usbip_status", show_status);
const SOCKFD: File<Gadgets> = File::writable(c"usbip_sockfd", store_sockfd);

/// The files of a device; dropping them removes them.
pub(crate) struct Files {
    _text: DeviceFiles<Gadgets>,
    _descriptor: BinaryFile<Gadgets>,
}

impl Files {
    pub(crate) fn new(device: &Device, session: &Gadgets) -> Result<Self> {
        let mut text = DeviceFiles::new(device);
        text.add(&STATUS, session.clone())?;
        text.add(&SOCKFD, session.clone())?;
        let descriptor = BinaryFile::new(
            device,
            c"dev_desc",
            DESCRIPTOR,
            read_descriptor,
            session.clone(),
        )?;
        Ok(Self {
            _text: text,
            _descriptor: descriptor,
        })
    }
}

/// The numbers of `enum usbip_device_status`.
fn show_status(session: &Gadgets, out: &mut PageWriter<'_>) -> Result {
    let number = match session.state() {
        SessionState::Idle => 1,
        SessionState::Connected | SessionState::Closing => 2,
        SessionState::Unusable | SessionState::Removed => 3,
    };
    writeln!(out, "{number}").map_err(|_| EOVERFLOW)
}

fn read_descriptor(session: &Gadgets, offset: usize, out: &mut [u8]) -> Result<usize> {
    let descriptor = session.role().engine().descriptor().ok_or(ENODEV)?;
    let rest = descriptor.get(offset..).unwrap_or_default();
    let count = rest.len().min(out.len());
    if let (Some(out), Some(rest)) = (out.get_mut(..count), rest.get(..count)) {
        out.copy_from_slice(rest);
    }
    Ok(count)
}

fn store_sockfd(session: &Gadgets, text: &[u8]) -> Result {
    let number = parse_sockfd_any_base(text).ok_or(EINVAL)?;
    usbip_dbg!(Sysfs, "usbip_sockfd {}\n", number);
    let gadget = session.role();
    if !gadget.engine().is_seen() {
        dev_err!(gadget.log(), "gadget not bound\n");
        return Err(ENODEV);
    }
    match number {
        DISCONNECT => disconnect(session),
        fd => connect(session, fd),
    }
}

fn connect(session: &Gadgets, fd: i32) -> Result {
    let gadget = session.role();
    if session.state() == SessionState::Connected {
        dev_err!(gadget.log(), "Device already connected\n");
        return Err(EBUSY);
    }
    let transport = usbip_core::open(fd).map_err(|_| {
        dev_err!(gadget.log(), "failed to lookup sock\n");
        EINVAL
    })?;
    let rx = Incoming::new(gadget);
    let tx = Outgoing::new(gadget).map_err(|_| EINVAL)?;
    session
        .connect(transport, rx, tx, || gadget.engine().open())
        .map_err(|error| match error {
            ConnectError::Busy => EBUSY,
            ConnectError::Removed => ENODEV,
            ConnectError::Unusable | ConnectError::NoThread => EINVAL,
        })
}

fn disconnect(session: &Gadgets) -> Result {
    if session.disconnect(Fault::Local) == SessionState::Connected {
        Ok(())
    } else {
        dev_err!(session.role().log(), "Device not connected\n");
        Err(EINVAL)
    }
}
