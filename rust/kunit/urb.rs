// SPDX-License-Identifier: GPL-2.0

//! The life of a transfer.

use kernel::prelude::*;

#[kunit_tests(usbip_urb)]
mod tests {
    use super::*;
    use crate::{
        device::gadget,
        inbox::{
            inbox,
            to, //
        }, //
    };
    use kernel::{
        sync::atomic::Relaxed,
        time::Delta, //
    };
    use usbip_kernel::{
        iovec::IoVecs,
        time, //
    };
    use usbip_proto::{
        Direction,
        Status,
        TransferFlags,
        TransferKind,
        MAX_ISO_PACKETS, //
    };
    use usbip_usb::{
        Device,
        Endpoint,
        Transfer,
        UrbQueue, //
    };

    /// Asks for `length` bytes of the device descriptor.
    fn descriptor(length: u8) -> Transfer {
        Transfer {
            endpoint: Endpoint::assumed(0, Direction::In, TransferKind::Control),
            flags: TransferFlags::DIR_IN,
            length: length.into(),
            setup: [0x80, 6, 0, 1, 0, 0, length, 0],
            ..Transfer::NOTHING
        }
    }

    /// The first bulk endpoint of a direction.
    fn bulk(device: &Device, direction: Direction) -> Result<Endpoint> {
        (1..16)
            .filter_map(|number| device.endpoint(number, direction))
            .find(|endpoint| endpoint.kind() == TransferKind::Bulk)
            .ok_or(ENODEV)
    }

    #[test]
    fn an_idle_urb_is_dropped_with_its_context() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        for length in [0, 1, 3071, 3072, 3073, 4096, 65536, 300_000] {
            let endpoint = bulk(&device, Direction::Out)?;
            let urb = inbox.urb(&device, &to(endpoint, length))?;
            assert_eq!(urb.length(), usize::try_from(length)?);
            assert_eq!(urb.missing(), urb.length());
            drop(urb);
        }
        assert_eq!(inbox.dropped.load(Relaxed), 8);
        assert_eq!(inbox.completed.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_control_transfer_comes_back_once() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        let urb = inbox.urb(&device, &descriptor(18))?;
        assert!(urb.submit(&device).is_ok());
        assert!(inbox.wait(1));
        let queue = core::mem::take(&mut *inbox.done.lock());
        let front = queue.front().ok_or(ENODEV)?;
        assert!(front.status().is_ok());
        assert_eq!(front.actual_length(), 18);
        let mut room = IoVecs::new();
        let mut list = room.write();
        front.put_data(&mut list)?;
        assert_eq!(list.len_bytes(), 18);
        assert!(list
            .parts()
            .next()
            .is_some_and(|part| part.starts_with(&[18, 1])));
        drop(queue);
        assert_eq!(inbox.dropped.load(Relaxed), 1);
        assert_eq!(inbox.completed.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn data_of_every_size_is_what_was_received() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        let endpoint = bulk(&device, Direction::In)?;
        for (count, length) in [512_u32, 3072, 4096, 32768, 65536, 300_032]
            .into_iter()
            .enumerate()
        {
            let urb = inbox.urb(&device, &to(endpoint, length))?;
            assert!(urb.submit(&device).is_ok());
            assert!(inbox.wait(u32::try_from(count)?.wrapping_add(1)));
            let queue = core::mem::take(&mut *inbox.done.lock());
            let front = queue.front().ok_or(ENODEV)?;
            assert!(front.status().is_ok());
            assert_eq!(front.actual_length(), usize::try_from(length)?);
            let mut room = IoVecs::new();
            let mut list = room.write();
            front.put_data(&mut list)?;
            assert_eq!(list.len_bytes(), usize::try_from(length)?);
            // The gadget sends zeroes.
            assert!(list.parts().all(|part| part.iter().all(|byte| *byte == 0)));
        }
        Ok(())
    }

    #[test]
    fn missing_data_is_cleared_and_too_much_refused() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        let endpoint = bulk(&device, Direction::Out)?;
        let mut urb = inbox.urb(&device, &to(endpoint, 1000))?;
        assert!(urb.write(&[0; 600]).is_ok());
        assert_eq!(urb.missing(), 400);
        assert_eq!(urb.write(&[0; 401]), Err(EOVERFLOW));
        assert_eq!(urb.advance(401), Err(EOVERFLOW));
        let mut room = IoVecs::new();
        let mut list = room.read();
        assert_eq!(urb.space(&mut list, 5000)?, 400);
        assert_eq!(list.len_bytes(), 400);
        // The gadget takes nothing but zeroes, which the missing 400 bytes must be.
        assert!(urb.submit(&device).is_ok());
        assert!(inbox.wait(1));
        let urb = inbox.pop().ok_or(ENODEV)?;
        assert!(urb.status().is_ok());
        assert_eq!(urb.actual_length(), 1000);
        Ok(())
    }

