// SPDX-License-Identifier: GPL-2.0

//! Requests to give up a request.
//!
//! One that is still with the controller is cancelled, and the unlink is answered when the
//! controller gives it back: with how it ended, and without its data. For one that is not, the
//! answer is on its way or was sent already: then the unlink is answered at once, behind it. But
//! see [`usbip_logic::overtaken`].

use usbip_core::Fault;
use usbip_kernel::trace;
use usbip_proto::{
    CmdUnlink,
    Status, //
};
use usbip_usb::{
    Idle,
    Transfer,
    Urb, //
};

use crate::{
    receive::Incoming,
    request::Request, //
};

impl Incoming {
    /// Carries out an unlink.
    pub(crate) fn unlink(&mut self, unlink: &CmdUnlink) -> Result<(), Fault> {
        trace::unlink(
            trace::Role::Host,
            unlink.devid.get(),
            unlink.seqnum.get(),
            unlink.target.get(),
            0,
        );
        if let Some(cancel) = self.wire().unlink(unlink.target, unlink.seqnum) {
            // The completion may run right here, and takes the lock. If the controller is done
            // with the request already, it runs elsewhere, and finds the unlink noted as well.
            cancel.unlink();
            return Ok(());
        }
        if self.overtaken.keep(unlink) {
            return Ok(());
        }
        self.answer_unlink(unlink)
    }

    /// Answers an unlink that found nothing.
    pub(crate) fn answer_unlink(&mut self, unlink: &CmdUnlink) -> Result<(), Fault> {
        // The answer is an URB that never went anywhere, so that it has its place in the queue.
        let nothing = Transfer::NOTHING;
        let cost = nothing.cost();
        self.charge_answer(cost)?;
        let request = Request::unlink(unlink.seqnum, cost);
        let urb = Urb::<Idle, _>::new(self.device(), &nothing, request, None)
            .map_err(|_| Fault::NoMemory)?;
        self.wire().answer(urb.finish(Status::OK));
        Ok(())
    }
}
