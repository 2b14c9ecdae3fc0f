// SPDX-License-Identifier: GPL-2.0

//! A host controller of the tests' own, and the device on its first port, which the tests play.

use kernel::{
    device,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc, //
    },
    time::Delta, //
};
use usbip_hcd::{
    Allocated,
    Bus,
    HubRequest,
    Keyed,
    NewUrb,
    Outcome,
    PortKey,
    Ports,
    Queued,
    Registered,
    RootHub,
    Unlinking, //
};
use usbip_kernel::{
    irqlock::SpinLockIrq,
    new_spinlock_irq,
    time, //
};
use usbip_logic::{
    attach::Geometry,
    roothub, //
};
use usbip_proto::{
    sysfs_text::HubSpeed,
    Direction,
    Speed,
    Status, //
};
use usbip_usb::Device;

use crate::board::{
    Board,
    Made, //
};

/// How many transfers may be under way.
const ROOM: usize = 64;

/// A device of a vendor's class with one configuration.
const DEVICE: [u8; 18] = [
    18, 1, 0, 2, 0xff, 0, 0, 64, 0x25, 0x05, 0xa4, 0xa4, 0, 1, 0, 0, 0, 1,
];
/// Bulk in (1) and out (2) with 512 bytes, and isochronous in (3) with 1024.
const CONFIGURATION: [u8; 39] = [
    9, 2, 39, 0, 1, 1, 0, 0x80, 50, // configuration
    9, 4, 0, 0, 3, 0xff, 0, 0, 0, // interface
    7, 5, 0x81, 2, 0, 2, 0, // endpoints
    7, 5, 0x02, 2, 0, 2, 0, //
    7, 5, 0x83, 1, 0, 4, 1,
];

/// What the lock of a hub protects.
struct State {
    key: PortKey,
    hub: roothub::Hub,
    /// Transfers that nobody has looked at, with their tags, in the order in which they came.
    queued: KVec<(u32, Queued)>,
    last: u32,
    /// The controller is about to go.
    leaving: bool,
    /// The hub whose lock the next transfer is taken under, instead of this one's.
    stranger: Option<Arc<Hub>>,
}

impl Keyed for State {
    fn key(&mut self) -> &mut PortKey {
        &mut self.key
    }
}

/// One of the two hubs.
#[pin_data]
struct Hub {
    bus: Bus,
    #[pin]
    state: SpinLockIrq<State>,
}

impl Hub {
    fn new(mut ports: Ports<'_>, speed: HubSpeed) -> Result<Arc<Self>> {
        let state = State {
            key: ports.next().ok_or(EINVAL)?,
            hub: roothub::Hub::new(speed, Geometry::new(1, 1).ok_or(EINVAL)?),
            queued: KVec::with_capacity(ROOM, GFP_KERNEL)?,
            last: 0,
            leaving: false,
            stranger: None,
        };
        Arc::pin_init(
            pin_init!(Self {
                bus: ports.bus().clone(),
                state <- new_spinlock_irq!(state, "kunit::hub"),
            }),
            GFP_KERNEL,
        )
    }

    /// The transfer that has waited longest.
    fn next(&self) -> Option<Queued> {
        let (_, queued) = self.state.lock().queued.remove(0).ok()?;
        Some(queued)
    }

    /// As [`Self::next`], but waits for one.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT` if none comes within half a minute.
    fn await_next(&self) -> Result<Queued> {
        for _ in 0..3000 {
            if let Some(queued) = self.next() {
                return Ok(queued);
            }
            time::sleep(Delta::from_millis(10));
        }
        Err(ETIMEDOUT)
    }

    fn give_back(&self, queued: Queued, status: Status) {
        let mut state = self.state.lock();
        let detached = queued.detach(&mut state);
        drop(state);
        detached.give_back(status);
    }

