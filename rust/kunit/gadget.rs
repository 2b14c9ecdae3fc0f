// SPDX-License-Identifier: GPL-2.0

//! A device controller of the tests' own, and the host that it is plugged into, which the tests play. The job has
//! loaded the kernel's Gadget Zero, which takes the first controller that it finds free.

use kernel::{
    device,
    prelude::*,
    sync::Arc, //
};
use usbip_gadget::{
    Controller,
    Device,
    Endpoint,
    EndpointConfig,
    Halt,
    Refused,
    Registered,
    Request,
    RequestId,
    RequestQueue,
    Unregistered,
    ENDPOINTS, //
};
use usbip_kernel::{
    errno::eshutdown,
    irqlock::{
        SpinLockIrq,
        SpinLockIrqGuard, //
    },
    new_spinlock_irq, //
};
use usbip_proto::Status;

use crate::board::{
    Board,
    Made, //
};

/// An endpoint of the controller.
#[derive(Default)]
struct Ep {
    config: Option<EndpointConfig>,
    requests: RequestQueue,
}

/// What the lock protects.
struct State {
    eps: KVec<Ep>,
    pulled_up: bool,
}

impl State {
    fn ep(&mut self, endpoint: Endpoint) -> Result<&mut Ep> {
        self.eps.get_mut(endpoint.index()).ok_or(EINVAL)
    }
}

/// The controller, as a gadget driver reaches it.
#[pin_data]
struct Udc {
    device: Arc<Device>,
    #[pin]
    state: SpinLockIrq<State>,
}

impl Udc {
    fn new(device: Arc<Device>) -> Result<Arc<Self>> {
        let mut eps = KVec::with_capacity(ENDPOINTS, GFP_KERNEL)?;
        for _ in 0..ENDPOINTS {
            eps.push(Ep::default(), GFP_KERNEL)?;
        }
        let state = State {
            eps,
            pulled_up: false,
        };
        Arc::pin_init(
            pin_init!(Self {
                device,
                state <- new_spinlock_irq!(state, "kunit::udc"),
            }),
            GFP_KERNEL,
        )
    }

    fn lock(&self) -> SpinLockIrqGuard<'_, State> {
        self.state.lock()
    }

    /// All requests of an endpoint.
    fn take(&self, endpoint: Endpoint) -> Result<RequestQueue> {
        Ok(core::mem::take(&mut self.lock().ep(endpoint)?.requests))
    }
}

impl Controller for Udc {
    fn enable(&self, endpoint: Endpoint, config: EndpointConfig) -> Result {
        self.lock().ep(endpoint)?.config = Some(config);
        Ok(())
    }

    fn disable(&self, endpoint: Endpoint) {
        let ep = self.lock().ep(endpoint).map(core::mem::take);
        drop(ep);
    }

    fn queue(&self, endpoint: Endpoint, request: Request) -> Result<(), Refused> {
        let mut state = self.lock();
        match state.ep(endpoint) {
            Ok(ep) if endpoint.is_control() || ep.config.is_some() => {
                ep.requests.push(request);
                Ok(())
            }
            _ => {
                let error = eshutdown();
                Err(Refused { error, request })
            }
        }
    }

    fn dequeue(&self, endpoint: Endpoint, request: RequestId) -> Result {
        let request = self.lock().ep(endpoint)?.requests.remove(request);
        request.ok_or(EINVAL)?.complete(Status::CONNRESET);
        Ok(())
    }

    fn set_halt(&self, _endpoint: Endpoint, _halt: Halt) -> Result {
        Ok(())
    }

    fn frame(&self) -> u16 {
        0
    }

    fn wakeup(&self) -> Result {
        Err(EINVAL)
    }

    fn allow_wakeup(&self, _allowed: bool) {}

    fn set_self_powered(&self, _on: bool) {}

    fn start(&self) {}

    fn stop(&self) {
        for endpoint in Endpoint::all() {
            drop(self.take(endpoint));
        }
    }

    fn pull_up(&self) {
        self.lock().pulled_up = true;
    }

    fn pull_down(&self) {
        self.lock().pulled_up = false;
    }
}

/// The controller, registered.
struct Plug {
    udc: Arc<Udc>,
    _registered: Registered<Udc>,
}

impl Made for Plug {
    const NAME: &'static CStr = c"usbip_kunit_udc";

