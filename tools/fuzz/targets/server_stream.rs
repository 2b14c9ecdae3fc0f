// SPDX-License-Identifier: GPL-2.0-or-later

//! What an exporting host makes of a stream, cut at any place: nothing is accepted that its
//! controller would stumble over, and how it was cut makes no difference.

#![no_main]

#[path = "../common/stream.rs"]
mod stream;

use libfuzzer_sys::fuzz_target;
use stream::{
    same_for_any_cut,
    Judge, //
};
use usbip_logic::{
    iso::SubmitCheck,
    plan::{
        plan_submit,
        Limits,
        Verdict, //
    },
    receive::Payload, //
};
use usbip_proto::{
    Direction,
    IsoPacket,
    Request,
    Status,
    TransferFlags,
    TransferKind,
    HEADER_LEN, //
};

const LIMIT: u32 = 1 << 20;

struct Host(Option<(SubmitCheck, Direction, u32, Vec<IsoPacket>)>);

impl Judge for Host {
    fn header(&mut self, header: &[u8; HEADER_LEN]) -> Option<Payload> {
        self.0 = None;
        let Request::Submit(submit) = Request::decode(header).ok()? else {
            return Some(Payload::NONE);
        };
        // The endpoint's number says of which kind it is.
        let kind = match submit.endpoint {
            0 => Some(TransferKind::Control),
            1..=3 => Some(TransferKind::Bulk),
            4..=6 => Some(TransferKind::Interrupt),
            7..=9 => Some(TransferKind::Isochronous),
            _ => None,
        };
        let plan = plan_submit(
            &submit,
            kind,
            &Limits {
                transfer: LIMIT,
                polled: true,
            },
        )
        .ok()?;
        assert_eq!(
            plan.payload.data > 0,
            !submit.direction.is_in() && submit.length > 0
        );
        match plan.verdict {
            Verdict::Refuse(status) => {
                assert!(status.get() < 0 && !plan.payload.keep);
                let answer = plan.refusal(&submit, status);
                assert_eq!((answer.seqnum, answer.actual_length), (submit.seqnum, 0));
            }
            Verdict::Accept(transfer) => {
                assert_eq!(Some(transfer.kind), kind);
                assert!(transfer.length <= LIMIT as usize);
                let poison = TransferFlags::NO_TRANSFER_DMA_MAP.get()
                    | TransferFlags::FREE_BUFFER.get()
                    | !0xffff;
                assert_eq!(transfer.flags.get() & poison, 0);
                assert_eq!(transfer.packets > 0, transfer.kind.is_isochronous());
                assert!(transfer.packets <= 1024);
                let length = u32::try_from(transfer.length).unwrap();
                let check = SubmitCheck::new(submit.direction, length);
                self.0 = Some((check, submit.direction, length, Vec::new()));
            }
        }
        Some(plan.payload)
    }

    fn packet(&mut self, packet: IsoPacket) {
        if let Some((check, _, _, packets)) = &mut self.0 {
            let packet = check.packet(&packet);
            assert_eq!((packet.actual_length, packet.status), (0, Status::OK));
            packets.push(packet);
        }
    }

    fn finish(&mut self) {
        let Some((check, direction, length, packets)) = self.0.take() else {
            return;
        };
        if check.finish().is_ok() {
            let sum: u64 = packets.iter().map(|packet| u64::from(packet.length)).sum();
            assert!(!direction.is_in() || sum <= u64::from(length));
            for packet in packets {
                assert!(u64::from(packet.offset) + u64::from(packet.length) <= u64::from(length));
            }
        }
    }
}

fuzz_target!(|data: &[u8]| same_for_any_cut(data, || Host(None)));
