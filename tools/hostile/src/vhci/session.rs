// SPDX-License-Identifier: GPL-2.0-or-later

//! How connections begin, go on and end.

use std::{
    fs, io,
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        Arc, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use usbip_peer::{
    setup,
    sysfs,
    Device,
    Endpoint,
    Incoming,
    Model,
    Server,
    Socket,
    Transfer, //
};
use usbip_proto::{
    sysfs_text::PortState,
    CmdSubmit,
    Speed,
    Status,
    TransferKind, //
};

use super::{
    attached::fine,
    free,
    well_used,
    Attached, //
};
use crate::suite::{
    ensure,
    patience, //
    same,
    wait_for,
    Result,
};

pub(super) fn c14_pdu_that_takes_its_time(_: &mut ()) -> Result {
    // As if the user had set SO_RCVTIMEO.
    let mut attached = Attached::new(
        Model::everything(Speed::High),
        &[|socket| socket.set_timeout(Some(Duration::from_secs(1)))],
    )?;
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x81 0 512")?;
    let submit = attached.submission()?;
    let mut bytes = fine(&submit, 512).encode().to_vec();
    bytes.extend([3; 512]);
    for piece in [bytes.get(..20), bytes.get(20..60), bytes.get(60..)] {
        thread::sleep(Duration::from_millis(2500));
        attached.send(piece.unwrap_or_default())?;
    }
    let done = driver.done(1)?;
    same(
        "status",
        (Status::OK, 512),
        (done.status, done.actual_length),
    )?;
    same("data", 3 * 512, done.sum)?;
    drop(driver);
    well_used(&mut attached)
}

/// Answers the class requests of a hub with one device on its first port.
fn answer_as_hub(server: &mut Server, submit: &CmdSubmit, enabled: &mut bool) -> Result<bool> {
    let [kind, request, value, _, _, _, length, _] = submit.setup;
    let (reset, connected) = (4, [0x01, u8::from(*enabled) * 4 + 1]);
    let data: Vec<u8> = match (kind, request) {
        (0xa0, 6) => vec![9, 0x29, 2, 0, 0, 10, 0, 0, 0xff],
        (0xa0, 0) => vec![0; 4],
        (0xa3, 0) => {
            let [on, speed] = connected;
            vec![
                on | (u8::from(*enabled) << 1),
                speed,
                u8::from(*enabled) * 16,
                0,
            ]
        }
        (0x23, 3) => {
            *enabled |= value == reset;
            Vec::new()
        }
        (0x20 | 0x23, 1) => Vec::new(),
        _ => return Ok(false),
    };
    let data = data.get(..usize::from(length)).unwrap_or(&data);
    let sent = match submit.direction.is_in() {
        true => data,
        false => &[],
    };
    server.reply(&fine(submit, i32::try_from(sent.len())?), sent, &[])?;
    Ok(true)
}

pub(super) fn c15_device_behind_an_imported_hub(_: &mut ()) -> Result {
    let mut model = Model::everything(Speed::High);
    model.class = [9, 0, 0];
    model.settings = vec![vec![Endpoint::new(0x81, TransferKind::Interrupt, 1, 12)]];
    let mut device = Device::new(model);
    let (near, far) = Socket::pair()?;
    near.set_timeout(Some(Duration::from_secs(2)))?;
    let port = sysfs::free_port(Speed::High)?;
    sysfs::attach(port, &far, device.devid(), Speed::High)?;
    drop(far);
    let mut server = Server::new(near);
    let started = Instant::now();
    let (mut enabled, mut told, mut asked_for_ports) = (false, false, 0);
    // Long enough for the hub driver to try, and to give up.
    while started.elapsed() < Duration::from_secs(20) {
        let request = match server.request() {
            Ok(Some(request)) => request,
            Ok(None) => return Err("the hub was disconnected".into()),
            // Quiet for two seconds: whatever is tried has been tried.
            Err(_) if told => break,
            Err(_) => continue,
        };
        match request {
            Incoming::Submit(submit) if submit.endpoint == 1 => {
                if !told {
                    told = true;
                    server.reply(&fine(&submit, 1), &[0x02], &[])?;
                }
            }
            Incoming::Submit(submit)
                if submit.endpoint == 0 && answer_as_hub(&mut server, &submit, &mut enabled)? =>
            {
                asked_for_ports += u32::from(matches!(submit.setup, [0xa3, ..]));
                // What would be said to the device behind it is said to the hub instead, in C.
            }
            other => device.answer(&mut server, &other)?,
        }
        server.link().flush()?;
    }
    ensure(
        "the hub driver never asked for its ports",
        asked_for_ports > 0,
    )?;
    let row = sysfs::ports()?.into_iter().find(|row| row.port == port);
    let busid = row.map(|row| row.busid.as_str().to_owned());
    let busid = busid.ok_or("the port is gone")?;
    same(
        "class of the hub's interface",
        "09",
        &sysfs::attribute(&format!("{busid}:1.0"), "bInterfaceClass")?,
    )?;
    let behind = sysfs::device(&format!("{busid}.1")).exists();
    ensure("a device came up behind it", !behind)?;
    drop(server);
    free()
}

/// One end has much to give back. Meanwhile another one, on another controller, ends.
pub(super) fn e5_one_end_does_not_wait_for_another(_: &mut ()) -> Result {
    const REQUESTS: u32 = 4000;
    const OTHER: u32 = 30;
    let end_of = |port, started: Instant| -> Result<Duration> {
        wait_for("the port is free", || {
            sysfs::ports().is_ok_and(|rows| {
                rows.iter()
                    .any(|row| row.port == port && row.state == PortState::Null)
            })
        })?;
        Ok(started.elapsed())
    };
    let mut seen = Vec::new();
    // The machine may be busy with something else at times.
    for _ in 0..5 {
        let busy = Attached::everything()?;
        let mut driver = busy.driver()?;
        driver.submit_all(REQUESTS, "bulk 0x84 0 0")?;
        let other = Attached::on(OTHER, Model::everything(Speed::High))?;
        let started = Instant::now();
        sysfs::detach(busy.port)?;
        sysfs::detach(OTHER)?;
        let short = end_of(OTHER, started)?;
        let long = end_of(busy.port, started)?;
        drop((driver, busy, other));
        super::free()?;
        if short < long / 2 {
            return Ok(());
        }
        seen.push((short, long));
    }
    Err(format!("one waits for the other: {seen:?}").into())
}

pub(super) fn unknown_command(_: &mut ()) -> Result {
    for number in [0_u32, 1, 2, 5, 0x0300_0000, 0xffff_ffff] {
        let mut attached = Attached::everything()?;
        let mut bytes = [0; 48];
        for (to, from) in bytes.iter_mut().zip(number.to_be_bytes()) {
            *to = from;
        }
        attached.send(&bytes)?;
        attached.closed()?;
        drop(attached);
        free()?;
    }
    Ok(())
}

pub(super) fn truncated_answers(_: &mut ()) -> Result {
    for length in [0, 1, 47, 48, 49, 559] {
        let mut attached = Attached::everything()?;
        let mut driver = attached.driver()?;
        driver.submit(1, "bulk 0x81 0 512")?;
        let submit = attached.submission()?;
        let mut bytes = fine(&submit, 512).encode().to_vec();
        bytes.extend([3; 512]);
        attached.send(bytes.get(..length).unwrap_or_default())?;
        attached.server.link().finish()?;
        attached.closed()?;
        driver.failed(1)?;
        drop((driver, attached));
        free()?;
    }
    Ok(())
}

/// A reader never sees half of what was to come as if it were all of it.
pub(super) fn truncated_data_are_an_error(_: &mut ()) -> Result {
    for transfer in ["bulk 0x81 0 131072", "iso 0x83 0x02 2048 1024 1024"] {
        let mut attached = Attached::everything()?;
        let mut driver = attached.driver()?;
        driver.submit(1, transfer)?;
        let submit = attached.submission()?;
        attached.answer(&fine(&submit, submit.length), &[3; 1000])?;
        thread::sleep(Duration::from_millis(200));
        drop(attached);
        let done = driver.failed(1)?;
        same("actual length", 0, done.actual_length)?;
        drop(driver);
        free()?;
    }
    Ok(())
}

pub(super) fn requests_of_a_client_are_no_answers(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let submit = Transfer::control_in(setup(0x80, 6, 0x0100, 0, 18)).command;
    attached.send(&submit.encode())?;
    attached.closed()
}

pub(super) fn super_speed_plus(_: &mut ()) -> Result {
    let attached = Attached::new(Model::everything(Speed::SuperPlus), &[])?;
    let speed = sysfs::attribute(&attached.busid, "speed")?;
    same("speed", "10000", &speed)
}

/// Does something for which usbcore has to talk to the device, which answers meanwhile.
fn served<T: Send>(attached: &mut Attached, work: impl FnOnce() -> T + Send) -> Result<T> {
    let link = attached.server.link().socket().try_clone()?;
    link.set_timeout(Some(Duration::from_millis(100)))?;
    let result = thread::scope(|scope| {
        let work = scope.spawn(work);
        while !work.is_finished() {
            match attached.server.request() {
                Ok(Some(request)) => {
                    attached.device.answer(&mut attached.server, &request)?;
                    attached.server.link().flush()?;
                }
                Ok(None) => break,
                // Nothing is asked for at the moment.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(work.join().map_err(|_| "a thread")?)
    });
    link.set_timeout(Some(patience()))?;
    result
}

/// The peer is not told, so what the device was doing goes on afterwards.
pub(super) fn suspended_and_resumed(_: &mut ()) -> Result {
    let mut attached = Attached::everything()?;
    let power = sysfs::device(&attached.busid).join("power");
    let is = |wanted| {
        fs::read_to_string(power.join("runtime_status")).is_ok_and(|text| text.trim_end() == wanted)
    };
    served(&mut attached, || -> Result {
        fs::write(power.join("autosuspend_delay_ms"), "0")?;
        fs::write(power.join("control"), "auto")?;
        wait_for("the device is suspended", || is("suspended"))?;
        fs::write(power.join("control"), "on")?;
        wait_for("the device is resumed", || is("active"))
    })??;
    well_used(&mut attached)
}

pub(super) fn is_not_exported_again(_: &mut ()) -> Result {
    if !std::path::Path::new("/sys/bus/usb/drivers/usbip-host").exists() {
        return Err(crate::suite::Skip("usbip-host").into());
    }
    let mut attached = Attached::everything()?;
    let busid = attached.busid.clone();
    let result = served(&mut attached, || -> Result<io::Result<()>> {
        crate::host::driver("match_busid", &format!("add {busid}"))?;
        let bound = sysfs::device(&busid).join("driver");
        fs::write(bound.join("unbind"), &busid)?;
        let result = crate::host::driver("bind", &busid);
        crate::host::driver("match_busid", &format!("del {busid}"))?;
        Ok(result)
    })??;
    ensure("an imported device was exported", result.is_err())
}

pub(super) fn attach_and_detach_race(_: &mut ()) -> Result {
    let stop = Arc::new(AtomicBool::new(false));
    let detacher = thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::Relaxed) {
                for port in 0..3 {
                    // Most of the time there is nothing to detach.
                    drop(sysfs::detach(port));
                }
                drop(sysfs::ports());
                thread::sleep(Duration::from_millis(3));
            }
        }
    });
    let mut result = Ok(());
    for round in 0..60_u64 {
        let (near, far) = match Socket::pair() {
            Ok(pair) => pair,
            Err(error) => {
                result = Err(error.into());
                break;
            }
        };
        let device = Device::new(Model::everything(Speed::High));
        for port in 0..3 {
            drop(sysfs::attach(port, &far, device.devid(), Speed::High));
        }
        drop(far);
        if round % 2 == 0 {
            let mut server = Server::new(near);
            drop(
                server
                    .link()
                    .socket()
                    .set_timeout(Some(Duration::from_millis(50))),
            );
            let mut device = device;
            drop(device.serve(&mut server));
        } else {
            thread::sleep(Duration::from_millis(round % 7));
        }
    }
    stop.store(true, Ordering::Relaxed);
    detacher.join().map_err(|_| "the thread that detaches")?;
    result
}

pub(super) fn server_that_never_answers(_: &mut ()) -> Result {
    let (near, far) = Socket::pair()?;
    let device = Device::new(Model::everything(Speed::High));
    let port = sysfs::free_port(Speed::High)?;
    sysfs::attach(port, &far, device.devid(), Speed::High)?;
    drop(far);
    thread::sleep(Duration::from_secs(2));
    let started = Instant::now();
    sysfs::detach(port)?;
    free()?;
    ensure("detaching takes long", started.elapsed() < patience() / 2)?;
    drop(near);
    Ok(())
}
