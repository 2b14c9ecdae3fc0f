// SPDX-License-Identifier: GPL-2.0

//! Writes to `attach` and `detach`. Which errno comes first is part of the contract with the tools.

use kernel::{
    device::Device,
    fmt,
    prelude::*,
    sync::Arc, //
};

use usbip_core::{
    usbip_dbg,
    Carrier,
    ConnectError,
    Fault,
    Session,
    SessionState, //
};
use usbip_logic::attach::{
    AttachError,
    AttachRequest,
    Place, //
};
use usbip_proto::sysfs_text::parse_detach;

use crate::{
    fleet::{
        Fleet,
        Wish, //
    },
    port::{
        Attachment,
        Port, //
    },
    receive::Receiver,
    transmit::Transmitter, //
};

/// Attaches the device that `text` says: `port sockfd devid speed`.
///
/// # Errors
///
/// - `EINVAL` if there are less than four numbers, for a port or speed that does not exist, for a descriptor that
///   is no stream socket, or if threads or memory for them are not to be had.
/// - `EAGAIN` if there is no such controller at the moment.
/// - `EBUSY` if the port is in use; the tools then try another one.
pub(crate) fn attach(fleet: &Fleet, text: &[u8]) -> Result {
    let request = AttachRequest::parse(text, fleet.geometry()).map_err(refused)?;
    usbip_dbg!(Sysfs, "attach {:?}\n", request.line);
    let session = session(fleet, request.place)
        .ok_or(AttachError::NotReady)
        .map_err(refused)?;
    let device: &Device = session.role().root().device();
    let transport = usbip_core::open(request.line.fd())
        .inspect_err(|_| dev_err!(device, "failed to lookup sock\n"))
        .map_err(|_| EINVAL)?;

    match plug(&session, &request, &transport) {
        Ok(()) => Ok(()),
        Err(ConnectError::Busy | ConnectError::Unusable) => {
            let wish = Wish {
                process: current!().pid(),
                request,
            };
            if fleet.refused(wish) && plug_anywhere(fleet, &request, &transport) {
                return Ok(());
            }
            if fleet.says_busy() {
                dev_err!(device, "port {} already used\n", request.place.port);
            }
            Err(Error::from_errno(AttachError::Busy.errno()))
        }
        Err(ConnectError::Removed) => Err(refused(AttachError::NotReady)),
        Err(ConnectError::NoThread) => Err(refused(AttachError::NoThread)),
    }
}

/// The session of a port, if its controller is there at the moment.
fn session(fleet: &Fleet, place: Place) -> Option<Arc<Session<Port>>> {
    let controller = fleet.controller(place.controller)?;
    controller.session(place.hub, place.port).cloned()
}

/// Lets the connection to the device begin, on the port of a session.
fn plug(
    session: &Arc<Session<Port>>,
    request: &AttachRequest,
    transport: &Carrier,
) -> Result<(), ConnectError> {
    let port = session.role();
    let device: &Device = port.root().device();
    let attachment = Attachment {
        devid: request.line.devid,
        speed: request.speed,
        sockfd: request.line.sockfd,
    };
    let receiver = Receiver::new(session.clone());
    let transmitter = Transmitter::new(session.clone()).map_err(|_| ConnectError::NoThread)?;
    session.connect(transport.clone(), receiver, transmitter, || {
        dev_info!(
            device,
            "pdev({}) rhport({}) sockfd({})\n",
            port.place().controller,
            port.place().port,
            attachment.sockfd
        );
        dev_info!(
            device,
            "devid({}) speed({}) speed_str({})\n",
            attachment.devid.get(),
            attachment.speed.number(),
            attachment.speed.name()
        );
        port.plug(attachment);
        true
    })?;
    dev_info!(device, "Device attached\n");
    Ok(())
}

/// The same on whichever port is free, in the order in which the tools look; says whether there was one.
fn plug_anywhere(fleet: &Fleet, request: &AttachRequest, transport: &Carrier) -> bool {
    let geometry = fleet.geometry();
    for controller in 0..geometry.controllers() {
        for port in 0..geometry.ports() {
            let place = Place {
                controller,
                port,
                ..request.place
            };
            let Some(session) = session(fleet, place) else {
                continue;
            };
            if session.state() == SessionState::Idle && plug(&session, request, transport).is_ok() {
                let device: &Device = session.role().root().device();
                dev_info!(
                    device,
                    "port {} instead of {}, which is in use\n",
                    place.number(geometry),
                    request.place.number(geometry)
                );
                return true;
            }
        }
    }
    false
}

/// Detaches the device on the port that `text` says. Returns before that is done.
///
/// # Errors
///
/// `EINVAL` if there is no such port, or it is free; `EAGAIN` if there is no such controller at the moment.
pub(crate) fn detach(fleet: &Fleet, text: &[u8]) -> Result {
    let number = parse_detach(text).ok_or(EINVAL)?;
    usbip_dbg!(Sysfs, "detach {}\n", number);
    let place = Place::from_number(number, fleet.geometry()).ok_or_else(|| {
        pr_err!("no port {}\n", number);
        EINVAL
    })?;
    let session = session(fleet, place)
        .ok_or(AttachError::NotReady)
        .map_err(refused)?;
    if session.disconnect(Fault::Local) == SessionState::Idle {
        pr_err!("not connected {}\n", number);
        return Err(EINVAL);
    }
    Ok(())
}

/// Says why in the log, and turns it into what the writer gets.
fn refused(error: AttachError) -> Error {
    /// The kernel's messages have a trait of their own for what they show.
    struct Shown(AttachError);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            core::fmt::Display::fmt(&self.0, f)
        }
    }

    pr_err!("Failed attach request: {}\n", Shown(error));
    Error::from_errno(error.errno())
}
