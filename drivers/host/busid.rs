// SPDX-License-Identifier: GPL-2.0

//! Which devices are to be shared, as users say in the files of the driver.
//!
//! [`BusIdTable`] knows the rules. Here they get a lock, which is held for moments only: never
//! while a device is probed, given back or let go of.

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
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

/// The table of names, shared by the driver and its files.
#[pin_data]
pub(crate) struct Table {
    #[pin]
    names: Mutex<BusIdTable>,
}

impl Table {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            names <- new_mutex!(BusIdTable::new(), "Table::names"),
        })
    }

    /// Whether `device` is to be bound; it counts as bound from here on.
    pub(crate) fn claim(&self, device: &Device) -> bool {
        name_of(device).is_some_and(|name| self.names.lock().claim(&name))
    }

    /// A device is no longer bound.
    pub(crate) fn release(&self, device: &Device) {
        let Some(name) = name_of(device) else { return };
        let how = if device.is_attached() {
            Release::Unbound
        } else {
            Release::Unplugged
        };
        self.names.lock().release(&name, how);
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
        if decision == Decision::Attach {
            if let Err(error) = give_back(&name) {
                self.names.lock().fail_rebind(&name);
                return Err(error);
            }
            self.names.lock().end_rebind(&name);
        }
        Ok(())
    }

    fn pop(&self) -> Option<(BusId, bool)> {
        self.names.lock().pop()
    }
}

/// Offers the device of a name, which may have been plugged in anew, to its own driver.
fn give_back(name: &BusId) -> Result {
    let Some(device) = Device::find(name.as_bytes()) else {
        return Ok(());
    };
    device.find_driver().inspect_err(|_| {
        dev_err!(
            AsRef::<kernel::device::Device>::as_ref(&*device),
            "rebind failed\n"
        );
    })
}

fn name_of(device: &Device) -> Option<BusId> {
    BusId::new(device.name().to_bytes())
}

/// Gives all devices that were shared back to their own drivers, once this driver is gone.
pub(crate) struct GiveBack(pub(crate) kernel::sync::Arc<Table>);

impl Drop for GiveBack {
    fn drop(&mut self) {
        while let Some((name, was_bound)) = self.0.pop() {
            if was_bound {
                // What became of it is in the log.
                let _told = give_back(&name);
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
