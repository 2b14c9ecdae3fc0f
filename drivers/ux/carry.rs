// SPDX-License-Identifier: GPL-2.0

//! A connection that a process carries, as `usbip_core` sees it.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            AtomicFlag,
            Relaxed, //
        },
        Arc, //
    }, //
};

use usbip_core::{
    fault_at_end,
    stall_period,
    Fault,
    Machine,
    Progress,
    Silence,
    Source,
    Transport,
    Wait, //
};
use usbip_kernel::{
    iovec::{
        ReadVec,
        WriteVec, //
    },
    kthread::ShouldStop,
    loan::{
        Broken,
        Ended,
        Feed, //
    },
    mem::NoIo,
    time::Timeout,
    user_bytes::FromUser, //
};

use crate::node::Node;

/// The connection of a node.
pub(crate) struct Carried {
    node: Arc<Node>,
    /// The time between two looks whether the process has stalled, as it was when the connection was made.
    period: Timeout,
    /// Whether it ever was more than an offer.
    used: AtomicFlag,
}

impl Carried {
    /// Claims a node for a connection.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it has one already, or had one.
    pub(crate) fn link(node: &Arc<Node>) -> Result<Self> {
        node.link()?;
        Ok(Self {
            node: node.clone(),
            period: stall_period().into(),
            used: AtomicFlag::new(false),
        })
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if *self.used.get_mut() {
            self.node.end();
        } else {
            self.node.unlink();
        }
    }
}

impl Transport for Carried {
    fn receive(&self, machine: &mut dyn Machine, _stop: &ShouldStop) -> Option<Fault> {
        self.used.store(true, Relaxed);
        let mut mouth = Mouth {
            machine,
            fault: None,
        };
        self.node.inbox().lend(&mut mouth, self.period);
        let Mouth { machine, fault } = mouth;
        Some(fault.unwrap_or_else(|| fault_at_end(machine)))
    }

    fn send(&self, frame: &WriteVec<'_>, skip: usize, wait: Wait) -> Result<usize, Fault> {
        // A process takes it when it pleases: whoever cannot wait need not begin.
        if wait == Wait::None {
            return Ok(0);
        }
        self.used.store(true, Relaxed);
        self.node
            .outbox()
            .send(frame, skip, self.period)
            .map_err(|Ended| Fault::Closed)
    }

    fn shut_down(&self) {
        self.used.store(true, Relaxed);
        self.node.end();
    }
}

/// What the writing process runs.
struct Mouth<'a> {
    machine: &'a mut dyn Machine,
    /// Why it takes no more.
    fault: Option<Fault>,
}

impl Feed for Mouth<'_> {
    fn feed(&mut self, from: &mut FromUser<'_, '_>) -> Result<usize, Broken> {
        // The process stands between the kernel and its memory now, as the threads of other
        // connections do.
        let _noio = NoIo::enter();
        match self.machine.step(&mut Written(from)) {
            Ok(Progress::Bytes(count)) => Ok(count),
            Ok(Progress::Nothing | Progress::End) => Ok(0),
            Err(fault) => {
                self.fault = Some(fault);
                Err(Broken)
            }
        }
    }

    fn look(&mut self) -> Result<(), Broken> {
        let _noio = NoIo::enter();
        self.machine.look().map_err(|fault| {
            self.fault = Some(fault);
            Broken
        })
    }
}

/// The bytes of one write.
struct Written<'a, 'b, 'c>(&'a mut FromUser<'b, 'c>);

impl Source for Written<'_, '_, '_> {
    fn receive(&mut self, into: &mut ReadVec<'_>, _silence: Silence) -> Result<Progress, Fault> {
        Ok(match self.0.copy(into) {
            0 => Progress::Nothing,
            count => Progress::Bytes(count),
        })
    }
}
