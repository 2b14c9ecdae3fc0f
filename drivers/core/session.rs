// SPDX-License-Identifier: GPL-2.0

//! A device's connections, one after the other: how they begin, and how they end.
//!
//! Lock order: [`Session::link`] comes before every lock of the drivers. It is a mutex, is held
//! for moments only, and never while a thread is waited for.
//!
//! Whoever wants a connection to end marks it as closing and leaves; the session's work item then
//! takes it down, in one order: shut the transport down, join both threads, let go of the
//! transport and of what was to be sent, [`Role::closed`], [`Role::reset`]. So there is one place
//! where the threads end, and they may themselves be the ones who asked for it.

use core::mem;

use kernel::{
    fmt,
    impl_has_work,
    prelude::*,
    static_lock_class,
    sync::{
        Arc,
        CondVar,
        Mutex, //
    },
    workqueue::{
        Work,
        WorkItem, //
    }, //
};

use usbip_kernel::{
    kthread::Kthread,
    lock_name,
    mem::NoIo,
    queue::QueueHandle,
    ratelimit::RateLimit,
    trace, //
};

use crate::{
    rx::Rx,
    transport::Carrier,
    tx::{
        Outlet,
        Tx, //
    },
    usbip_dbg,
    Fault,
    Receive,
    Role, //
};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Ready for a connection.
    Idle,
    /// Connected to a peer.
    Connected,
    /// The last connection is being taken down.
    Closing,
    /// The device could not be reset, and takes no more connections.
    Unusable,
    /// The device goes away, and takes no more connections.
    Removed,
}

impl SessionState {
    /// The number that the tracepoint shows.
    const fn number(self) -> u32 {
        match self {
            Self::Idle => 0,
            Self::Connected => 1,
            Self::Closing => 2,
            Self::Unusable => 3,
            Self::Removed => 4,
        }
    }
}

/// Why [`Session::connect`] did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// There is a connection already, or the last one is still being taken down.
    Busy,
    /// The device is unusable.
    Unusable,
    /// The device goes away.
    Removed,
    /// A thread or its memory was not to be had.
    NoThread,
}

/// A connection's threads and transport; they exist together or not at all.
///
/// Dropping it joins the threads, so it must only be dropped by the session's work item, or, never
/// started, by whoever made it. The fields are dropped in this order.
struct Connection {
    rx: Kthread,
    tx: Kthread,
    transport: Carrier,
}

/// The state of a session, with what exists only in that state.
enum Link {
    Idle,
    Connected(Connection),
    /// Until the work item takes it, the connection is still here.
    Closing(Option<Connection>),
    Unusable,
    Removed,
}

impl Link {
    fn state(&self) -> SessionState {
        match self {
            Self::Idle => SessionState::Idle,
            Self::Connected(_) => SessionState::Connected,
            Self::Closing(_) => SessionState::Closing,
            Self::Unusable => SessionState::Unusable,
            Self::Removed => SessionState::Removed,
        }
    }

    /// Whether a connection can begin.
    fn admits(&self) -> Result<(), ConnectError> {
        match self {
            Self::Idle => Ok(()),
            Self::Connected(_) | Self::Closing(_) => Err(ConnectError::Busy),
            Self::Unusable => Err(ConnectError::Unusable),
            Self::Removed => Err(ConnectError::Removed),
        }
    }

    /// Turns a connection into a closing one; says whether there was one.
    fn begin_close(&mut self) -> bool {
        match mem::replace(self, Self::Closing(None)) {
            Self::Connected(connection) => {
                *self = Self::Closing(Some(connection));
                true
            }
            other => {
                *self = other;
                false
            }
        }
    }
}

/// One device's side of its connections.
#[pin_data]
pub struct Session<R: Role> {
    #[pin]
    role: R,
    #[pin]
    link: Mutex<Link>,
    /// Notified when a connection has been taken down.
    #[pin]
    closed: CondVar,
    #[pin]
    outlet: Outlet<R::Transmit>,
    log: RateLimit,
    events: QueueHandle,
    #[pin]
    work: Work<Session<R>>,
}

impl_has_work! {
    impl{R: Role} HasWork<Session<R>> for Session<R> { self.work }
}

impl<R: Role> Session<R> {
    /// Makes a session that is ready for its first connection.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what `role` fails with.
    pub fn new(role: impl PinInit<R, Error>, events: QueueHandle) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                role <- role,
                link <- Mutex::new(Link::Idle, lock_name!("Session::link"), static_lock_class!()),
                closed <- CondVar::new(lock_name!("Session::closed"), static_lock_class!()),
                outlet <- Outlet::new(),
                log: RateLimit::new(),
                events,
                work <- Work::new(lock_name!("Session::work"), static_lock_class!()),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// The driver's side.
    pub fn role(&self) -> &R {
        &self.role
    }

    /// Where the session stands.
    pub fn state(&self) -> SessionState {
        self.link.lock().state()
    }

    /// Starts a connection over `transport`.
    ///
    /// `commit` runs when nothing else is in the way, before the threads do anything, and under the session's
    /// lock; it says whether the device is still there.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; the transport is then let go of without having been used.
    pub fn connect(
        self: &Arc<Self>,
        transport: Carrier,
        rx: impl Receive,
        tx: R::Transmit,
        commit: impl FnOnce() -> bool,
    ) -> Result<(), ConnectError> {
        // Threads are expensive to make in vain: a tool may ask for a busy port many times.
        self.link.lock().admits()?;
        let (connection, tx) = self
            .prepare(transport, rx, tx)
            .map_err(|_| ConnectError::NoThread)?;

        let mut link = self.link.lock();
        let is_there = |()| commit().then_some(()).ok_or(ConnectError::Removed);
        if let Err(refused) = link.admits().and_then(is_there) {
            drop(link);
            // Threads that never ran are joined here, which sleeps: the lock is free by now.
            drop(connection);
            return Err(refused);
        }
        self.outlet.open(tx);
        connection.rx.start();
        connection.tx.start();
        *link = Link::Connected(connection);
        self.trace(SessionState::Idle, SessionState::Connected);
        Ok(())
    }

