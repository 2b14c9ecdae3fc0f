// SPDX-License-Identifier: GPL-2.0-or-later

//! What an importing host makes of a stream, cut at any place: nothing is believed that its
//! driver's buffer does not hold, and how it was cut makes no difference.

#![no_main]

#[path = "../common/stream.rs"]
mod stream;

use libfuzzer_sys::fuzz_target;
use stream::{
    same_for_any_cut,
    Judge, //
};
use usbip_logic::{
    iso::{
        spread,
        ReplyCheck,
        Span, //
    },
    plan::{
        plan_reply,
        Pending,
        ReplyPlan, //
    },
    receive::Payload, //
};
use usbip_proto::{
    Direction,
    IsoPacket,
    Reply,
    TransferKind,
    HEADER_LEN, //
};

struct Importer(Option<(ReplyPlan, Pending, ReplyCheck, Vec<u32>)>);

/// The request of a number: its kind, direction and size are bits of it.
fn pending(seqnum: u32) -> Pending {
    let kind = match seqnum & 3 {
        0 => TransferKind::Control,
        1 => TransferKind::Bulk,
        2 => TransferKind::Interrupt,
        _ => TransferKind::Isochronous,
    };
    let direction = match seqnum & 4 {
        0 => Direction::In,
        _ => Direction::Out,
    };
    let packets = match kind {
        TransferKind::Isochronous => (seqnum >> 3 & 15) as u16 + 1,
        _ => 0,
    };
    Pending {
        kind,
        direction,
        length: match packets {
            0 => seqnum >> 3 & 0xfff,
            count => u32::from(count) * 16,
        },
        packets,
    }
}

impl Judge for Importer {
    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Option<Payload> {
        self.0 = None;
        let Reply::Submit(reply) = Reply::decode(header).ok()? else {
            return Some(Payload::NONE);
        };
        let pending = pending(reply.seqnum.get());
        let plan = plan_reply(&reply, &pending).ok()?;
        assert!(plan.actual_length <= pending.length);
        assert!(plan.status.get() <= 0 && plan.status == plan.status.normalise());
        assert!(!plan.payload.keep || plan.payload.data <= pending.length);
        assert!(plan.payload.data == 0 || pending.direction.is_in());
        assert!(plan.payload.packets == 0 || plan.payload.packets == pending.packets);
        let check = ReplyCheck::new(pending.direction, plan.actual_length);
        self.0 = Some((plan, pending, check, Vec::new()));
        Some(plan.payload)
    }

    fn packet(&mut self, packet: IsoPacket) {
        if let Some((_, _, check, lengths)) = &mut self.0 {
            let result = check.packet(&packet, 16);
            assert!(result.actual_length <= 16 && result.status.get() <= 0);
            lengths.push(result.actual_length);
        }
    }

    fn finish(&mut self) {
        let Some((plan, pending, check, lengths)) = self.0.take() else {
            return;
        };
        if !plan.payload.keep_packets || check.finish().is_err() || !pending.direction.is_in() {
            return;
        }
        // What passed the check has a place for each of its bytes.
        let mut buffer: Vec<u8> = (0..plan.actual_length).map(|i| i as u8).collect();
        let data = buffer.clone();
        buffer.resize(pending.length as usize, 0xee);
        let spans = (0..).zip(&lengths).map(|(index, length)| Span {
            offset: index * 16,
            actual_length: *length,
        });
        let spans: Vec<Span> = spans.collect();
        spread(&mut buffer, plan.actual_length, spans.iter().copied()).unwrap();
        let mut rest = data.as_slice();
        for span in spans {
            let (piece, later) = rest.split_at(span.actual_length as usize);
            assert!(buffer[span.offset as usize..].starts_with(piece));
            rest = later;
        }
        assert!(rest.is_empty());
    }
}

fuzz_target!(|data: &[u8]| same_for_any_cut(data, || Importer(None)));
