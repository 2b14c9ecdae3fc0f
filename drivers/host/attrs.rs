// SPDX-License-Identifier: GPL-2.0

//! The files of a device that is shared: user space sees its state there, and hands it a socket.

use core::fmt::Write;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use usbip_core::{
    debug,
    usbip_dbg,
    ConnectError,
    Fault,
    Session,
    SessionState, //
};
use usbip_kernel::sysfs::{
    File,
    PageWriter, //
};
use usbip_proto::sysfs_text::parse_sockfd;

use crate::{
    device::Stub,
    receive::Incoming,
    transmit::Outgoing, //
};

/// What `usbip_sockfd` takes for "disconnect" instead of a file descriptor.
const DISCONNECT: i32 = -1;

/// The session that the files are about.
type Stubs = Arc<Session<Stub>>;

/// The files.
pub(crate) const FILES: &[File<Stubs>] = &[
    File::readable(c"usbip_status", show_status),
    File::writable(c"usbip_sockfd", store_sockfd),
    File::both(
        c"usbip_debug",
        |_, out| debug::show(out),
        |_, text| debug::store(text),
    ),
];

/// The numbers of `enum usbip_device_status`.
fn show_status(session: &Stubs, out: &mut PageWriter<'_>) -> Result {
    let number = match session.state() {
        SessionState::Idle => 1,
        SessionState::Connected | SessionState::Closing => 2,
        SessionState::Unusable | SessionState::Removed => 3,
    };
    writeln!(out, "{number}").map_err(|_| EOVERFLOW)
}

fn store_sockfd(session: &Stubs, text: &[u8]) -> Result {
    let number = parse_sockfd(text).ok_or(EINVAL)?;
    usbip_dbg!(Sysfs, "usbip_sockfd {}\n", number);
    match number {
        DISCONNECT => disconnect(session),
        fd => connect(session, fd),
    }
}

fn connect(session: &Stubs, fd: i32) -> Result {
    let stub = session.role();
    dev_info!(stub.log(), "stub up\n");
    let transport = usbip_core::open(fd).map_err(|_| {
        dev_err!(stub.log(), "failed to lookup sock\n");
        EINVAL
    })?;
    let rx = Incoming::new(stub);
    let tx = Outgoing::new(stub);
    session
        .connect(transport, rx, tx, || {
            stub.wire().open();
            true
        })
        .map_err(|error| {
            match error {
                ConnectError::NoThread => dev_err!(stub.log(), "no thread\n"),
                _ => dev_err!(stub.log(), "not ready\n"),
            }
            EINVAL
        })
}

fn disconnect(session: &Stubs) -> Result {
    dev_info!(session.role().log(), "stub down\n");
    match session.disconnect(Fault::Local) {
        SessionState::Connected | SessionState::Closing => Ok(()),
        SessionState::Idle | SessionState::Unusable | SessionState::Removed => Err(EINVAL),
    }
}
