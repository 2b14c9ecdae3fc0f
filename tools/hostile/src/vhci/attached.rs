// SPDX-License-Identifier: GPL-2.0-or-later

//! A device that is attached to vhci, whose server is at hand.

use std::io;

use usbip_peer::{
    sysfs,
    Device,
    Incoming,
    Model,
    Server,
    Socket, //
};
use usbip_proto::{
    sysfs_text::PortState,
    CmdSubmit,
    CmdUnlink,
    RetSubmit,
    Speed,
    Status, //
};

use super::Driver;
use crate::suite::{
    patience, //
    wait_for,
    Result,
};

/// A device that is attached to vhci, whose server is at hand.
pub(crate) struct Attached {
    pub(crate) port: u32,
    pub(crate) busid: String,
    pub(crate) server: Server,
    pub(crate) device: Device,
}

impl Attached {
    /// Attaches a device with all kinds of endpoints.
    pub(crate) fn everything() -> Result<Self> {
        Self::new(Model::everything(Speed::High), &[])
    }

    /// Attaches a device; what `prepare` does to the kernel's socket is done before.
    pub(crate) fn new(model: Model, prepare: &[fn(&Socket) -> io::Result<()>]) -> Result<Self> {
        let port = sysfs::free_port(model.speed)?;
        Self::plugged(port, model, prepare)
    }

    /// Attaches a device to a port of one's choice.
    pub(crate) fn on(port: u32, model: Model) -> Result<Self> {
        Self::plugged(port, model, &[])
    }

    fn plugged(port: u32, model: Model, prepare: &[fn(&Socket) -> io::Result<()>]) -> Result<Self> {
        let (near, far) = Socket::pair()?;
        near.set_timeout(Some(patience()))?;
        for prepare in prepare {
            prepare(&far)?;
        }
        let mut device = Device::new(model);
        let speed = device.model().speed;
        sysfs::attach(port, &far, device.devid(), speed)?;
        drop(far);
        let mut server = Server::new(near);
        device.enumerate(&mut server)?;
        let mut busid = None;
        wait_for("the device is there", || {
            busid = sysfs::ports().ok().and_then(|rows| {
                rows.into_iter()
                    .find(|row| row.port == port && row.state == PortState::Used)
                    .map(|row| row.busid.as_str().to_owned())
            });
            busid.is_some()
        })?;
        Ok(Self {
            port,
            busid: busid.ok_or("no name")?,
            server,
            device,
        })
    }

    /// Becomes its driver.
    pub(crate) fn driver(&self) -> Result<Driver> {
        Driver::of(&self.busid)
    }

    /// Waits for what the driver asks for; what usbcore asks for is answered.
    pub(crate) fn request(&mut self) -> Result<Incoming> {
        loop {
            let request = self
                .server
                .request()?
                .ok_or("the connection was closed by the kernel")?;
            match request {
                Incoming::Submit(submit) if submit.endpoint == 0 => {
                    self.device.answer(&mut self.server, &request)?;
                }
                other => return Ok(other),
            }
        }
    }

    /// Waits for a transfer that the driver asks for.
    pub(crate) fn submission(&mut self) -> Result<CmdSubmit> {
        match self.request()? {
            Incoming::Submit(submit) => Ok(submit),
            Incoming::Unlink(unlink) => Err(format!("not a transfer: {unlink:?}").into()),
        }
    }

    /// Waits for the driver to give something up.
    pub(crate) fn unlink(&mut self) -> Result<CmdUnlink> {
        match self.request()? {
            Incoming::Unlink(unlink) => Ok(unlink),
            Incoming::Submit(submit) => Err(format!("not an unlink: {submit:?}").into()),
        }
    }

    /// Answers the request that came last as the device does.
    pub(crate) fn good(&mut self, submit: &CmdSubmit) -> Result {
        self.device
            .answer(&mut self.server, &Incoming::Submit(*submit))?;
        self.flush()
    }

    /// Sends what is queued.
    pub(crate) fn flush(&mut self) -> Result {
        self.server.link().flush()?;
        Ok(())
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result {
        self.server.link().push(bytes)?;
        self.flush()
    }

    /// Sends an answer with its data.
    pub(crate) fn answer(&mut self, reply: &RetSubmit, data: &[u8]) -> Result {
        self.server.reply(reply, data, &[])?;
        self.flush()
    }

    /// The kernel closes the connection; requests may come before.
    pub(crate) fn closed(&mut self) -> Result {
        loop {
            match self.server.request() {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset
                            | io::ErrorKind::BrokenPipe
                            | io::ErrorKind::UnexpectedEof
                    ) =>
                {
                    return Ok(())
                }
                Err(error) => return Err(format!("not closed, but {error}").into()),
            }
        }
    }
}

/// An answer that says that all went well.
pub(crate) fn fine(submit: &CmdSubmit, actual_length: i32) -> RetSubmit {
    RetSubmit {
        seqnum: submit.seqnum,
        status: Status::OK,
        actual_length,
        start_frame: 0,
        packets: submit.packets,
        error_count: 0,
    }
}
