// SPDX-License-Identifier: GPL-2.0

//! How a management PDU describes a device and its interfaces.
//!
//! Texts are what the exporting host says; never a path to follow on this host.

use core::{
    fmt,
    str, //
};

use zerocopy::{
    big_endian::{
        U16,
        U32, //
    },
    transmute, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use crate::{
    sysfs_text::BusId,
    DevId, //
};

/// The length of the description of a device.
pub const USB_DEVICE_LEN: usize = 312;

/// The length of the description of an interface.
pub const USB_INTERFACE_LEN: usize = 4;

const PATH_LEN: usize = 256;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    path: [u8; PATH_LEN],
    busid: [u8; BusId::SIZE],
    bus: U32,
    dev: U32,
    speed: U32,
    vendor: U16,
    product: U16,
    release: U16,
    class: u8,
    subclass: u8,
    protocol: u8,
    configuration: u8,
    configurations: u8,
    interfaces: u8,
}

const _: () = {
    assert!(size_of::<Wire>() == USB_DEVICE_LEN);
    assert!(size_of::<UsbInterface>() == USB_INTERFACE_LEN);
};

/// A text of up to 255 bytes, as a peer sent it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceText([u8; PATH_LEN]);

impl DeviceText {
    /// Takes a text, cutting off what does not fit.
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; PATH_LEN];
        // The last byte stays NUL.
        for (to, from) in bytes.iter_mut().rev().skip(1).rev().zip(text.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    /// Returns the text, up to the first byte that is not UTF-8.
    pub fn as_str(&self) -> &str {
        let bytes = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        match bytes.utf8_chunks().next() {
            Some(chunk) => chunk.valid(),
            None => "",
        }
    }
}

impl fmt::Debug for DeviceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The description of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "usbip_usb_device")]
pub struct UsbDevice {
    /// Where the device is in the exporting host's sysfs.
    pub path: DeviceText,
    /// The name of the device.
    pub busid: BusId,
    /// The number of its bus.
    #[doc(alias = "busnum")]
    pub bus: u32,
    /// The number of the device on its bus.
    #[doc(alias = "devnum")]
    pub dev: u32,
    /// The speed: see [`Speed::from_number`].
    ///
    /// [`Speed::from_number`]: crate::Speed::from_number
    pub speed: u32,
    /// The vendor.
    #[doc(alias = "idVendor")]
    pub vendor: u16,
    /// The product.
    #[doc(alias = "idProduct")]
    pub product: u16,
    /// The release of the product.
    #[doc(alias = "bcdDevice")]
    pub release: u16,
    /// The class of the device.
    #[doc(alias = "bDeviceClass")]
    pub class: u8,
    /// The subclass of the device.
    #[doc(alias = "bDeviceSubClass")]
    pub subclass: u8,
    /// The protocol of the device.
    #[doc(alias = "bDeviceProtocol")]
    pub protocol: u8,
    /// The active configuration.
    #[doc(alias = "bConfigurationValue")]
    pub configuration: u8,
    /// The number of configurations.
    #[doc(alias = "bNumConfigurations")]
    pub configurations: u8,
    /// The number of interfaces of the active configuration.
    #[doc(alias = "bNumInterfaces")]
    pub interfaces: u8,
}

impl UsbDevice {
    /// Reads a description; `None` if the device has no proper name.
    pub fn decode(bytes: &[u8; USB_DEVICE_LEN]) -> Option<Self> {
        let wire: Wire = transmute!(*bytes);
        Some(Self {
            path: DeviceText(wire.path),
            busid: BusId::from_field(&wire.busid)?,
            bus: wire.bus.get(),
            dev: wire.dev.get(),
            speed: wire.speed.get(),
            vendor: wire.vendor.get(),
            product: wire.product.get(),
            release: wire.release.get(),
            class: wire.class,
            subclass: wire.subclass,
            protocol: wire.protocol,
            configuration: wire.configuration,
            configurations: wire.configurations,
            interfaces: wire.interfaces,
        })
    }

    /// Returns the description as it goes over the wire.
    pub fn encode(&self) -> [u8; USB_DEVICE_LEN] {
        transmute!(Wire {
            path: self.path.0,
            busid: self.busid.to_field(),
            bus: self.bus.into(),
            dev: self.dev.into(),
            speed: self.speed.into(),
            vendor: self.vendor.into(),
            product: self.product.into(),
            release: self.release.into(),
            class: self.class,
            subclass: self.subclass,
            protocol: self.protocol,
            configuration: self.configuration,
            configurations: self.configurations,
            interfaces: self.interfaces,
        })
    }

    /// Returns the number that names the device in requests; `None` if it does not fit.
    pub fn devid(&self) -> Option<DevId> {
        Some(DevId::new(
            u16::try_from(self.bus).ok()?,
            u16::try_from(self.dev).ok()?,
        ))
    }
}

/// The description of an interface.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[doc(alias = "usbip_usb_interface")]
#[repr(C)]
pub struct UsbInterface {
    /// The class of the interface.
    #[doc(alias = "bInterfaceClass")]
    pub class: u8,
    /// The subclass of the interface.
    #[doc(alias = "bInterfaceSubClass")]
    pub subclass: u8,
    /// The protocol of the interface.
    #[doc(alias = "bInterfaceProtocol")]
    pub protocol: u8,
    padding: u8,
}

impl UsbInterface {
    /// Describes an interface.
    pub const fn new(class: u8, subclass: u8, protocol: u8) -> Self {
        Self {
            class,
            subclass,
            protocol,
            padding: 0,
        }
    }

    /// Reads a description.
    pub fn decode(bytes: &[u8; USB_INTERFACE_LEN]) -> Self {
        let [class, subclass, protocol, _] = *bytes;
        Self::new(class, subclass, protocol)
    }

    /// Returns the description as it goes over the wire.
    pub fn encode(&self) -> [u8; USB_INTERFACE_LEN] {
        transmute!(*self)
    }
}
