// SPDX-License-Identifier: GPL-2.0

//! The sending half of a connection: all that is queued goes out in as few calls as possible.
//!
//! There is a thread that does it. Whoever has queued something, and may sleep for moments, can do
//! it himself instead, which saves waking the thread ([`Outlet::try_send`]). A mutex says whose turn
//! it is; who does not get it leaves the work to the thread.

use kernel::{
    prelude::*,
    static_lock_class,
    sync::Mutex,
    time::Delta, //
};

use usbip_kernel::{
    alarm::Alarm,
    iovec::IoVecs,
    kthread::ShouldStop,
    lock_name,
    mem::NoIo,
    signal::Signal, //
};

use crate::{
    patience::Patience,
    role::Fill,
    transport::{
        Carrier,
        Wait, //
    },
    usbip_dbg,
    Fault,
    Transmit, //
};

/// How far one call of [`Tx::step`] came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing is queued any more: all of it is on its way.
    Done,
    /// The same, but to be called again after that time even if nothing is queued.
    Watch(Delta),
    /// A frame is on its way, or a part of it, and more is to be sent.
    More,
}

/// The sending half of a connection, made before its thread.
pub(crate) struct Tx<T> {
    source: T,
    transport: Carrier,
    parts: IoVecs,
    /// How many bytes have been sent of the frame that the source has gathered; nothing if it has none.
    sent: Option<usize>,
    patience: Patience,
}

impl<T: Transmit> Tx<T> {
    pub(crate) fn new(source: T, transport: Carrier) -> Self {
        Self {
            source,
            transport,
            parts: IoVecs::new(),
            sent: None,
            patience: Patience::new(),
        }
    }

    /// How a step ends after which nothing is queued.
    fn rest(&self) -> Step {
        match self.patience.period() {
            Some(period) if self.source.needs_ticks() => Step::Watch(period),
            _ => Step::Done,
        }
    }

    /// Sends what is queued, or the rest of what the last call could not send.
    fn step(&mut self, wait: Wait) -> Result<Step, Fault> {
        if self.patience.has_ticked() && self.source.tick() {
            return Err(Fault::Unanswered);
        }
        let (fill, before) = match self.sent {
            // Whatever has been queued since it was gathered may have raised the signal before this
            // call, for which it is lowered already: nobody would ask again.
            Some(sent) => (Fill::Part, sent),
            None => {
                self.patience.heard();
                (self.source.gather()?, 0)
            }
        };
        if fill == Fill::Empty {
            return Ok(self.rest());
        }
        let mut frame = self.parts.write();
        self.source.frame(&mut frame)?;
        let now = match self.transport.send(&frame, before, wait) {
            // Whoever cannot wait is the process that submits. What its permissions, or its signals, do not
            // let it send is the thread's to send, and if that cannot either, it says so.
            Err(_) if wait == Wait::None => 0,
            sent => sent?,
        };
        usbip_dbg!(Xmit, "sent {} bytes\n", now);
        let sent = before.saturating_add(now);
        if sent < frame.len_bytes() {
            self.sent = Some(sent);
            if now > 0 {
                self.patience.heard();
            } else if wait == Wait::Period && self.patience.is_over() {
                return Err(Fault::Stalled);
            }
            return Ok(Step::More);
        }
        self.sent = None;
        self.source.sent()?;
        Ok(match fill {
            Fill::Part => Step::More,
            _ => self.rest(),
        })
    }
}

/// Where the sending half of a session's connection is, as long as there is one.
#[pin_data]
pub(crate) struct Outlet<T> {
    #[pin]
    state: Mutex<State<T>>,
}

struct State<T> {
    tx: Option<KBox<Tx<T>>>,
    /// Why sending failed, for the thread to report.
    fault: Option<Fault>,
}

impl<T: Transmit> Outlet<T> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- Mutex::new(
                State {
                    tx: None,
                    fault: None,
                },
                lock_name!("Outlet::state"),
                static_lock_class!(),
            ),
        })
    }

    /// A connection begins: this is its sending half.
    pub(crate) fn open(&self, tx: KBox<Tx<T>>) {
        *self.state.lock() = State {
            tx: Some(tx),
            fault: None,
        };
    }

    /// The connection is over, and its thread has ended: lets go of all that was to be sent.
    pub(crate) fn close(&self) {
        let tx = self.state.lock().tx.take();
        drop(tx);
    }

    /// Sends what is queued, without waiting for the peer. Says whether that is all; else the thread
    /// has to see to it. Sleeps, but for moments only.
    pub(crate) fn try_send(&self) -> bool {
        let Some(mut state) = self.state.try_lock() else {
            return false;
        };
        // As the thread does for all of its life.
        let _noio = NoIo::enter();
        if state.fault.is_some() {
            return false;
        }
        match state.tx.as_mut().map(|tx| tx.step(Wait::None)) {
            None | Some(Ok(Step::Done)) => true,
            // The thread sends the rest, and watches.
            Some(Ok(Step::More | Step::Watch(_))) => false,
            Some(Err(fault)) => {
                state.fault = Some(fault);
                false
            }
        }
    }

    /// What the thread does: sends what is queued, and waits for `output` when nothing is, until the
    /// connection ends or the thread is told to stop.
    ///
    /// Returns why; `None` if it was told to stop.
    pub(crate) fn run(&self, output: &Signal, stop: &ShouldStop) -> Option<Fault> {
        Alarm::with(output, |alarm| {
            loop {
                match self.step() {
                    Ok(Step::More) if stop.get() => break,
                    Ok(Step::More) => continue,
                    Ok(Step::Done) => {}
                    Ok(Step::Watch(period)) => alarm.ring_after(period),
                    Err(fault) => return Some(fault),
                }
                // Whatever is queued from now on raises the signal.
                if !output.wait(stop) {
                    break;
                }
            }
            None
        })
    }

    fn step(&self) -> Result<Step, Fault> {
        let mut state = self.state.lock();
        if let Some(fault) = state.fault {
            return Err(fault);
        }
        let stepped = match &mut state.tx {
            Some(tx) => tx.step(Wait::Period),
            None => Ok(Step::Done),
        };
        // What was to be sent is half in the buffers: no process that submits may go on with it.
        state.fault = stepped.as_ref().err().copied();
        stepped
    }
}
