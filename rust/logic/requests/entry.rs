// SPDX-License-Identifier: GPL-2.0

//! What is in the table.

use core::mem;

use usbip_proto::Seqnum;

use crate::{
    plan::Pending,
    waits::Since, //
};

/// A request that waits for its answer. `U` is an URB, and `E` an answer that came early.
#[derive(Debug)]
pub enum Entry<U, E> {
    /// A transfer.
    Submit(Submission<U, E>),
    /// That a transfer is to be given up.
    Unlink(Unlink),
}

impl<U, E> Entry<U, E> {
    pub(super) fn is_unsent(&self) -> bool {
        match self {
            Self::Submit(submission) => matches!(submission.progress, Progress::Unsent(_)),
            Self::Unlink(unlink) => !unlink.sent,
        }
    }
}

/// A transfer.
#[derive(Debug)]
pub struct Submission<U, E> {
    /// What is known of it, for judging the answer.
    pub pending: Pending,
    pub(super) progress: Progress<U, E>,
    /// The number of the request to give it up.
    pub(super) unlink: Option<Seqnum>,
    /// Since when somebody has waited for it to end.
    pub(super) wanted: Option<Since>,
}

impl<U, E> Submission<U, E> {
    pub(super) fn new(urb: U, pending: Pending) -> Self {
        Self {
            pending,
            progress: Progress::Unsent(urb),
            unlink: None,
            wanted: None,
        }
    }

    /// The URB, unless its data are being sent.
    pub fn urb(&self) -> Option<&U> {
        match &self.progress {
            Progress::Unsent(urb) | Progress::Sent(urb) => Some(urb),
            Progress::Sending(_) => None,
        }
    }

    #[inline]
    pub(super) fn into_urb(self) -> Option<U> {
        self.progress.into_urb()
    }
}

/// How far a transfer has come.
#[derive(Debug)]
pub(super) enum Progress<U, E> {
    /// It is in the line.
    Unsent(U),
    /// Whoever sends its data has the URB. The answer, if it came before all of them had left.
    Sending(Option<E>),
    /// It waits for its answer.
    Sent(U),
}

impl<U, E> Progress<U, E> {
    /// Takes a transfer from the line; returns its URB if that is to be put back.
    pub(super) fn send(&mut self, has_data: bool) -> Option<U> {
        match mem::replace(self, Self::Sending(None)) {
            Self::Unsent(urb) if has_data => return Some(urb),
            Self::Unsent(urb) => *self = Self::Sent(urb),
            // It is not in the line.
            other => *self = other,
        }
        None
    }

    #[inline]
    pub(super) fn into_urb(self) -> Option<U> {
        match self {
            Self::Unsent(urb) | Self::Sent(urb) => Some(urb),
            Self::Sending(_) => None,
        }
    }
}

/// That a transfer is to be given up.
#[derive(Debug)]
pub struct Unlink {
    /// The transfer.
    pub target: Seqnum,
    pub(super) sent: bool,
}
