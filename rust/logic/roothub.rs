// SPDX-License-Identifier: GPL-2.0

//! The root hubs of a virtual controller, as the hub driver of the importing host sees them.
//!
//! A hub answers requests from its own state; nothing of it ever reaches a device. It keeps no
//! clock: whoever calls says what time it is.

mod descriptor;
mod port;
mod request;

pub use request::HubRequest;
pub use usbip_proto::sysfs_text::HubSpeed;

use usbip_proto::Speed;

use crate::attach::Geometry;
use port::Port;
use request::Feature;

const MAX_PORTS: usize = Geometry::MAX_PORTS as usize;

/// The request cannot be done: "protocol stall", for which the hub driver gets `-EPIPE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stall;

/// What comes of a request that was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// What the controller's request function returns: the length of a descriptor whose length
    /// usbcore does not know, else 0.
    pub len: usize,
    /// Whether the hub driver is to be told that a port changed.
    #[doc(alias = "usb_hcd_poll_rh_status")]
    pub poll: bool,
}

/// A root hub: one of the two of a controller.
#[derive(Clone, Debug)]
pub struct Hub {
    speed: HubSpeed,
    ports: [Port; MAX_PORTS],
    count: u8,
}

impl Hub {
    /// Makes a hub with as many ports as the geometry says. No port has power or a device.
    pub const fn new(speed: HubSpeed, geometry: Geometry) -> Self {
        Self {
            speed,
            ports: [const { Port::new() }; MAX_PORTS],
            count: geometry.ports(),
        }
    }

    /// Returns which of the two hubs this is.
    pub const fn speed(&self) -> HubSpeed {
        self.speed
    }

    /// Puts a device on a port, counted from 0. The hub driver is to be told.
    pub fn connect(&mut self, port: u8, speed: Speed) {
        if let Some(port) = self.port_mut(port) {
            port.connect(speed);
        }
    }

    /// Takes the device off a port, counted from 0. The hub driver is to be told.
    pub fn disconnect(&mut self, port: u8) {
        if let Some(port) = self.port_mut(port) {
            port.disconnect();
        }
    }

    /// Returns how many ports have a device.
    pub fn connected(&self) -> usize {
        self.ports().iter().fold(0, |count: usize, port| {
            count.saturating_add(usize::from(port.has_device()))
        })
    }

    /// Returns status and change bits of a port, counted from 0, without completing anything.
    pub fn port_status(&self, port: u8) -> Option<u32> {
        self.ports()
            .get(usize::from(port))
            .map(|port| port.bits(self.speed))
    }

    /// Returns whether any port has something to tell.
    pub fn has_changed(&self) -> bool {
        self.ports().iter().any(Port::has_changed)
    }

    /// Fills in the bitmap of ports that have changed: bit 0 is the hub, bit 1 its first port.
    /// Returns its length, or 0 if there is none.
    #[doc(alias = "hub_status_data")]
    pub fn status_bits(&self, out: &mut [u8]) -> usize {
        let len = usize::from(self.count / 8).saturating_add(1);
        let Some(out) = out.get_mut(..len) else {
            return 0;
        };
        out.fill(0);
        let mut changed = 0;
        for (bit, port) in (1_u8..).zip(self.ports()) {
            if port.has_changed() {
                if let Some(byte) = out.get_mut(usize::from(bit / 8)) {
                    *byte |= 1 << (bit % 8);
                    changed = len;
                }
            }
        }
        changed
    }

    /// Does a request. `now` is the time in milliseconds, from any start. What is to be returned to
    /// the hub driver is put into `out`, which has the length that was asked for.
    ///
    /// # Errors
    ///
    /// [`Stall`] if there is no such request, port or feature.
    #[doc(alias = "hub_control")]
    pub fn control(
        &mut self,
        request: HubRequest,
        now: u64,
        out: &mut [u8],
    ) -> Result<Answer, Stall> {
        let mut answer = Answer::default();
        match request {
            HubRequest::ClearHubFeature => {}
            HubRequest::SetHubFeature | HubRequest::Unknown => return Err(Stall),
            HubRequest::GetHubStatus => fill(out, &[0; 4]),
            HubRequest::GetHubDescriptor { value } => self.hub_descriptor(value, out)?,
            HubRequest::GetDescriptor { value } => answer.len = self.bos(value, out)?,
            HubRequest::GetPortErrorCount => {
                self.only_super()?;
                fill(out, &[0; 4]);
            }
            HubRequest::SetHubDepth => self.only_super()?,
            HubRequest::GetPortStatus { .. }
            | HubRequest::SetPortFeature { .. }
            | HubRequest::ClearPortFeature { .. } => {
                self.port_request(request, now, out)?;
            }
        }
        answer.poll = request
            .port()
            .and_then(|port| self.ports().get(usize::from(port)))
            .is_some_and(Port::has_changed);
        Ok(answer)
    }