    fn make(device: &device::Device) -> Result<Self> {
        let unregistered = Unregistered::new(device, c"usbip_kunit_udc.1")?;
        let udc = Udc::new(unregistered.device().clone())?;
        Ok(Self {
            udc: udc.clone(),
            _registered: unregistered.register(udc)?,
        })
    }
}

#[kunit_tests(usbip_gadget)]
mod tests {
    use super::*;
    use usbip_proto::{
        Direction,
        Speed,
        TransferKind, //
    };

    /// GET_DESCRIPTOR of the device, SET_CONFIGURATION of the one that sends back what it gets, and of none.
    const DEVICE: [u8; 8] = [0x80, 6, 0, 1, 0, 0, 255, 0];
    const LOOPBACK: [u8; 8] = [0, 9, 2, 0, 0, 0, 0, 0];
    const NOTHING: [u8; 8] = [0, 9, 0, 0, 0, 0, 0, 0];

    fn board() -> Result<(Board<Plug>, Arc<Udc>)> {
        let board: Board<Plug> = Board::new()?;
        let udc = board.with(|plug| plug.udc.clone())?;
        Ok((board, udc))
    }

    /// As the host does, and what the gadget driver has to say to it.
    fn control(udc: &Udc, packet: &[u8; 8]) -> Result<Request> {
        udc.device.callbacks().ok_or(ENODEV)?.setup(packet)?;
        udc.lock()
            .ep(Endpoint::CONTROL)?
            .requests
            .pop()
            .ok_or(ENOENT)
    }

    fn configure(udc: &Udc) -> Result {
        udc.device.choose_speed(Speed::Super).ok_or(ENODEV)?;
        control(udc, &LOOPBACK)?.complete(Status::OK);
        Ok(())
    }

    /// The bulk endpoint of a direction that the gadget driver has set up.
    fn bulk(udc: &Udc, direction: Direction) -> Result<Endpoint> {
        let mut state = udc.lock();
        Endpoint::all()
            .find(|endpoint| {
                let config = state.ep(*endpoint).ok().and_then(|ep| ep.config);
                config.is_some_and(|config| {
                    config.kind == TransferKind::Bulk && config.direction() == direction
                })
            })
            .ok_or(ENOENT)
    }

    fn count(udc: &Udc, endpoint: Endpoint) -> Result<usize> {
        let mut queue = udc.take(endpoint)?;
        let mut kept = RequestQueue::new();
        let mut count = 0_usize;
        while let Some(request) = queue.pop() {
            count = count.wrapping_add(1);
            kept.push(request);
        }
        udc.lock().ep(endpoint)?.requests = kept;
        Ok(count)
    }

    #[test]
    fn a_gadget_driver_answers_its_host() -> Result {
        let (_board, udc) = board()?;
        assert!(udc.lock().pulled_up);
        assert!(udc.device.choose_speed(Speed::Super) == Some(Speed::Super));
        let mut queue = RequestQueue::new();
        queue.push(control(&udc, &DEVICE)?);
        let mut answer = queue.front().ok_or(ENOENT)?;
        assert_eq!(answer.length(), 18);
        // It is less than was asked for.
        assert!(answer.zero());
        let mut data = [0; 64];
        assert_eq!(answer.send(&mut data), 18);
        assert!(data.starts_with(&[18, 1]));
        assert_eq!(answer.left(), 0);
        assert_eq!(answer.send(&mut data), 0);
        answer.end(Status::OK);
        queue.give_back();
        // A request that nobody knows is stalled.
        let callbacks = udc.device.callbacks().ok_or(ENODEV)?;
        assert!(callbacks.setup(&[0xc0, 0xee, 0, 0, 0, 0, 1, 0]).is_err());
        Ok(())
    }

