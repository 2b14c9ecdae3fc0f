// SPDX-License-Identifier: GPL-2.0-or-later

//! For what a server may keep usbcore waiting, which cannot be interrupted when it gives a transfer up.

use std::{
    fs, io, thread,
    time::{
        Duration,
        Instant, //
    },
};

use usbip_peer::{
    sysfs,
    Device,
    Model,
    Server,
    Socket, //
};
use usbip_proto::{
    RetSubmit,
    RetUnlink,
    Seqnum,
    Speed,
    Status, //
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
    Result,
};

/// Seconds that a server may keep somebody waiting here.
const LIMIT: u64 = 8;

/// Another stall timeout for the connections that are made while it exists.
struct StallTimeout(String);

impl StallTimeout {
    const FILE: &'static str = "/sys/module/usbip_core/parameters/stall_timeout";

    fn short() -> Result<Self> {
        let before = fs::read_to_string(Self::FILE)?;
        fs::write(Self::FILE, LIMIT.to_string())?;
        Ok(Self(before))
    }
}

impl Drop for StallTimeout {
    fn drop(&mut self) {
        // If this fails, tests that take their time do as well.
        if let Err(error) = fs::write(Self::FILE, self.0.trim_end()) {
            println!("# stall_timeout: {error}");
        }
    }
}

/// Answers unlinks that nobody has sent, which is passed over, until the connection ends: it is anything but silent.
fn chatter(attached: &mut Attached) -> Result {
    let nothing = RetUnlink {
        seqnum: Seqnum::new(0xffff_ff00),
        status: Status::OK,
    };
    let end = Instant::now() + patience();
    while Instant::now() < end {
        if attached.send(&nothing.encode()).is_err() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err("the connection goes on".into())
}

/// A server that takes a transfer and never says that it has given it up: the end of the connection ends the wait.
pub(super) fn unlink_that_is_never_answered(_: &mut ()) -> Result {
    let _short = StallTimeout::short()?;
    for busy in [false, true] {
        let mut attached = Attached::everything()?;
        let mut driver = attached.driver()?;
        driver.submit(1, "bulk 0x84 0 512")?;
        attached.submission()?;
        driver.discard(1)?;
        attached.unlink()?;
        if busy {
            chatter(&mut attached)?;
        } else {
            attached.closed()?;
        }
        driver.failed(1)?;
        drop((driver, attached));
        free()?;
    }
    Ok(())
}

/// A device may have nothing to say for as long as it likes; that is not what is meant by the above.
pub(super) fn transfer_that_takes_its_time(_: &mut ()) -> Result {
    let _short = StallTimeout::short()?;
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, "interrupt 0x82 0 64")?;
    let submit = attached.submission()?;
    thread::sleep(Duration::from_secs(2 * LIMIT));
    attached.answer(&fine(&submit, 64), &[2; 64])?;
    let done = driver.done(1)?;
    same(
        "an answer after a long time",
        (Status::OK, 64, 128),
        (done.status, done.actual_length, done.sum),
    )?;
    drop(driver);
    well_used(&mut attached)
}

/// What is given up while its answer comes in does not wait for the rest, however slowly that comes.
pub(super) fn unlink_while_the_answer_comes_in(_: &mut ()) -> Result {
    const LENGTH: i32 = 65_536;

    let _short = StallTimeout::short()?;
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, &format!("bulk 0x81 0 {LENGTH}"))?;
    let submit = attached.submission()?;
    let mut left = usize::try_from(LENGTH)?;
    attached.send(&fine(&submit, LENGTH).encode())?;
    // So that it is being received when it is given up.
    thread::sleep(Duration::from_millis(200));
    driver.discard(1)?;
    let end = Instant::now() + patience();
    let mut done = None;
    let waiting = thread::scope(|scope| -> Result {
        let driver = scope.spawn(|| driver.reap(60));
        while !driver.is_finished() {
            ensure("it waits for all of the answer", Instant::now() < end)?;
            attached.send(&[7])?;
            left -= 1;
            thread::sleep(Duration::from_millis(50));
        }
        done = driver.join().map_err(|_| "the driver")??;
        Ok(())
    });
    waiting?;
    let done = done.ok_or("it was never given back")?;
    ensure(
        &format!("it does not fail: {done:?}"),
        !done.status.is_ok() && done.actual_length == 0,
    )?;
    ensure("all of the answer was sent", left > 0)?;
    // The rest is skipped, and the connection goes on.
    let rest = vec![7; left];
    attached.send(&rest)?;
    drop(driver);
    well_used(&mut attached)
}

/// What was answered before its data had left, and is given up then, waits for the data to leave: not for ever.
pub(super) fn unlink_while_data_leave_slowly(_: &mut ()) -> Result {
    const LENGTH: i32 = 4_194_304;

    let _short = StallTimeout::short()?;
    let mut attached = Attached::everything()?;
    let mut driver = attached.driver()?;
    driver.submit(1, &format!("bulk 0x01 0 {LENGTH}"))?;
    let seqnum = super::requests::begun(&mut attached)?;
    let early = RetSubmit {
        seqnum,
        status: Status::OK,
        actual_length: LENGTH,
        start_frame: 0,
        packets: 0,
        error_count: 0,
    };
    attached.answer(&early, &[])?;
    thread::sleep(Duration::from_millis(200));
    driver.discard(1)?;
    // Slow enough that not all have left when the time is over, and quick enough that something always moves.
    for _ in 0..LENGTH / 16_384 - 1 {
        if attached.server.link().skip(16_384).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    attached.closed()?;
    driver.done(1)?;
    drop((driver, attached));
    free()
}

/// The same without a driver: usbcore itself gives up what it asks a new device for.
pub(super) fn enumeration_that_is_never_answered(_: &mut ()) -> Result {
    let _short = StallTimeout::short()?;
    let (near, far) = Socket::pair()?;
    near.set_timeout(Some(patience()))?;
    let device = Device::new(Model::everything(Speed::High));
    let port = sysfs::free_port(Speed::High)?;
    sysfs::attach(port, &far, device.devid(), Speed::High)?;
    drop(far);
    let mut server = Server::new(near);
    loop {
        match server.request() {
            Ok(Some(_)) => {}
            Ok(None) => return free(),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return free(),
            Err(error) => return Err(format!("not closed, but {error}").into()),
        }
    }
}
