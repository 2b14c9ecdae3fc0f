// SPDX-License-Identifier: GPL-2.0

//! Which devices are to be shared, as users say in the files of the driver.
//!
//! [`BusIdTable`] knows the rules. Here they get a lock, which is held for moments only: never
//! while a device is probed, given back or let go of.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    }, //
};

use usbip_kernel::sysfs::{
    DriverAttribute,
    File,
    PageWriter, //
};
use usbip_logic::busid::{
    BusIdTable,
    Rebind as Decision, //
    Release,
};
use usbip_proto::sysfs_text::{
    write_busids,
    BusId,
    MatchCommand, //
};
use usbip_usb::{
    Device,
    Registered, //
};

use crate::driver::Host;

/// A device's handle in the table: a counted reference.
type Handle = ARef<Device>;

/// The table of names, shared by the driver and its files.
#[pin_data]
pub(crate) struct Table {
    #[pin]
    names: Mutex<BusIdTable<Handle>>,
}

impl Table {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            names <- new_mutex!(BusIdTable::new(), "Table::names"),
        })
    }

    /// Whether `device` is to be bound; it counts as bound from here on.
    pub(crate) fn claim(&self, device: &Device) -> bool {
        let Some(name) = name_of(device) else {
            return false;
        };
        let claim = self.names.lock().claim(&name, device.into());
        // What the table gave back is dropped here, outside the lock.
        claim.is_ok()
    }

    /// A device is no longer bound.
    pub(crate) fn release(&self, device: &Device) {
        let Some(name) = name_of(device) else { return };
        let how = if device.is_attached() {
            Release::Unbound
        } else {
            Release::Unplugged
        };
        let handle = self.names.lock().release(&name, how);
        drop(handle);
    }

    /// Lists a name, or takes it back.
    fn edit(&self, text: &[u8]) -> Result {
        match MatchCommand::parse(text).ok_or(EINVAL)? {
            MatchCommand::Add(name) => self.names.lock().add(name).map_err(|_| ENOMEM),
            MatchCommand::Del(name) => self.names.lock().del(&name).map_err(|_| ENODEV),
        }
    }

    /// Gives the device of a name back to its own driver, and forgets the name.
    fn rebind(&self, text: &[u8]) -> Result {
        // What is no name is in no table; only one that is too long is told apart.
        let too_long = text.len() >= BusId::SIZE;
        let name = BusId::parse(text).ok_or(if too_long { EINVAL } else { ENODEV })?;
        let decision = self.names.lock().begin_rebind(&name).map_err(|_| ENODEV)?;
        if let Decision::Attach(handle) = decision {
            drop(handle);
            // By name: what was shared under it may have been plugged in anew.
            if let Some(device) = Device::find(name.as_bytes()) {
                if let Err(error) = device.find_driver() {
                    self.names.lock().fail_rebind(&name);
                    dev_err!(
                        AsRef::<kernel::device::Device>::as_ref(&*device),
                        "rebind failed\n"
                    );
                    return Err(error);
                }
            }
            let handle = self.names.lock().end_rebind(&name);
            drop(handle);
        }
        Ok(())
    }

    fn pop(&self) -> Option<Option<Handle>> {
        self.names.lock().pop().map(|(_, handle)| handle)
    }
}

fn name_of(device: &Device) -> Option<BusId> {
    BusId::new(device.name().to_bytes())
}

/// Gives all devices that were shared back to their own drivers, once this driver is gone.
pub(crate) struct GiveBack(pub(crate) kernel::sync::Arc<Table>);

impl Drop for GiveBack {
    fn drop(&mut self) {
        while let Some(handle) = self.0.pop() {
            let Some(device) = handle else { continue };
            if device.is_attached() && device.find_driver().is_err() {
                dev_err!(
                    AsRef::<kernel::device::Device>::as_ref(&*device),
                    "rebind failed\n"
                );
            }
        }
    }
}

/// The file `match_busid`.
pub(crate) struct MatchBusId;

impl DriverAttribute<Registered<Host>> for MatchBusId {
    const FILE: File<Registered<Host>> = File::both(
        c"match_busid",
        |host, out: &mut PageWriter<'_>| {
            write_busids(out, host.table().names.lock().names()).map_err(|_| EOVERFLOW)
        },
        |host, text| host.table().edit(text),
    );
}

/// The file `rebind`.
pub(crate) struct Rebind;

impl DriverAttribute<Registered<Host>> for Rebind {
    const FILE: File<Registered<Host>> =
        File::writable(c"rebind", |host, text| host.table().rebind(text));
}
