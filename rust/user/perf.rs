// SPDX-License-Identifier: GPL-2.0-or-later

//! Counters of the kernel's events, perf_event_open(2).

use std::{
    ffi::CStr,
    fs::File,
    io::{
        self,
        Read, //
    },
    os::fd::{
        AsRawFd,
        FromRawFd, //
    }, //
};

use crate::checked;

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
const _: () = assert!(size_of::<Attributes>() == PERF_ATTR_SIZE as usize);
/// `PERF_EVENT_IOC_SET_FILTER`.
const SET_FILTER: libc::c_ulong = 0x4008_2406;

/// A counter, which runs from when it is made until it is dropped.
pub struct Counter(File);

impl Counter {
    /// Counts a tracepoint or probe on one processor, whatever runs there. `id` is what the event's
    /// folder in tracefs says; `filter` is written as for its file `filter`.
    ///
    /// # Errors
    ///
    /// EACCES or EPERM without the right to look at the whole processor, EINVAL for an event that
    /// there is not or a filter that is none.
    pub fn tracepoint(id: u64, processor: u16, filter: Option<&CStr>) -> io::Result<Self> {
        const ANY_PROCESS: libc::c_int = -1;
        const NO_GROUP: libc::c_int = -1;
        const NO_FLAGS: libc::c_ulong = 0;
        let attributes = Attributes {
            kind: PERF_TYPE_TRACEPOINT,
            size: PERF_ATTR_SIZE,
            config: id,
            ..Attributes::default()
        };
        // SAFETY: The structure is as long as it says, and is only read.
        let fd = checked(unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                ANY_PROCESS,
                libc::c_int::from(processor),
                NO_GROUP,
                NO_FLAGS,
            )
        })?;
        let fd = i32::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
        // SAFETY: The call has just made it, and nobody else knows it.
        let file = unsafe { File::from_raw_fd(fd) };
        if let Some(filter) = filter {
            // SAFETY: The command reads a string that ends with a zero.
            checked(unsafe { libc::ioctl(file.as_raw_fd(), SET_FILTER, filter.as_ptr()) })?;
        }
        Ok(Self(file))
    }

    /// How often it has happened.
    ///
    /// # Errors
    ///
    /// Those of read(2).
    pub fn count(&self) -> io::Result<u64> {
        let mut value = [0; 8];
        (&self.0).read_exact(&mut value)?;
        Ok(u64::from_ne_bytes(value))
    }
}