    /// Answers a control transfer as the device that the descriptors describe.
    fn answer(&self, queued: Queued) {
        let setup = queued.setup().unwrap_or_default();
        let data: Option<&[u8]> = match setup {
            [0x80, 6, _, 1, ..] => Some(&DEVICE),
            [0x80, 6, _, 2, ..] => Some(&CONFIGURATION),
            [0x80, 0, ..] => Some(&[0, 0]),
            // SET_ADDRESS, SET_CONFIGURATION
            [0, 5 | 9, ..] => Some(&[]),
            _ => None,
        };
        let status = data.map_or(Status::PIPE, |_| Status::OK);
        let mut incoming = queued.into_incoming();
        let written = match data {
            Some(data) if incoming.urb().direction() == Direction::In => incoming.write(data),
            _ => 0,
        };
        let mut queued = incoming.into_queued();
        queued.set_result(u32::try_from(written).unwrap_or(0), 0, 0);
        self.give_back(queued, status);
    }

    /// Answers what there is; returns the device if it was told its configuration.
    fn play(&self) -> Result<Option<ARef<Device>>> {
        let mut configured = None;
        while let Some(queued) = self.next() {
            if matches!(queued.setup(), Some([0, 9, ..])) {
                configured = Some(CString::try_from(queued.child().name())?);
            }
            self.answer(queued);
        }
        Ok(configured.and_then(|name| Device::find(name.to_bytes())))
    }

    /// Plugs the device in, and plays it until it is configured.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT` if that takes more than half a minute.
    fn plug(&self) -> Result<ARef<Device>> {
        self.state.lock().hub.connect(0, Speed::High);
        self.bus.poll();
        for _ in 0..3000 {
            if let Some(device) = self.play()? {
                // usbcore has it locked as long as it has something to do with it.
                let locked = device.try_lock_until(|| self.play().is_err());
                drop(locked.ok_or(ENOMEM)?);
                return Ok(device);
            }
            time::sleep(Delta::from_millis(10));
        }
        Err(ETIMEDOUT)
    }

    /// Unplugs the device.
    fn unplug(&self) {
        self.state.lock().hub.disconnect(0);
        self.bus.poll();
    }
}

impl RootHub for Hub {
    const DESCRIPTION: &'static CStr = c"usbip_kunit_hcd";
    const PRODUCT: &'static CStr = c"Controller of the unit tests";

    fn enqueue<'a>(&self, urb: NewUrb<'a>) -> Outcome<'a> {
        let mut state = self.state.lock();
        if state.leaving || state.queued.len() == state.queued.capacity() {
            drop(state);
            return urb.refuse(ENODEV);
        }
        if let Some(stranger) = state.stranger.take() {
            drop(state);
            let mut other = stranger.state.lock();
            return match urb.link(&mut other, 0) {
                Ok((queued, outcome)) => {
                    let _fits = other.queued.push_within_capacity((0, queued));
                    outcome
                }
                Err(outcome) => outcome,
            };
        }
        let tag = state.last.wrapping_add(1);
        state.last = tag;
        match urb.link(&mut state, tag) {
            Ok((queued, outcome)) => {
                // There is room.
                let _fits = state.queued.push_within_capacity((tag, queued));
                outcome
            }
            Err(outcome) => outcome,
        }
    }

    fn dequeue(&self, urb: Unlinking<'_>) -> Result {
        let mut state = self.state.lock();
        let tag = urb.check(&mut state)?;
        let place = state.queued.iter().position(|(other, _)| *other == tag);
        // If it is not there, the test has it, and gives it back.
        if let Some((_, queued)) = place.and_then(|place| state.queued.remove(place).ok()) {
            let detached = queued.detach(&mut state);
            drop(state);
            detached.give_back(urb.status());
        }
        Ok(())
    }

    fn changes(&self, bitmap: &mut [u8]) -> usize {
        self.state.lock().hub.status_bits(bitmap)
    }

    fn control(&self, request: HubRequest, data: &mut [u8]) -> Result<usize> {
        let wanted = usize::from(request.length).min(data.len());
        let data = data.get_mut(..wanted).unwrap_or_default();
        let request =
            roothub::HubRequest::decode(request.type_and_request, request.value, request.index);
        let answer = self.state.lock().hub.control(request, time::now_ms(), data);
        let answer = answer.map_err(|roothub::Stall| EPIPE)?;
        if answer.poll {
            self.bus.poll();
        }
        Ok(answer.len)
    }
}

