// SPDX-License-Identifier: GPL-2.0-or-later

//! How often the kernel does something: counters of perf on tracepoints and probes, for the whole
//! machine, which has one processor.

use std::{
    ffi::CStr,
    fs::{
        self,
        OpenOptions, //
    },
    io::Write, //
};

use usbip_user::perf::Counter;

use crate::cases::Result;

const TRACING: &str = "/sys/kernel/tracing";

/// The threads of the modules: they alone receive for them. System calls end up in the same function.
const THREADS: &CStr = c"COMM ~ \"vhci_*\" || COMM ~ \"stub_*\"";

/// What is counted: a name, the events whose counts are added up, and by whom.
const COUNTED: [(&str, &[&str], Option<&CStr>); 4] = [
    ("sendmsg", &["kprobes/bench_send"], None),
    ("recvmsg", &["kprobes/bench_receive"], Some(THREADS)),
    ("wakeups", &["sched/sched_wakeup"], None),
    (
        "allocations",
        &["kmem/kmalloc", "kmem/kmem_cache_alloc"],
        None,
    ),
];

/// The probes. Whoever submits a transfer may send it; system calls do not use the first function, and
/// `kernel_sendmsg`, which C calls, does.
const PROBES: [&str; 2] = [
    "p:kprobes/bench_send sock_sendmsg\n",
    "p:kprobes/bench_receive sock_recvmsg\n",
];

/// The counters, which run from now on.
pub(crate) struct Counters {
    counters: Vec<(&'static str, Vec<Counter>)>,
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
            let of_name = events
                .iter()
                .map(|event| open(event, threads))
                .collect::<Result<_>>()?;
            counters.push((name, of_name));
        }
        Ok(Self { counters })
    }

    /// What has been counted so far, by name.
    pub(crate) fn read(&self) -> Result<Vec<(&'static str, u64)>> {
        let mut values = Vec::new();
        for (name, of_name) in &self.counters {
            let mut sum = 0_u64;
            for counter in of_name {
                sum = sum.saturating_add(counter.count()?);
            }
            values.push((*name, sum));
        }
        Ok(values)
    }
}

/// Opens the counter of one event, for threads that a filter lets pass.
fn open(event: &str, filter: Option<&CStr>) -> Result<Counter> {
    const PROCESSOR: u16 = 0;
    let id = fs::read_to_string(format!("{TRACING}/events/{event}/id"))?;
    Counter::tracepoint(id.trim().parse()?, PROCESSOR, filter)
        .map_err(|error| format!("{event}: {error}").into())
}
