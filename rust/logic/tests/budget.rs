// SPDX-License-Identifier: GPL-2.0

//! The memory that a peer may occupy.

use proptest::prelude::*;

use usbip_logic::budget::Budget;

/// The C server let a client have any number of transfers of any size.
#[test]
fn s9_there_is_an_end() {
    let mut budget = Budget::new(1000, 3);
    let first = budget.take(600).unwrap();
    assert_eq!(budget.take(401), None);
    let second = budget.take(400).unwrap();
    assert_eq!(budget.take(1), None);
    let third = budget.take(0).unwrap();
    assert_eq!(budget.take(0), None, "too many requests");
    assert_eq!(first.bytes(), 600);
    budget.give(first);
    assert_eq!((budget.bytes(), budget.requests()), (600, 1));
    budget.give(second);
    budget.give(third);
    assert_eq!((budget.bytes(), budget.requests()), (1000, 3));
}

proptest! {
    #[test]
    fn never_more_than_the_limit(
        limit in 0_usize..5000,
        requests in 0_usize..20,
        steps in proptest::collection::vec((any::<bool>(), 0_usize..2000), 0..100),
    ) {
        let mut budget = Budget::new(limit, requests);
        let mut taken = Vec::new();
        for (take, bytes) in steps {
            if take {
                taken.extend(budget.take(bytes));
            } else if let Some(share) = taken.pop() {
                budget.give(share);
            }
            let sum: usize = taken.iter().map(|share| share.bytes()).sum();
            prop_assert!(sum <= limit && taken.len() <= requests);
            prop_assert_eq!(budget.bytes(), limit - sum);
            prop_assert_eq!(budget.requests(), requests - taken.len());
        }
    }
}