/// The buses of the controller, registered.
struct Buses(Registered<Hub>);

impl Made for Buses {
    const NAME: &'static CStr = c"usbip_kunit_hcd";

    fn make(device: &device::Device) -> Result<Self> {
        let mut buses = Allocated::new(device)?;
        let high = Hub::new(buses.high(), HubSpeed::High)?;
        let super_speed = Hub::new(buses.super_speed(), HubSpeed::Super)?;
        Ok(Self(buses.register(high, super_speed)?))
    }
}

impl Drop for Buses {
    fn drop(&mut self) {
        self.0.high().state.lock().leaving = true;
    }
}

#[kunit_tests(usbip_hcd)]
mod tests {
    use super::*;
    use crate::inbox::{
        inbox,
        to, //
    };
    use kernel::sync::atomic::Relaxed;
    use usbip_kernel::iovec::IoVecs;
    use usbip_proto::TransferKind;
    use usbip_usb::{
        Endpoint,
        Transfer, //
    };

    /// A multiple of no power of two, so that no piece of data is like another.
    fn pattern(index: usize) -> u8 {
        u8::try_from(index % 251).unwrap_or(0)
    }

    fn data(length: usize) -> Result<KVVec<u8>> {
        let mut data = KVVec::with_capacity(length, GFP_KERNEL)?;
        for index in 0..length {
            data.push(pattern(index), GFP_KERNEL)?;
        }
        Ok(data)
    }

    /// The controller, without a device, and its hub for high speed and below.
    fn board() -> Result<(Board<Buses>, Arc<Hub>)> {
        let board: Board<Buses> = Board::new()?;
        let hub = board.with(|buses| buses.0.high().clone())?;
        Ok((board, hub))
    }

    const LENGTHS: [u32; 6] = [1, 512, 4095, 4097, 70_000, 300_000];

    #[test]
    fn a_device_comes_and_goes() -> Result {
        let (_board, hub) = board()?;
        for _ in 0..3 {
            let device = hub.plug()?;
            assert!(device.is_attached());
            assert!(!device.is_hub());
            assert!(device.controller().to_bytes() == b"usbip_kunit_hcd.1");
            let iso = device.endpoint(3, Direction::In).ok_or(ENODEV)?;
            assert!(iso.kind() == TransferKind::Isochronous);
            assert_eq!(iso.max_packet(), 1024);
            hub.unplug();
            let mut tries = 0_u32;
            while Device::find(device.name().to_bytes()).is_some() && tries < 3000 {
                time::sleep(Delta::from_millis(10));
                tries = tries.wrapping_add(1);
            }
            assert!(Device::find(device.name().to_bytes()).is_none());
        }
        Ok(())
    }

    #[test]
    fn data_to_the_device_is_all_of_it() -> Result {
        let (_board, hub) = board()?;
        let (device, inbox) = (hub.plug()?, inbox()?);
        let endpoint = device.endpoint(2, Direction::Out).ok_or(ENODEV)?;
        for (count, length) in (1_u32..).zip(LENGTHS) {
            let sent = data(usize::try_from(length)?)?;
            let mut urb = inbox.urb(&device, &to(endpoint, length))?;
            urb.write(&sent)?;
            assert!(urb.submit(&device).is_ok());
            let mut queued = hub.await_next()?;
            assert!(queued.kind() == TransferKind::Bulk);
            assert!(queued.direction() == Direction::Out);
            assert_eq!(queued.endpoint(), 2);
            assert_eq!(queued.port(), Some(1));
            assert_eq!(queued.length(), length);
            assert_eq!(queued.packet_count(), 0);
            assert!(queued.setup().is_none());
            assert!(queued.child().is_announced());
            let mut room = IoVecs::new();
            let mut list = room.write();
            assert_eq!(queued.push_payload(&mut list)?, sent.len());
            assert_eq!(list.len_bytes(), sent.len());
            assert!(list.parts().flatten().eq(sent.iter()));
            queued.set_result(length, 0, 0);
            hub.give_back(queued, Status::OK);
            assert!(inbox.wait(count));
            let urb = inbox.pop().ok_or(ENODEV)?;
            assert!(urb.status().is_ok());
            assert_eq!(urb.actual_length(), sent.len());
        }
        Ok(())
    }

