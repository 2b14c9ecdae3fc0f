// SPDX-License-Identifier: GPL-2.0-or-later

//! How often the kernel does something: counters of perf on tracepoints and probes, for the whole
//! machine, which has one processor.

use std::{
    ffi::CString,
    fs::{
        self,
        File,
        OpenOptions, //
    },
    io::{
        Read,
        Write, //
    },
    os::fd::FromRawFd, //
};

use crate::cases::Result;

const TRACING: &str = "/sys/kernel/tracing";

/// The threads of the modules. System calls end up in the same functions.
const THREADS: &str = "COMM ~ \"vhci_*\" || COMM ~ \"stub_*\"";

/// What is counted: a name, the events whose counts are added up, and by whom.
const COUNTED: [(&str, &[&str], Option<&str>); 4] = [
    ("sendmsg", &["kprobes/bench_send"], Some(THREADS)),
    ("recvmsg", &["kprobes/bench_receive"], Some(THREADS)),
    ("wakeups", &["sched/sched_wakeup"], None),
    (
        "allocations",
        &["kmem/kmalloc", "kmem/kmem_cache_alloc"],
        None,
    ),
];

/// The probes: `kernel_sendmsg`, which C calls, calls the first as well.
const PROBES: [&str; 2] = [
    "p:kprobes/bench_send sock_sendmsg\n",
    "p:kprobes/bench_receive sock_recvmsg\n",
];

/// The fields that are used of `struct perf_event_attr`, at its first published size.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    unused: [u64; 6],
}

const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_ATTR_SIZE: u32 = 64;
/// `PERF_EVENT_IOC_SET_FILTER`.
const SET_FILTER: libc::c_ulong = 0x4008_2406;

/// The counters, which run from now on.
pub(crate) struct Counters {
    counters: Vec<(&'static str, Vec<File>)>,
}

impl Counters {
    /// Opens the counters.
    pub(crate) fn open() -> Result<Self> {
        let probes = fs::read_to_string(format!("{TRACING}/kprobe_events"))?;
        if !probes.contains("bench_") {
            for probe in PROBES {
                OpenOptions::new()
                    .append(true)
                    .open(format!("{TRACING}/kprobe_events"))?
                    .write_all(probe.as_bytes())?;
            }
        }
        let mut counters = Vec::new();
        for (name, events, threads) in COUNTED {
            let files = events
                .iter()
                .map(|event| open(event, threads))
                .collect::<Result<_>>()?;
            counters.push((name, files));
        }
        Ok(Self { counters })
    }

    /// What has been counted so far, by name.
    pub(crate) fn read(&self) -> Result<Vec<(&'static str, u64)>> {
        let mut values = Vec::new();
        for (name, files) in &self.counters {
            let mut sum = 0_u64;
            for mut file in files {
                let mut value = [0; 8];
                file.read_exact(&mut value)?;
                sum = sum.saturating_add(u64::from_ne_bytes(value));
            }
            values.push((*name, sum));
        }
        Ok(values)
    }
}

/// Opens the counter of one event, for threads that a filter lets pass.
fn open(event: &str, filter: Option<&str>) -> Result<File> {
    let id = fs::read_to_string(format!("{TRACING}/events/{event}/id"))?;
    let attributes = Attributes {
        kind: PERF_TYPE_TRACEPOINT,
        size: PERF_ATTR_SIZE,
        config: id.trim().parse()?,
        ..Attributes::default()
    };
    // SAFETY: The structure is valid and as long as it says. All tasks on processor 0 are counted.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            -1,
            0,
            -1,
            0,
        )
    };
    let fd = i32::try_from(fd)?;
    if fd < 0 {
        return Err(format!("{event}: {}", std::io::Error::last_os_error()).into());
    }
    // SAFETY: The call has just made it, and nobody else knows it.
    let file = unsafe { File::from_raw_fd(fd) };
    if let Some(filter) = filter {
        let filter = CString::new(filter)?;
        // SAFETY: The filter is a string.
        if unsafe { libc::ioctl(fd, SET_FILTER, filter.as_ptr()) } < 0 {
            return Err(format!("filter of {event}: {}", std::io::Error::last_os_error()).into());
        }
    }
    Ok(file)
}
