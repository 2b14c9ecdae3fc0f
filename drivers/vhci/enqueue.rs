// SPDX-License-Identifier: GPL-2.0

//! Taking URBs over from usbcore. Any context, so it must never sleep, unless the URB says that it may.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

use usbip_core::{
    usbip_dbg,
    Session, //
};
use usbip_hcd::{
    NewUrb,
    Outcome, //
};
use usbip_kernel::mem::NoIo;
use usbip_logic::plan::Pending;
use usbip_proto::{
    Status,
    MAX_ISO_PACKETS, //
};

use crate::{
    address::{
        self,
        Step, //
    },
    port::{
        Inner,
        Port, //
    },
    requests::{
        self,
        Storage, //
    }, //
};

/// Takes an URB for the device on a port.
pub(crate) fn enqueue<'a>(session: &Session<Port>, urb: NewUrb<'a>) -> Outcome<'a> {
    let port = session.role();
    let may_sleep = urb.may_sleep();
    let Some(pending) = pending(&urb) else {
        return urb.refuse(EINVAL);
    };
    match address::step(&urb) {
        Step::Addressed => {}
        Step::Ask => adopt(port, &urb),
        Step::Set(address) => {
            adopt(port, &urb);
            return set_address(port, urb, address);
        }
        Step::Invalid => {
            dev_err!(urb.child(), "invalid request to devnum 0\n");
            return urb.refuse(EINVAL);
        }
    }

    let mut inner = port.lock();
    // Lasts until after the lock: what it held is freed then.
    let mut storage = None;
    loop {
        if let Err(error) = admit(&inner, &urb) {
            drop(inner);
            usbip_dbg!(Urb, "enqueue for inactive port {}\n", port.place().port);
            return urb.refuse(error);
        }
        let Some(slots) = inner.requests.needs() else {
            break;
        };
        if let Some(larger) = storage.take_if(|storage: &mut Storage| storage.len() >= slots) {
            storage = Some(inner.requests.grow(larger));
            break;
        }
        drop(inner);
        storage = match storage_for(slots, may_sleep) {
            Ok(storage) => Some(storage),
            Err(error) => return urb.refuse(error),
        };
        inner = port.lock();
    }

    let is_alone = inner.requests.is_alone();
    let seqnum = inner.requests.next();
    let (urb, outcome) = match urb.link(&mut inner, seqnum.get()) {
        Ok(linked) => linked,
        Err(outcome) => {
            drop(inner);
            return outcome;
        }
    };
    if let Err(urb) = inner.requests.submit(seqnum, urb, pending) {
        let urb = urb.detach(&mut inner);
        drop(inner);
        urb.give_back(Status::NOMEM);
        return outcome;
    }
    drop(inner);
    drop(storage);
    usbip_dbg!(Urb, "enqueued as {}\n", seqnum.get());
    // Where one transfer waits for the other, to wake a thread for each would take longer than to send it. Where
    // there are many, the thread takes several at a time.
    if is_alone && may_sleep {
        session.send_now();
    } else {
        port.wake();
    }
    outcome
}

/// Memory for a table of so many slots. A large one may not be there at once; a disk may wait for it.
fn storage_for(slots: usize, may_sleep: bool) -> Result<Storage> {
    if !may_sleep {
        return requests::storage(slots, GFP_ATOMIC);
    }
    let _noio = NoIo::enter();
    requests::storage(slots, GFP_KERNEL)
}

/// What has to be known of an URB when it is answered; nothing if the protocol cannot carry it.
fn pending(urb: &NewUrb<'_>) -> Option<Pending> {
    let packets = u16::try_from(urb.packet_count()).ok()?;
    let length = urb.length();
    (packets <= MAX_ISO_PACKETS && i32::try_from(length).is_ok()).then(|| Pending {
        kind: urb.kind(),
        direction: urb.direction(),
        length,
        packets,
    })
}

/// Checks that there is a connection, and that the URB is for the device that was enumerated over it, not for one
/// that was there before.
fn admit(inner: &Inner, urb: &NewUrb<'_>) -> Result {
    if inner.takes(urb.child()) {
        Ok(())
    } else {
        Err(ENODEV)
    }
}

/// Remembers the device that usbcore is about to enumerate. Process context: usbcore does that in no other.
fn adopt(port: &Port, urb: &NewUrb<'_>) {
    let child: ARef<_> = urb.child().into();
    child.keep_awake();
    let old = port.lock().adopt(child);
    drop(old);
}

/// Answers that the device has the address that usbcore gives it.
fn set_address<'a>(port: &Port, urb: NewUrb<'a>, address: u16) -> Outcome<'a> {
    dev_info!(
        urb.child(),
        "SetAddress Request ({}) to port {}\n",
        address,
        port.place().port
    );
    let mut inner = port.lock();
    if let Err(error) = admit(&inner, &urb) {
        return urb.refuse(error);
    }
    let (mut urb, outcome) = match urb.link(&mut inner, 0) {
        Ok(linked) => linked,
        Err(outcome) => return outcome,
    };
    inner.set_addressed();
    urb.set_result(0, 0, 0);
    let urb = urb.detach(&mut inner);
    drop(inner);
    urb.give_back(Status::OK);
    outcome
}
