// SPDX-License-Identifier: GPL-2.0

//! The management PDUs, with which tools ask what a host exports and take a device.
//!
//! Only layouts and numbers: the exchange itself is the tools' affair. The kernel takes part in
//! none of it.

mod code;
mod device;

pub use code::{
    OpCode,
    OpCommon,
    OpError,
    OpStatus,
    OP_COMMON_LEN, //
};
pub use device::{
    DeviceText,
    UsbDevice,
    UsbInterface,
    USB_DEVICE_LEN,
    USB_INTERFACE_LEN, //
};