    /// Makes the threads of a connection, which do not run yet.
    fn prepare(
        self: &Arc<Self>,
        transport: Carrier,
        rx: impl Receive,
        tx: R::Transmit,
    ) -> Result<(Connection, KBox<Tx<R::Transmit>>)> {
        let mut rx = Rx::new(rx)?;
        let tx = KBox::new(Tx::new(tx, transport.clone()), GFP_KERNEL)?;
        let connection = Connection {
            rx: Kthread::create(R::RX, {
                let session = self.clone();
                let transport = transport.clone();
                move |stop| {
                    let _noio = NoIo::enter();
                    if let Some(fault) = transport.receive(&mut rx, stop) {
                        session.disconnect(fault);
                    }
                }
            })?,
            tx: Kthread::create(R::TX, {
                let session = self.clone();
                move |stop| {
                    let _noio = NoIo::enter();
                    if let Some(fault) = session.outlet.run(session.role.output(), stop) {
                        session.disconnect(fault);
                    }
                }
            })?,
            transport,
        };
        Ok((connection, tx))
    }

    /// Sends what is queued right now, as far as the peer takes it at once; the tx thread does the
    /// rest, or all of it if it is at work. Sleeps, but for moments only.
    pub fn send_now(&self) {
        if !self.outlet.try_send() {
            self.role.output().raise();
        }
    }

    /// Lets the connection end, because of `fault`, if there is one; returns where the session stood.
    ///
    /// Returns at once; the connection ends a little later. May sleep.
    pub fn disconnect(self: &Arc<Self>, fault: Fault) -> SessionState {
        let mut link = self.link.lock();
        let found = link.state();
        let closing = self.begin_close(&mut link);
        drop(link);
        if closing {
            self.report(fault);
        }
        found
    }

    /// Lets the connection end, because of `fault`, and waits until nothing of it is left.
    ///
    /// Further ones may begin meanwhile, and are waited for as well. Waits without regard to
    /// signals; the wait is bounded by that of one reset.
    pub fn finish(self: &Arc<Self>, fault: Fault) {
        let mut closing = false;
        let mut link = self.link.lock();
        loop {
            closing |= self.begin_close(&mut link);
            if link.state() != SessionState::Closing {
                break;
            }
            self.closed.wait(&mut link);
        }
        drop(link);
        if closing {
            self.report(fault);
        }
    }

    /// Lets the connection end, and refuses any further one.
    ///
    /// Returns when nothing of a connection is left. Waits without regard to signals: the caller
    /// is about to free what the connection uses. The wait is bounded by that of one reset.
    pub fn remove(self: &Arc<Self>) {
        let mut link = self.link.lock();
        loop {
            self.begin_close(&mut link);
            if link.state() != SessionState::Closing {
                break;
            }
            self.closed.wait(&mut link);
        }
        self.trace(link.state(), SessionState::Removed);
        *link = Link::Removed;
    }

    /// Lets the work item take a connection down; says whether there is one.
    fn begin_close(self: &Arc<Self>, link: &mut Link) -> bool {
        let closing = link.begin_close();
        if closing {
            self.trace(SessionState::Connected, SessionState::Closing);
            // Nothing is lost if the item is queued already: it looks at the state when it runs.
            // It comes back then, or if the queue is gone, and is not the last reference.
            let _queued = self.events.enqueue(self.clone());
        }
        closing
    }

    /// Takes down a closing connection; the body of the work item.
    fn take_down(&self) {
        let connection = match &mut *self.link.lock() {
            Link::Closing(connection) => connection.take(),
            _ => None,
        };
        let Some(connection) = connection else { return };
        // The role forgets it when it is reset.
        let devid = self.role.devid();

        connection.transport.shut_down();
        drop(connection);
        self.outlet.close();
        self.role.closed();
        let next = match self.role.reset() {
            Ok(()) => Link::Idle,
            Err(_) => Link::Unusable,
        };

        let mut link = self.link.lock();
        self.trace_of(devid, SessionState::Closing, next.state());
        *link = next;
        self.closed.notify_all();
    }

    /// Says why a connection ends, in one line, unless the peer makes too many of them.
    fn report(&self, fault: Fault) {
        if !self.log.allows() {
            return;
        }
        if fault.is_orderly() {
            pr_info!("{}: {}\n", Name(&self.role), fault);
        } else {
            pr_err!("{}: {}\n", Name(&self.role), fault);
        }
    }

    fn trace(&self, from: SessionState, to: SessionState) {
        self.trace_of(self.role.devid(), from, to);
    }

    fn trace_of(&self, devid: u32, from: SessionState, to: SessionState) {
        trace::session_state(R::TRACE, devid, from.number(), to.number());
        usbip_dbg!(Event, "{}: {:?} to {:?}\n", Name(&self.role), from, to);
    }
}

impl<R: Role> WorkItem for Session<R> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.take_down();
    }
}

/// Displays a role by its name.
struct Name<'a, R>(&'a R);

impl<R: Role> fmt::Display for Name<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}