    fn port_request(&mut self, request: HubRequest, now: u64, out: &mut [u8]) -> Result<(), Stall> {
        let speed = self.speed;
        match request {
            HubRequest::GetPortStatus { port, extended } => {
                let port = self.at(port)?;
                port.complete(now);
                let status = port.bits(speed).to_le_bytes();
                fill(out, &status);
                if extended && speed == HubSpeed::Super {
                    if let Some(rest) = out.get_mut(status.len()..) {
                        fill(rest, &port.extended_bits().to_le_bytes());
                    }
                }
                Ok(())
            }
            HubRequest::SetPortFeature { port, feature } => {
                match Feature::for_setting(feature, speed).ok_or(Stall)? {
                    Feature::Link => {}
                    Feature::Suspend => self.at(port)?.suspend(),
                    Feature::Power => self.at(port)?.power_on(speed),
                    Feature::Reset => self.at(port)?.reset(speed, now),
                    Feature::WarmReset => {
                        let port = self.at(port)?;
                        port.reset(speed, now);
                        port.set(request::BH_PORT_RESET, speed);
                    }
                    Feature::Bit(bit) => self.at(port)?.set(bit, speed),
                }
                Ok(())
            }
            HubRequest::ClearPortFeature { port, feature } => {
                let port = self.at(port)?;
                match Feature::for_clearing(feature, speed).ok_or(Stall)? {
                    Feature::Suspend => port.resume(now),
                    Feature::Power => port.power_off(speed),
                    Feature::Bit(bit) => port.clear(bit),
                    Feature::Link | Feature::Reset | Feature::WarmReset => return Err(Stall),
                }
                Ok(())
            }
            _ => Err(Stall),
        }
    }

    fn hub_descriptor(&self, value: u16, out: &mut [u8]) -> Result<(), Stall> {
        match self.speed {
            HubSpeed::High => {
                let (descriptor, len) = descriptor::high_speed(self.count);
                fill(out, descriptor.get(..len).unwrap_or(&descriptor));
            }
            HubSpeed::Super => {
                let descriptor = descriptor::super_speed(self.count);
                let wanted = u16::from(descriptor::SUPER_SPEED_HUB) << 8;
                if value != wanted || out.len() < descriptor.len() {
                    return Err(Stall);
                }
                fill(out, &descriptor);
            }
        }
        Ok(())
    }

    /// Gives the device descriptor's capabilities, as much of them as is wanted.
    fn bos(&self, value: u16, out: &mut [u8]) -> Result<usize, Stall> {
        self.only_super()?;
        let [kind, _] = value.to_be_bytes();
        if kind != descriptor::BOS {
            return Err(Stall);
        }
        fill(out, &descriptor::CAPABILITIES);
        Ok(out.len().min(descriptor::CAPABILITIES.len()))
    }

    fn only_super(&self) -> Result<(), Stall> {
        match self.speed {
            HubSpeed::High => Err(Stall),
            HubSpeed::Super => Ok(()),
        }
    }

    fn ports(&self) -> &[Port] {
        self.ports.get(..usize::from(self.count)).unwrap_or(&[])
    }

    fn port_mut(&mut self, port: u8) -> Option<&mut Port> {
        self.ports
            .get_mut(..usize::from(self.count))?
            .get_mut(usize::from(port))
    }

    fn at(&mut self, port: Option<u8>) -> Result<&mut Port, Stall> {
        self.port_mut(port.ok_or(Stall)?).ok_or(Stall)
    }
}

/// Copies as much as fits.
fn fill(out: &mut [u8], from: &[u8]) {
    for (to, from) in out.iter_mut().zip(from) {
        *to = *from;
    }
}
