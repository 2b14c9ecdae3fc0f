// SPDX-License-Identifier: GPL-2.0

//! The module's parameters: how many controllers there are, and how many ports each of their hubs has.

use kernel::prelude::*;

use usbip_kernel::module_param;
use usbip_logic::attach::Geometry;

module_param! {
    /// Ports of each root hub.
    static PORTS = 15, in 1..=15, mode 0o444;
    "ports": "uint", "ports of each of a controller's two hubs (1 to 15, default 15)"
}

module_param! {
    /// Controllers.
    static CONTROLLERS = 8, in 1..=32, mode 0o444;
    "controllers": "uint", "number of controllers (1 to 32, default 8)"
}

/// What was asked for when the module was loaded.
///
/// # Errors
///
/// `EINVAL` if a number is out of range, which the parameters themselves refuse.
pub(crate) fn geometry() -> Result<Geometry> {
    let controllers = u8::try_from(CONTROLLERS.get())?;
    let ports = u8::try_from(PORTS.get())?;
    Geometry::new(controllers, ports).ok_or(EINVAL)
}
