// SPDX-License-Identifier: GPL-2.0-or-later

//! `ux-pump FD FILE TEXT`: carries a connection between `/dev/usbip-ux` and a peer, in one thread.
//!
//! The peer is on descriptor FD, a connected stream socket, or for `-` on standard input and
//! output. TEXT is written to FILE, the `attach` of a controller or the `usbip_sockfd` of a device;
//! `{}` in it becomes the descriptor that stands for the connection.

#![forbid(unsafe_code)]

mod flow;

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    process::ExitCode,
};

use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    io::Errno,
    net::{self, AddressFamily, SocketFlags, SocketType},
    process::{getpid, pidfd_getfd, pidfd_open, PidfdFlags, PidfdGetfdFlags},
};
use usbip_user::ux::Node;

use crate::flow::{Flow, Outcome};

/// Who reports something, in the events.
const NODE: u64 = 0;
const PEER: u64 = 1;

/// Where the peer is.
struct Peer {
    input: OwnedFd,
    output: OwnedFd,
    /// What stands for the connection, if that is not the peer itself.
    token: Option<(OwnedFd, OwnedFd)>,
}

impl Peer {
    fn on(fd: &str) -> io::Result<Self> {
        if fd == "-" {
            let pair = net::socketpair(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::CLOEXEC,
                None,
            )?;
            return Ok(Self {
                input: rustix::io::dup(io::stdin())?,
                output: rustix::io::dup(io::stdout())?,
                token: Some(pair),
            });
        }
        // Asked of the kernel as another process would, so that nobody has to vouch for the number.
        let number = fd.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
        let this = pidfd_open(getpid(), PidfdFlags::empty())?;
        let input = pidfd_getfd(this, number, PidfdGetfdFlags::empty())?;
        Ok(Self {
            output: rustix::io::dup(&input)?,
            input,
            token: None,
        })
    }

    fn token(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        match &self.token {
            Some((token, _)) => token.as_fd(),
            None => self.input.as_fd(),
        }
    }
}

fn run(fd: &str, file: &str, text: &str) -> io::Result<()> {
    let peer = Peer::on(fd)?;
    let node = Node::open(peer.token())?;
    let text = text.replace("{}", &peer.token().as_raw_fd().to_string());
    OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(text.as_bytes())?;
    carry(&node, &peer)
}

/// Carries until one of the sides ends.
fn carry(node: &Node, peer: &Peer) -> io::Result<()> {
    for fd in [&peer.input, &peer.output] {
        rustix::io::ioctl_fionbio(fd, true)?;
    }
    let events = epoll::create(CreateFlags::CLOEXEC)?;
    let edge = EventFlags::ET;
    epoll::add(
        &events,
        node,
        EventData::new_u64(NODE),
        EventFlags::IN | EventFlags::OUT | edge,
    )?;
    for (fd, interest) in [
        (&peer.input, EventFlags::IN),
        (&peer.output, EventFlags::OUT),
    ] {
        epoll::add(&events, fd, EventData::new_u64(PEER), interest | edge)?;
    }

    let mut flows = [Flow::new(node, &peer.output), Flow::new(&peer.input, node)];
    let mut ready = [Event {
        flags: EventFlags::empty(),
        data: EventData::new_u64(0),
    }; 4];
    loop {
        for flow in &mut flows {
            if flow.run(node)? == Outcome::Ended {
                return Ok(());
            }
        }
        match epoll::wait(&events, &mut ready[..], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [fd, file, text] = args.as_slice() else {
        eprintln!("usage: ux-pump FD|- FILE TEXT");
        return ExitCode::from(2);
    };
    match run(fd, file, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ux-pump: {error}");
            ExitCode::FAILURE
        }
    }
}