    #[test]
    fn data_from_the_device_ends_where_the_buffer_does() -> Result {
        let (_board, hub) = board()?;
        let (device, inbox) = (hub.plug()?, inbox()?);
        let endpoint = device.endpoint(1, Direction::In).ok_or(ENODEV)?;
        for (count, length) in (1_u32..).zip(LENGTHS) {
            let size = usize::try_from(length)?;
            let sent = data(size.wrapping_add(100))?;
            let (first, rest) = sent.split_at(size / 3);
            let urb = inbox.urb(&device, &to(endpoint, length))?;
            assert!(urb.submit(&device).is_ok());
            let mut incoming = hub.await_next()?.into_incoming();
            assert_eq!(incoming.write(first), first.len());
            // What there is room for, by the piece, is the rest and no more.
            let mut room = IoVecs::new();
            let mut list = room.read();
            let space = incoming.space(&mut list, usize::MAX)?;
            assert_eq!(space, size.wrapping_sub(first.len()));
            assert_eq!(list.len_bytes(), space);
            let mut left = rest;
            for part in list.parts_mut() {
                let (now, later) = left.split_at_checked(part.len()).ok_or(EOVERFLOW)?;
                part.copy_from_slice(now);
                left = later;
            }
            assert_eq!(left.len(), 100);
            incoming.skip(space);
            assert_eq!(incoming.write(left), 0);
            assert_eq!(incoming.space(&mut room.read(), 1)?, 0);
            incoming.skip(1);
            let mut queued = incoming.into_queued();
            queued.set_result(length, 0, 0);
            hub.give_back(queued, Status::OK);
            assert!(inbox.wait(count));
            let queue = core::mem::take(&mut *inbox.done.lock());
            let front = queue.front().ok_or(ENODEV)?;
            assert_eq!(front.actual_length(), size);
            let mut room = IoVecs::new();
            let mut list = room.write();
            front.put_data(&mut list)?;
            assert!(list.parts().flatten().eq(sent.iter().take(size)));
        }
        Ok(())
    }

    #[test]
    fn a_transfer_is_taken_under_the_lock_of_its_port_only() -> Result {
        let (board, hub) = board()?;
        let (device, inbox) = (hub.plug()?, inbox()?);
        let endpoint = device.endpoint(1, Direction::In).ok_or(ENODEV)?;
        hub.state.lock().stranger = Some(board.with(|buses| buses.0.super_speed().clone())?);
        let urb = inbox.urb(&device, &to(endpoint, 64))?;
        let refused = urb.submit(&device);
        assert!(refused.is_err_and(|rejected| rejected.status == Status::INVAL));
        assert!(hub.next().is_none());
        // The next one is taken as ever.
        let urb = inbox.urb(&device, &to(endpoint, 64))?;
        assert!(urb.submit(&device).is_ok());
        hub.give_back(hub.await_next()?, Status::OK);
        assert!(inbox.wait(1));
        assert!(inbox.pop().is_some_and(|urb| urb.status().is_ok()));
        Ok(())
    }

