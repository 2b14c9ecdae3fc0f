// SPDX-License-Identifier: GPL-2.0-or-later

//! The driver of an attached device: a program that says to usbfs what it is told.

use std::{
    io::{
        BufRead,
        BufReader,
        Write, //
    },
    path::Path,
    process::{
        Child,
        ChildStdin,
        ChildStdout,
        Command,
        Stdio, //
    },
    time::Instant,
};

use usbip_peer::sysfs;
use usbip_proto::Status;

use crate::suite::{
    ensure,
    patience, //
    same,
    wait_for,
    Result,
};

/// The driver of an attached device.
pub(crate) struct Driver {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// Answers that are still to come, and that nobody wants.
    owed: u32,
}

/// How a transfer ended, as the driver sees it.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) id: u32,
    pub(crate) status: Status,
    pub(crate) actual_length: i32,
    pub(crate) error_count: i32,
    /// All bytes of the buffer, added up.
    pub(crate) sum: u64,
    /// Of each packet its status, its length, and the byte where it begins.
    pub(crate) packets: Vec<(Status, u32, u8)>,
}

impl Driver {
    /// Becomes the driver of a device.
    pub(crate) fn of(busid: &str) -> Result<Self> {
        let number = |name| -> Result<u32> { Ok(sysfs::attribute(busid, name)?.parse()?) };
        let node = format!(
            "/dev/bus/usb/{:03}/{:03}",
            number("busnum")?,
            number("devnum")?
        );
        wait_for("the device has its node", || Path::new(&node).exists())?;
        wait_for("the device has its interface", || {
            sysfs::device(&format!("{busid}:1.0")).exists()
        })?;
        let mut child = Command::new("usbfs")
            .arg(node)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().ok_or("no pipe")?;
        let from = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let mut driver = Self {
            child,
            to,
            from,
            owed: 0,
        };
        let ready = driver.line()?;
        same("the driver", "ready", &ready)?;
        Ok(driver)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        ensure("the driver has ended", !line.is_empty())?;
        Ok(line.trim_end().to_owned())
    }

    fn say(&mut self, line: &str) -> Result<String> {
        writeln!(self.to, "{line}")?;
        while self.owed > 0 {
            self.line()?;
            self.owed -= 1;
        }
        self.line()
    }

    /// Submits a transfer: `KIND ENDPOINT FLAGS LENGTH [PACKET-LENGTH..]`.
    pub(crate) fn submit(&mut self, id: u32, what: &str) -> Result {
        let answer = self.say(&format!("submit {id} {what}"))?;
        same(&format!("submit {what}"), "ok", &answer)
    }

    /// Submits a transfer so many times, with the numbers from 0 on.
    pub(crate) fn submit_all(&mut self, count: u32, what: &str) -> Result {
        // So many that neither pipe is full; waiting for each would take longer than all that they are for.
        const AT_ONCE: u32 = 500;
        for first in (0..count).step_by(usize::try_from(AT_ONCE)?) {
            let ids = first..count.min(first + AT_ONCE);
            for id in ids.clone() {
                writeln!(self.to, "submit {id} {what}")?;
            }
            for _ in ids {
                same(&format!("submit {what}"), "ok", &self.line()?)?;
            }
        }
        Ok(())
    }

    /// Submits a transfer, which may fail.
    pub(crate) fn try_submit(&mut self, id: u32, what: &str) -> Result<bool> {
        Ok(self.say(&format!("submit {id} {what}"))? == "ok")
    }

    /// Begins to give a transfer up. The driver does nothing else until that is done, which it is
    /// when the server has answered; whether it could still be given up is not said.
    pub(crate) fn discard(&mut self, id: u32) -> Result {
        writeln!(self.to, "discard {id}")?;
        self.owed += 1;
        Ok(())
    }

    /// The next transfer that ends within so many seconds.
    pub(crate) fn reap(&mut self, seconds: u32) -> Result<Option<Done>> {
        let answer = self.say(&format!("reap {seconds}"))?;
        let mut words = answer.split(' ');
        match words.next() {
            Some("none") => return Ok(None),
            Some("done") => {}
            _ => return Err(format!("reap: {answer}").into()),
        }
        let mut number = || -> Result<i64> { Ok(words.next().ok_or("too short")?.parse()?) };
        let done = Done {
            id: u32::try_from(number()?)?,
            status: Status::from_raw(i32::try_from(number()?)?),
            actual_length: i32::try_from(number()?)?,
            error_count: i32::try_from(number()?)?,
            sum: {
                same("bytes behind the buffer were written", 1, number()?)?;
                u64::try_from(number()?)?
            },
            packets: words
                .map(|word| {
                    let mut parts = word.split(':');
                    let mut part = || parts.next().ok_or("too short");
                    Ok((
                        Status::from_raw(part()?.parse()?),
                        part()?.parse()?,
                        part()?.parse()?,
                    ))
                })
                .collect::<Result<_>>()?,
        };
        Ok(Some(done))
    }

    /// Waits for the end of any transfer.
    pub(crate) fn any_done(&mut self) -> Result<Done> {
        let end = Instant::now() + patience();
        while Instant::now() < end {
            if let Some(done) = self.reap(5)? {
                return Ok(done);
            }
        }
        Err("no transfer ends".into())
    }

    /// Waits for the end of that transfer, which must be the next.
    pub(crate) fn done(&mut self, id: u32) -> Result<Done> {
        let done = self.any_done()?;
        same("what ended", id, done.id)?;
        Ok(done)
    }

    /// That transfer fails.
    pub(crate) fn failed(&mut self, id: u32) -> Result<Done> {
        let done = self.done(id)?;
        ensure(&format!("it does not fail: {done:?}"), !done.status.is_ok())?;
        Ok(done)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It ends when its pipe is closed; if it hangs, that is seen in what follows.
        drop(writeln!(self.to, "quit"));
        drop(self.child.wait());
    }
}
