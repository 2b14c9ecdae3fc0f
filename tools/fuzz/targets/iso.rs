// SPDX-License-Identifier: GPL-2.0-or-later

//! Moving packets to their places never leaves the buffer, and agrees with doing it the slow way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use usbip_logic::iso::{
    packed,
    spread,
    spread_with,
    Span, //
};

fuzz_target!(|data: &[u8]| {
    let Some(([size, length], packets)) = data.split_first_chunk() else {
        return;
    };
    let size = usize::from(*size) * 4;
    let length = u32::from(*length) * 4;
    let spans: Vec<Span> = packets
        .chunks_exact(4)
        .map(|bytes| Span {
            offset: u32::from(u16::from_be_bytes([bytes[0], bytes[1]])),
            // Now and then one that wraps.
            actual_length: match bytes[2] {
                255 => u32::MAX - u32::from(bytes[3]),
                _ => u32::from(bytes[3]),
            },
        })
        .collect();
    let original: Vec<u8> = (0..size).map(|i| i as u8).collect();
    let mut buffer = original.clone();
    let mut moves = Vec::new();
    let planned = spread_with(spans.iter().copied(), length, size as u32, |m| {
        moves.push(m)
    });
    for m in &moves {
        assert!(m.from < m.to && m.to + m.len <= size);
    }
    let done = spread(&mut buffer, length, spans.iter().copied());
    assert!(done.is_err() || planned.is_ok());
    if done.is_ok() {
        let sum: u64 = spans.iter().map(|span| u64::from(span.actual_length)).sum();
        assert_eq!(sum, u64::from(length));
        let ordered = spans
            .windows(2)
            .all(|two| two[0].offset + two[0].actual_length <= two[1].offset);
        let mut rest = &original[..length as usize];
        for span in &spans {
            let (piece, later) = rest.split_at(span.actual_length as usize);
            if ordered && span.actual_length > 0 {
                assert_eq!(packed(&buffer, *span), Some(piece));
            }
            rest = later;
        }
    }
    for span in spans {
        if let Some(piece) = packed(&original, span) {
            assert_eq!(piece.len(), span.actual_length as usize);
        }
    }
});