    #[test]
    fn a_refused_urb_comes_back() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        let endpoint = Endpoint::assumed(15, Direction::Out, TransferKind::Bulk);
        let urb = inbox.urb(&device, &to(endpoint, 10))?;
        let Err(rejected) = urb.submit(&device) else {
            return Err(EINVAL);
        };
        assert!(rejected.status == Status::NOENT);
        assert_eq!(inbox.dropped.load(Relaxed), 0);
        let urb = rejected.urb.finish(Status::PIPE);
        assert!(urb.status() == Status::PIPE);
        assert_eq!(urb.actual_length(), 0);
        drop(urb);
        assert_eq!(inbox.dropped.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn cancel_and_completion_race() -> Result {
        const ROUNDS: u32 = 300;
        let (device, inbox) = (gadget()?, inbox()?);
        let endpoint = bulk(&device, Direction::In)?;
        for round in 0..ROUNDS {
            let urb = inbox.urb(&device, &to(endpoint, 16384))?;
            let cancel = urb.cancel_handle();
            let other = cancel.clone();
            assert!(urb.submit(&device).is_ok());
            if round % 3 == 0 {
                time::sleep(Delta::from_micros(200));
            }
            if round % 2 == 0 {
                let _had_it = cancel.unlink();
            }
            drop(cancel);
            other.kill();
            // When `kill` is back, the completion has run.
            assert_eq!(inbox.completed.load(Relaxed), round.wrapping_add(1));
            drop(inbox.pop());
            assert_eq!(inbox.dropped.load(Relaxed), round.wrapping_add(1));
        }
        Ok(())
    }

    #[test]
    fn a_cancel_outlives_its_urb() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        let urb = inbox.urb(&device, &descriptor(18))?;
        let cancel = urb.cancel_handle();
        drop(urb);
        assert_eq!(inbox.dropped.load(Relaxed), 1);
        assert!(!cancel.unlink());
        cancel.kill();
        Ok(())
    }

    #[test]
    fn queues_keep_their_order() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        let mut queue = UrbQueue::default();
        assert!(queue.is_empty());
        for number in 1..=4 {
            let urb = inbox.numbered(&device, &descriptor(18), number)?;
            queue.push(urb.finish(Status::OK));
        }
        assert!(queue.iter().map(|urb| urb.context().number).eq(1..=4));
        assert!(queue.pop().is_some_and(|urb| urb.context().number == 1));
        assert_eq!(inbox.dropped.load(Relaxed), 1);
        let urb = inbox.numbered(&device, &descriptor(18), 5)?;
        queue.push(urb.finish(Status::OK));
        assert!(queue.iter().map(|urb| urb.context().number).eq(2..=5));
        drop(queue);
        assert_eq!(inbox.dropped.load(Relaxed), 5);
        Ok(())
    }

    #[test]
    fn packets_are_within_the_data() -> Result {
        let (device, inbox) = (gadget()?, inbox()?);
        let endpoint = Endpoint::assumed(1, Direction::In, TransferKind::Isochronous);
        let transfer = Transfer {
            packets: 3,
            ..to(endpoint, 300)
        };
        let mut urb = inbox.urb(&device, &transfer)?;
        assert_eq!(urb.packet_count(), 3);
        assert!(urb.set_packet(0, 0, 100).is_ok());
        assert!(urb.set_packet(2, 200, 100).is_ok());
        assert_eq!(urb.set_packet(3, 0, 1), Err(EINVAL));
        assert_eq!(urb.set_packet(1, 201, 100), Err(EINVAL));
        assert_eq!(urb.set_packet(1, u32::MAX, 2), Err(EINVAL));
        let urb = urb.finish(Status::XDEV);
        assert!(urb.packets().all(|packet| packet.actual_length == 0));
        assert_eq!(urb.actual_length(), 0);
        let bad = Transfer {
            packets: MAX_ISO_PACKETS.wrapping_add(1),
            ..transfer
        };
        assert!(inbox.urb(&device, &bad).is_err());
        let bad = Transfer {
            packets: 1,
            ..descriptor(18)
        };
        assert!(inbox.urb(&device, &bad).is_err());
        Ok(())
    }
}
