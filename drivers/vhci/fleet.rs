// SPDX-License-Identifier: GPL-2.0

//! All controllers of the module, by their number.
//!
//! Lock order: [`Fleet::controllers`], [`Fleet::files`] and [`Fleet::retries`] are taken alone, for moments. Whoever works with a
//! controller takes a reference, so that one that goes away meanwhile only becomes useless, never invalid.

use kernel::{
    device::Device,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use usbip_hcd::{
    Allocated,
    Registered, //
};
use usbip_kernel::{
    nospec,
    queue::QueueHandle,
    ratelimit::RateLimit,
    sysfs::DeviceFiles,
    time::now_ms, //
};
use usbip_logic::{
    attach::{
        AttachRequest,
        Geometry, //
    },
    retry::Retries, //
};

use crate::{
    controller::Controller,
    files::FileData,
    hub::Hub, //
};

/// A controller that usbcore knows.
struct Running {
    controller: Arc<Controller>,
    registered: Registered<Hub>,
}

/// What an attach asks for, by which one that asks for the same again is known.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Wish {
    pub(crate) process: i32,
    pub(crate) request: AttachRequest,
}

/// The controllers, and the files through which they are used.
#[pin_data]
pub(crate) struct Fleet {
    geometry: Geometry,
    events: QueueHandle,
    #[pin]
    controllers: Mutex<KVec<Option<Running>>>,
    /// The files of the first controller's device, which speak for all.
    #[pin]
    files: Mutex<Option<DeviceFiles<FileData>>>,
    /// Who has asked for ports that are in use.
    #[pin]
    retries: Mutex<Retries<Wish>>,
    busy_log: RateLimit,
}

impl Fleet {
    pub(crate) fn new(geometry: Geometry, events: QueueHandle) -> Result<Arc<Self>> {
        let mut controllers = KVec::new();
        for _ in 0..geometry.controllers() {
            controllers.push(None, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                geometry,
                events,
                controllers <- new_mutex!(controllers, "vhci::controllers"),
                files <- new_mutex!(None, "vhci::files"),
                retries <- new_mutex!(Retries::new(), "vhci::retries"),
                busy_log: RateLimit::new(),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The controller of that number, if usbcore knows it.
    pub(crate) fn controller(&self, id: u8) -> Option<Arc<Controller>> {
        let controllers = self.controllers.lock();
        let running = nospec::get(&controllers, id.into())?.as_ref()?;
        Some(running.controller.clone())
    }

    /// Notes that what was asked for is in use; says whether whoever asks is to get another port, as it does not
    /// look for one.
    pub(crate) fn refused(&self, wish: Wish) -> bool {
        self.retries.lock().refused(wish, now_ms())
    }

    /// Whether it may be said now that a port is in use.
    pub(crate) fn says_busy(&self) -> bool {
        self.busy_log.allows()
    }

    /// Makes the controller of that number, for a device.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is none of that number; `ENOMEM`; what usbcore fails with.
    pub(crate) fn add(&self, id: u8, device: &Device) -> Result {
        if id >= self.geometry.controllers() {
            return Err(EINVAL);
        }
        let mut buses = Allocated::new(device)?;
        let controller = Controller::new(id, device, self.geometry, &self.events, &mut buses)?;
        let registered =
            buses.register(controller.high().clone(), controller.super_speed().clone())?;
        let mut running = Some(Running {
            controller,
            registered,
        });
        if let Some(slot) = self.controllers.lock().get_mut(usize::from(id)) {
            *slot = running.take();
        }
        Ok(())
    }

    /// Ends all sessions of a controller, and takes it from usbcore. Sleeps until nothing of it is left but
    /// references.
    pub(crate) fn remove(&self, id: u8) {
        let running = self
            .controllers
            .lock()
            .get_mut(usize::from(id))
            .and_then(Option::take);
        let Some(running) = running else { return };
        // Before usbcore waits for URBs: this gives all of them back, whatever the peers do.
        running.controller.end_sessions();
        drop(running.registered);
    }

    /// Keeps the files until they are to be removed.
    pub(crate) fn set_files(&self, files: DeviceFiles<FileData>) {
        let old = self.files.lock().replace(files);
        drop(old);
    }

    /// Removes the files. Sleeps until the last reader and writer has left.
    pub(crate) fn remove_files(&self) {
        let files = self.files.lock().take();
        drop(files);
    }
}