    #[test]
    fn an_unlinked_transfer_is_given_back_once() -> Result {
        let (_board, hub) = board()?;
        let (device, inbox) = (hub.plug()?, inbox()?);
        let endpoint = device.endpoint(1, Direction::In).ok_or(ENODEV)?;
        // Nobody has looked at it yet.
        let urb = inbox.urb(&device, &to(endpoint, 64))?;
        let cancel = urb.cancel_handle();
        assert!(urb.submit(&device).is_ok());
        assert!(cancel.unlink());
        assert_eq!(inbox.completed.load(Relaxed), 1);
        assert!(hub.next().is_none());
        assert!(!cancel.unlink());
        assert!(inbox
            .pop()
            .is_some_and(|urb| urb.status() == Status::CONNRESET));
        // Somebody has it: it is asked for once, comes back then, and says that it was unlinked.
        let urb = inbox.urb(&device, &to(endpoint, 64))?;
        let cancel = urb.cancel_handle();
        assert!(urb.submit(&device).is_ok());
        let queued = hub.await_next()?;
        assert!(cancel.unlink());
        assert_eq!(inbox.completed.load(Relaxed), 1);
        assert!(!cancel.unlink());
        hub.give_back(queued, Status::OK);
        assert_eq!(inbox.completed.load(Relaxed), 2);
        assert!(inbox
            .pop()
            .is_some_and(|urb| urb.status() == Status::CONNRESET));
        Ok(())
    }

    #[test]
    fn packets_have_results_of_their_own() -> Result {
        const SENT: [u8; 300] = [7; 300];
        let (_board, hub) = board()?;
        let (device, inbox) = (hub.plug()?, inbox()?);
        let endpoint = device.endpoint(3, Direction::In).ok_or(ENODEV)?;
        let transfer = Transfer {
            packets: 3,
            interval: 1,
            ..to(endpoint, 300)
        };
        let mut urb = inbox.urb(&device, &transfer)?;
        for (index, offset) in (0_u16..).zip([0, 100, 200]) {
            urb.set_packet(index, offset, 100)?;
        }
        assert!(urb.submit(&device).is_ok());
        let mut incoming = hub.await_next()?.into_incoming();
        assert!(incoming.urb().kind() == TransferKind::Isochronous);
        assert_eq!(incoming.urb().packet_count(), 3);
        assert!(incoming.urb().packet(3).is_none());
        assert!(incoming
            .urb()
            .packets()
            .map(|packet| packet.offset)
            .eq([0, 100, 200]));
        assert_eq!(incoming.write(&SENT), 300);
        let mut queued = incoming.into_queued();
        queued.set_packet(0, 100, Status::OK);
        queued.set_packet(1, 0, Status::XDEV);
        queued.set_packet(2, 50, Status::OK);
        // There is no such packet, and nothing behind the last one is written to.
        queued.set_packet(3, 1, Status::OK);
        queued.with_packets(|packets, buffer| {
            assert!(packets.map(|packet| packet.actual_length).eq([100, 0, 50]));
            assert_eq!(buffer.len(), 300);
        });
        queued.set_result(150, 42, 1);
        hub.give_back(queued, Status::OK);
        assert!(inbox.wait(1));
        let urb = inbox.pop().ok_or(ENODEV)?;
        assert_eq!(urb.start_frame(), 42);
        assert_eq!(urb.error_count(), 1);
        assert!(urb
            .packets()
            .map(|packet| packet.status.get())
            .eq([0, Status::XDEV.get(), 0]));
        assert!(urb
            .packets()
            .map(|packet| packet.actual_length)
            .eq([100, 0, 50]));
        Ok(())
    }

    #[test]
    fn transfers_come_back_when_the_controller_goes() -> Result {
        let (board, hub) = board()?;
        let (device, inbox) = (hub.plug()?, inbox()?);
        let endpoint = device.endpoint(1, Direction::In).ok_or(ENODEV)?;
        for number in 0..20 {
            let urb = inbox.numbered(&device, &to(endpoint, 512), number)?;
            assert!(urb.submit(&device).is_ok());
        }
        drop(board);
        assert_eq!(inbox.completed.load(Relaxed), 20);
        let queue = core::mem::take(&mut *inbox.done.lock());
        assert!(queue.iter().all(|urb| !urb.status().is_ok()));
        assert!(!device.is_attached());
        // Nothing is accepted afterwards, and nobody calls what is gone.
        let urb = inbox.urb(
            &device,
            &to(Endpoint::assumed(1, Direction::In, TransferKind::Bulk), 1),
        )?;
        assert!(urb.submit(&device).is_err());
        hub.bus.poll();
        Ok(())
    }
}
