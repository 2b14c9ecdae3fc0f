// SPDX-License-Identifier: GPL-2.0

//! Spare memory: which piece to keep, and which one to use again.
//!
//! What was put there last is used first, as it is most likely in a cache. It must never hold more
//! than it was made for.

/// The most pieces that are kept.
pub const MOST: usize = 32;

/// The most bytes that are kept.
pub const MOST_BYTES: usize = 1 << 20;

/// A piece of memory.
pub trait Piece {
    /// How many bytes it has.
    fn length(&self) -> usize;
}

/// Pieces of memory that nobody uses.
#[derive(Debug)]
pub struct Shelf<T> {
    /// The first `count` are there.
    pieces: [Option<T>; MOST],
    count: usize,
    bytes: usize,
}

impl<T: Piece> Shelf<T> {
    /// Nothing.
    pub const EMPTY: Self = Self {
        pieces: [const { None }; MOST],
        count: 0,
        bytes: 0,
    };

    /// How many bytes there are.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a piece.
    ///
    /// # Errors
    ///
    /// The piece, if there are enough.
    pub fn put(&mut self, piece: T) -> Result<(), T> {
        let bytes = self.bytes.saturating_add(piece.length());
        match self.pieces.get_mut(self.count) {
            Some(slot) if bytes <= MOST_BYTES => {
                *slot = Some(piece);
                self.count = self.count.saturating_add(1);
                self.bytes = bytes;
                Ok(())
            }
            _ => Err(piece),
        }
    }

    /// Takes a piece of at least `length` bytes, less than half of which would be left over.
    pub fn take(&mut self, length: usize) -> Option<T> {
        let suits = |piece: &T| piece.length() >= length && piece.length() / 2 < length;
        let kept = self.pieces.get_mut(..self.count)?;
        let index = kept
            .iter()
            .rposition(|slot| slot.as_ref().is_some_and(suits))?;
        // The last one takes its place.
        let last = self.count.saturating_sub(1);
        kept.swap(index, last);
        let piece = kept.last_mut()?.take()?;
        self.count = last;
        self.bytes = self.bytes.saturating_sub(piece.length());
        Some(piece)
    }
}
