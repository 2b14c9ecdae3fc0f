// SPDX-License-Identifier: GPL-2.0

//! How much memory a peer may occupy with what it has asked for.
//!
//! Never goes below zero or above the limit: what was taken is a value that can be given back only
//! once.

/// What the requests of a connection may occupy together.
#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    requests: usize,
}

/// A part of a [`Budget`], for one request. To be given back with [`Budget::give`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is not given back is lost to the connection"]
pub struct Share {
    bytes: usize,
}

impl Share {
    /// Returns the bytes that were taken.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Budget {
    /// Makes a budget of so many bytes in so many requests.
    pub const fn new(bytes: usize, requests: usize) -> Self {
        Self { bytes, requests }
    }

    /// Returns the bytes that are left.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the requests that are left.
    pub const fn requests(&self) -> usize {
        self.requests
    }

    /// Takes bytes for one request; `None` if not as much is left.
    pub fn take(&mut self, bytes: usize) -> Option<Share> {
        let left = self.bytes.checked_sub(bytes)?;
        self.requests = self.requests.checked_sub(1)?;
        self.bytes = left;
        Some(Share { bytes })
    }

    /// Gives back what one request took.
    pub fn give(&mut self, share: Share) {
        self.bytes = self.bytes.saturating_add(share.bytes);
        self.requests = self.requests.saturating_add(1);
    }
}
