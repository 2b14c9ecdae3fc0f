// SPDX-License-Identifier: GPL-2.0-or-later

//! Connections, and the files through which the modules are given one.

use std::{
    fs,
    io,
    net::{
        TcpListener,
        TcpStream, //
    },
    os::fd::AsRawFd,
    path::{
        Path,
        PathBuf, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    }, //
};

use usbip_proto::DevId;

use crate::cases::Result;

const VHCI: &str = "/sys/devices/platform/vhci_hcd.0";
const VUDC: &str = "/sys/devices/platform/usbip-vudc";
const DEVICES: &str = "/sys/bus/usb/devices";
/// Until drivers have looked at a new device.
const SETTLE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);

/// Both ends of a TCP connection over the loopback, set up as the tools do it.
pub(crate) fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let (other, _) = listener.accept()?;
    for end in [&one, &other] {
        end.set_nodelay(true)?;
    }
    Ok((one, other))
}

/// Which half of a controller a device goes to.
#[derive(Clone, Copy)]
pub(crate) enum Speed {
    High = 3,
    Super = 5,
}

/// A device that vhci-hcd imports; detached when this is dropped.
pub(crate) struct Import {
    port: u32,
    path: PathBuf,
}

impl Import {
    /// Attaches what is behind `socket`, and waits for the device.
    pub(crate) fn attach(socket: &TcpStream, speed: Speed, id: DevId) -> Result<Self> {
        let socket = socket.as_raw_fd().to_string();
        Self::through(speed, |port| {
            fs::write(attach_file(), attach_line(port, &socket, speed, id))?;
            Ok(())
        })
    }

    /// Has `attach` attach something to a free port, and waits for the device.
    pub(crate) fn through(speed: Speed, attach: impl FnOnce(u32) -> Result<()>) -> Result<Self> {
        let known = imported()?;
        let port = free_port(speed)?;
        attach(port)?;
        let mut import = Self {
            port,
            path: PathBuf::new(),
        };
        import.path = wait_for("the imported device", || {
            let path = imported()
                .ok()?
                .into_iter()
                .find(|path| !known.contains(path))?;
            // The last that usbcore makes of a device.
            let name = path.file_name()?.to_str()?.to_owned();
            let config = fs::read_to_string(path.join("bConfigurationValue")).ok()?;
            let interface = format!("{name}:{}.0", config.trim());
            path.join(interface)
                .join("bInterfaceClass")
                .exists()
                .then_some(path)
        })?;
        thread::sleep(SETTLE);
        Ok(import)
    }

    /// The device's folder in sysfs.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Chooses a configuration.
    pub(crate) fn configure(&self, number: u8) -> Result<()> {
        fs::write(self.path.join("bConfigurationValue"), number.to_string())?;
        thread::sleep(SETTLE);
        Ok(())
    }

    /// The descriptors of its configurations.
    pub(crate) fn descriptors(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.path.join("descriptors"))?)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if let Err(error) = fs::write(format!("{VHCI}/detach"), self.port.to_string()) {
            eprintln!("usbip-bench: detach: {error}");
        }
        let gone = wait_for("the end of the imported device", || {
            let rows = rows().ok()?;
            let free = rows.iter().any(|row| row.port == self.port && row.is_free);
            (free && !self.path.exists()).then_some(())
        });
        if let Err(error) = gone {
            eprintln!("usbip-bench: {error}");
        }
    }
}

/// The file through which a connection is given to a port.
pub(crate) fn attach_file() -> String {
    format!("{VHCI}/attach")
}

/// What is written to it; `socket` is a descriptor's number.
pub(crate) fn attach_line(port: u32, socket: &str, speed: Speed, id: DevId) -> String {
    format!("{port} {socket} {} {}", id.get(), speed as u32)
}

/// Gives the other end of a connection to usbip-vudc, for one of its controllers.
pub(crate) fn export_gadget(controller: u32, socket: &TcpStream) -> Result<()> {
    export_at(&format!("{VUDC}.{controller}"), socket)
}

/// Gives the other end of a connection to usbip-host, for the device `busid`.
pub(crate) fn export(busid: &str, socket: &TcpStream) -> Result<()> {
    export_at(&format!("{DEVICES}/{busid}"), socket)
}

fn export_at(path: &str, socket: &TcpStream) -> Result<()> {
    wait_for("the exported device", || {
        let status = fs::read_to_string(format!("{path}/usbip_status")).ok()?;
        (status.trim() == "1").then_some(())
    })?;
    fs::write(
        format!("{path}/usbip_sockfd"),
        socket.as_raw_fd().to_string(),
    )?;
    Ok(())
}

/// The number by which USB/IP calls a local device.
pub(crate) fn device_id(busid: &str) -> Result<DevId> {
    let read = |name: &str| -> Result<u16> {
        Ok(fs::read_to_string(format!("{DEVICES}/{busid}/{name}"))?
            .trim()
            .parse()?)
    };
    Ok(DevId::new(read("busnum")?, read("devnum")?))
}

/// A row of the table of ports.
struct Row {
    is_super: bool,
    port: u32,
    is_free: bool,
}

fn rows() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(VHCI)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("status") {
            continue;
        }
        for line in fs::read_to_string(entry.path())?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["hs" | "ss", port, state, ..] = words[..] {
                rows.push(Row {
                    is_super: words[0] == "ss",
                    port: port.parse()?,
                    is_free: state == "004",
                });
            }
        }
    }
    rows.sort_by_key(|row| row.port);
    Ok(rows)
}

fn free_port(speed: Speed) -> Result<u32> {
    let wants_super = matches!(speed, Speed::Super);
    rows()?
        .iter()
        .find(|row| row.is_free && row.is_super == wants_super)
        .map(|row| row.port)
        .ok_or_else(|| "no free port".into())
}

/// The folders of the imported devices, root hubs left out.
fn imported() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(DEVICES)? {
        let path = fs::canonicalize(entry?.path())?;
        let is_device = path.join("idVendor").exists();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_device && !name.starts_with("usb") && path.to_string_lossy().contains("/vhci_hcd.") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Waits until `look` finds something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("{what} does not come").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
}
