// SPDX-License-Identifier: GPL-2.0

//! The parameters of usbip-vudc.

use usbip_kernel::module_param;

/// Bytes in a MiB.
const MIB: usize = 1 << 20;

/// The most controllers.
const MAX_CONTROLLERS: u64 = 256;

module_param! {
    /// Controllers.
    static NUM = 1, in 1..=MAX_CONTROLLERS, mode 0o444;
    "num": "uint", "number of emulated controllers (1 to 256, default 1)"
}

module_param! {
    /// MiB that the transfers of one connection may take up.
    static MAX_TRANSFER_MIB = 64, in 1..=2048, mode 0o644;
    "max_transfer_mib": "uint",
    "MiB of memory that the transfers of one connection may take up (1 to 2048, default 64)"
}

/// How many controllers there are.
pub(crate) fn controllers() -> u32 {
    NUM.get_u32()
}

/// Bytes that the transfers of one connection may take up.
pub(crate) fn max_transfer() -> usize {
    usize::try_from(MAX_TRANSFER_MIB.get()).map_or(usize::MAX, |mib| mib.saturating_mul(MIB))
}