    #[test]
    fn requests_move_as_much_as_there_is_room_for() -> Result {
        const SENT: usize = 3000;
        let (_board, udc) = board()?;
        configure(&udc)?;
        let (source, sink) = (bulk(&udc, Direction::In)?, bulk(&udc, Direction::Out)?);
        let before = count(&udc, sink)?;
        assert!(before > 1);
        assert_eq!(count(&udc, source)?, 0);
        let pattern = |index: usize| u8::try_from(index % 251).unwrap_or(0);
        let mut queue = udc.take(sink)?;
        let mut front = queue.front().ok_or(ENOENT)?;
        let length = front.length();
        assert_eq!(front.receive(&[]), 0);
        for index in 0..SENT {
            assert_eq!(front.receive(&[pattern(index)]), 1);
        }
        assert_eq!(front.left(), length.wrapping_sub(SENT));
        front.end(Status::OK);
        queue.pop().ok_or(ENOENT)?.give_back();
        // It comes back, with as much as was received.
        let mut back = udc.take(source)?;
        let mut front = back.front().ok_or(ENOENT)?;
        assert_eq!(front.length(), SENT);
        let (mut data, mut sent) = ([0; 700], 0_usize);
        while front.left() > 0 {
            let part = front.send(&mut data);
            assert_eq!(part, data.len().min(SENT.wrapping_sub(sent)));
            let wanted = (sent..SENT).map(pattern);
            assert!(data.iter().take(part).copied().eq(wanted.take(part)));
            sent = sent.wrapping_add(part);
        }
        assert_eq!(sent, SENT);
        assert_eq!(front.send(&mut data), 0);
        front.end(Status::OK);
        back.give_back();
        // More than there is room for is not taken.
        let mut front = queue.front().ok_or(ENOENT)?;
        let mut taken = 0_usize;
        while front.left() > 0 {
            taken = taken.wrapping_add(front.receive(&data));
        }
        assert_eq!(taken, length);
        assert_eq!(front.receive(&data), 0);
        drop(queue);
        // The gadget driver has queued the one again that came back whole.
        assert_eq!(count(&udc, sink)?, 1);
        Ok(())
    }

    #[test]
    fn a_queue_keeps_its_order_whatever_is_taken_out() -> Result {
        let (_board, udc) = board()?;
        configure(&udc)?;
        let mut queue = udc.take(bulk(&udc, Direction::Out)?)?;
        let (first, second, third, fourth) = (
            queue.pop().ok_or(ENOENT)?,
            queue.pop().ok_or(ENOENT)?,
            queue.pop().ok_or(ENOENT)?,
            queue.pop().ok_or(ENOENT)?,
        );
        drop(queue);
        let ids = [first.id(), second.id(), third.id(), fourth.id()];
        let mut queue = RequestQueue::new();
        assert!(queue.is_empty() && queue.front().is_none() && queue.pop().is_none());
        for request in [first, second, third, fourth] {
            queue.push(request);
        }
        // From the middle, the end, and the beginning; what was taken out is not found again.
        let second = queue.remove(ids[1]).ok_or(ENOENT)?;
        assert!(queue.remove(ids[1]).is_none());
        let fourth = queue.remove(ids[3]).ok_or(ENOENT)?;
        queue.push(second);
        let first = queue.remove(ids[0]).ok_or(ENOENT)?;
        queue.push(fourth);
        queue.push(first);
        for id in [ids[2], ids[1], ids[3], ids[0]] {
            assert!(queue.pop().is_some_and(|request| request.id() == id));
        }
        assert!(queue.is_empty());
        // What is pushed to an emptied queue is its only one.
        let only = control(&udc, &DEVICE)?;
        let id = only.id();
        queue.push(only);
        assert!(queue.remove(id).is_some_and(|request| request.id() == id));
        assert!(queue.is_empty() && queue.pop().is_none());
        Ok(())
    }

    #[test]
    fn endpoints_that_are_off_have_no_requests() -> Result {
        let (_board, udc) = board()?;
        configure(&udc)?;
        let (source, sink) = (bulk(&udc, Direction::In)?, bulk(&udc, Direction::Out)?);
        assert!(count(&udc, sink)? > 0);
        control(&udc, &NOTHING)?.complete(Status::OK);
        for endpoint in [source, sink] {
            assert!(udc.lock().ep(endpoint)?.config.is_none());
            assert_eq!(count(&udc, endpoint)?, 0);
        }
        Ok(())
    }

    #[test]
    fn a_gadget_driver_gets_all_back_and_is_not_called_when_the_controller_goes() -> Result {
        let (board, udc) = board()?;
        configure(&udc)?;
        let sink = bulk(&udc, Direction::Out)?;
        assert!(count(&udc, sink)? > 0);
        // And one for control, which it asks for back.
        let callbacks = udc.device.callbacks().ok_or(ENODEV)?;
        callbacks.setup(&DEVICE)?;
        drop(callbacks);
        drop(board);
        for endpoint in Endpoint::all() {
            assert_eq!(count(&udc, endpoint)?, 0);
        }
        assert!(!udc.lock().pulled_up);
        assert!(udc.device.callbacks().is_none());
        assert!(udc.device.choose_speed(Speed::Super).is_none());
        Ok(())
    }
}
