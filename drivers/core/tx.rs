// SPDX-License-Identifier: GPL-2.0

//! The sending thread of a connection: all that is queued goes out in as few calls as possible.

use usbip_kernel::{
    iovec::IoVecs,
    kthread::ShouldStop,
    signal::Signal, //
};

use crate::{
    role::Fill,
    transport::Transport,
    usbip_dbg,
    Fault,
    Transmit, //
};

/// The sending half of a connection, made before its thread.
pub(crate) struct Tx<T> {
    source: T,
    parts: IoVecs,
}

impl<T: Transmit> Tx<T> {
    pub(crate) fn new(source: T) -> Self {
        Self {
            source,
            parts: IoVecs::new(),
        }
    }

    /// Sends what is queued, and waits for `output` when nothing is, until the connection ends or
    /// the thread is told to stop.
    ///
    /// Returns why; `None` if it was told to stop.
    pub(crate) fn run(
        mut self,
        transport: &dyn Transport,
        output: &Signal,
        stop: &ShouldStop,
    ) -> Option<Fault> {
        while !stop.get() {
            match self.step(transport) {
                Ok(Fill::Frame) => {}
                Ok(Fill::Empty) => {
                    if !output.wait(stop) {
                        break;
                    }
                }
                Err(fault) => return Some(fault),
            }
        }
        None
    }

    fn step(&mut self, transport: &dyn Transport) -> Result<Fill, Fault> {
        let mut frame = self.parts.write();
        if self.source.fill(&mut frame)? == Fill::Empty {
            return Ok(Fill::Empty);
        }
        transport.send(&frame)?;
        usbip_dbg!(Xmit, "sent {} bytes\n", frame.len_bytes());
        self.source.sent()?;
        Ok(Fill::Frame)
    }
}
