// SPDX-License-Identifier: GPL-2.0

//! Spare memory, against a model that remembers every piece.

use proptest::prelude::*;

use usbip_logic::shelf::{
    Piece,
    Shelf,
    MOST,
    MOST_BYTES, //
};

#[derive(Debug, PartialEq, Eq)]
struct Memory {
    number: usize,
    length: usize,
}

impl Piece for Memory {
    fn length(&self) -> usize {
        self.length
    }
}

fn memory(number: usize, length: usize) -> Memory {
    Memory { number, length }
}

#[test]
fn the_last_one_that_suits_comes_first() {
    let mut shelf = Shelf::EMPTY;
    for (number, length) in [4096, 16384, 4096, 65536].into_iter().enumerate() {
        shelf.put(memory(number, length)).unwrap();
    }
    assert_eq!(shelf.take(4096), Some(memory(2, 4096)));
    assert_eq!(shelf.take(4000), Some(memory(0, 4096)));
    assert_eq!(shelf.take(4096), None);
    assert_eq!(shelf.take(8192), None, "half of it would be left over");
    assert_eq!(shelf.take(8193), Some(memory(1, 16384)));
    assert_eq!(shelf.take(65537), None);
    assert_eq!(shelf.bytes(), 65536);
}

#[test]
fn keeps_no_more_than_it_may() {
    let mut shelf = Shelf::EMPTY;
    for number in 0..MOST {
        shelf.put(memory(number, 4096)).unwrap();
    }
    assert_eq!(shelf.put(memory(MOST, 4096)), Err(memory(MOST, 4096)));
    let mut shelf = Shelf::EMPTY;
    shelf.put(memory(0, MOST_BYTES - 4096)).unwrap();
    assert_eq!(shelf.put(memory(1, 4097)), Err(memory(1, 4097)));
    shelf.put(memory(2, 4096)).unwrap();
    assert_eq!(shelf.bytes(), MOST_BYTES);
    assert_eq!(shelf.put(memory(3, usize::MAX)), Err(memory(3, usize::MAX)));
}

proptest! {
    #[test]
    fn every_piece_is_in_one_place(
        steps in prop::collection::vec((any::<bool>(), 1_usize..100_000), 1..200)
    ) {
        let mut shelf = Shelf::EMPTY;
        let mut kept: Vec<Memory> = Vec::new();
        for (number, (is_put, length)) in steps.into_iter().enumerate() {
            if is_put {
                if shelf.put(memory(number, length)).is_ok() {
                    kept.push(memory(number, length));
                }
            } else if let Some(piece) = shelf.take(length) {
                prop_assert!(piece.length >= length && piece.length / 2 < length);
                let index = kept.iter().position(|known| *known == piece);
                prop_assert!(index.is_some(), "it was not there");
                kept.remove(index.unwrap());
            } else {
                let suits = |known: &Memory| known.length >= length && known.length / 2 < length;
                prop_assert!(!kept.iter().any(suits));
            }
            prop_assert!(kept.len() <= MOST);
            prop_assert_eq!(shelf.bytes(), kept.iter().map(|known| known.length).sum::<usize>());
            prop_assert!(shelf.bytes() <= MOST_BYTES);
        }
    }
}
