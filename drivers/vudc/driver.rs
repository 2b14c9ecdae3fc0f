// SPDX-License-Identifier: GPL-2.0

//! The platform driver: a device controller for each platform device.
//!
//! Lock order: [`Vudc::running`] is taken alone, for moments.

use kernel::{
    device,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use usbip_core::Session;
use usbip_gadget::{
    Registered,
    Unregistered, //
};
use usbip_kernel::{
    platform::{
        self,
        Device, //
    },
    queue::QueueHandle, //
};

use crate::{
    engine::Engine,
    files::Files,
    role::{
        Gadget,
        Port, //
    }, //
};

/// The name of the driver, of its devices before the dot, and of all gadgets: tools look for it.
pub(crate) const NAME: &CStr = c"usbip-vudc";

/// A controller that is in service. The fields are dropped in this order.
struct Running {
    /// First users cannot reach it any more,
    _files: Files,
    /// then it has no gadget driver, which ends the connection,
    _registered: Registered<Port>,
    session: Arc<Session<Gadget>>,
}

/// The driver of all controllers.
#[pin_data]
pub(crate) struct Vudc {
    events: QueueHandle,
    #[pin]
    running: Mutex<KVec<Option<Running>>>,
}

impl Vudc {
    /// Makes the driver of so many controllers.
    pub(crate) fn new(controllers: u32, events: QueueHandle) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            events,
            running <- {
                let mut running = KVec::new();
                for _ in 0..controllers {
                    running.push(None, GFP_KERNEL)?;
                }
                new_mutex!(running, "vudc::running")
            },
        }? Error)
    }

    /// Whether the controller of that number is in service.
    pub(crate) fn is_running(&self, id: u32) -> bool {
        let running = self.running.lock();
        let slot = usize::try_from(id).ok().and_then(|id| running.get(id));
        slot.is_some_and(Option::is_some)
    }

    fn make(&self, device: &device::Device) -> Result<Running> {
        let unregistered = Unregistered::new(device, NAME)?;
        let engine = Arc::pin_init(Engine::new(unregistered.device().clone()), GFP_KERNEL)?;
        let session = Session::new(Ok(Gadget::new(device, engine)), self.events.clone())?;
        let port = Arc::new(Port::new(session.clone()), GFP_KERNEL)?;
        let registered = unregistered.register(port)?;
        let files = Files::new(device, &session)?;
        Ok(Running {
            _files: files,
            _registered: registered,
            session,
        })
    }
}

impl platform::Driver for Vudc {
    const NAME: &'static CStr = NAME;

    fn probe(&self, device: &Device) -> Result {
        let id = usize::try_from(device.id())?;
        let mut running = Some(self.make(device.as_ref())?);
        if let Some(slot) = self.running.lock().get_mut(id) {
            *slot = running.take();
        }
        Ok(())
    }

    fn remove(&self, device: &Device) {
        let Ok(id) = usize::try_from(device.id()) else {
            return;
        };
        let running = self.running.lock().get_mut(id).and_then(Option::take);
        if let Some(running) = running {
            let session = running.session.clone();
            drop(running);
            session.remove();
        }
    }

    fn suspend(&self, _device: &Device) -> Result {
        Ok(())
    }

    fn resume(&self, _device: &Device) -> Result {
        Ok(())
    }
}
