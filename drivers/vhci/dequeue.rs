// SPDX-License-Identifier: GPL-2.0

//! Giving URBs up that usbcore wants to have back. Any context, so it must never sleep, and it never allocates.
//!
//! | the URB | what happens |
//! |---|---|
//! | has not been sent | it is given back at once, and never sent |
//! | is being sent, or waits for its answer | the peer is asked; whichever answer comes first ends it |
//! | has its answer, or is receiving it | it is given back in a moment, by whoever has it |

use kernel::prelude::*;

use usbip_core::usbip_dbg;
use usbip_hcd::Unlinking;
use usbip_kernel::trace;
use usbip_logic::requests::Unlinked;
use usbip_proto::Seqnum;

use crate::port::Port;

/// Begins to give up an URB of the device on `port`.
///
/// # Errors
///
/// Those of [`Unlinking::check`].
pub(crate) fn dequeue(port: &Port, urb: Unlinking<'_>) -> Result {
    let mut inner = port.lock();
    let seqnum = Seqnum::new(urb.check(&mut inner)?);
    usbip_dbg!(Urb, "dequeue {}\n", seqnum.get());
    match inner.requests.unlink(seqnum) {
        Unlinked::Unsent(queued) => {
            let detached = queued.detach(&mut inner);
            drop(inner);
            detached.give_back(urb.status());
        }
        Unlinked::Asked(request) => {
            let devid = inner.devid().get();
            drop(inner);
            trace::unlink(trace::Role::Vhci, devid, request.get(), seqnum.get(), 0);
            port.wake();
        }
        Unlinked::Ending => {}
    }
    Ok(())
}
