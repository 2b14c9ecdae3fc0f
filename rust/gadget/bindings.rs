// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of `bindings_helper.h`: the C that the kernel's own bindings leave out.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::{
    bindings::*,
    ffi, //
};
use pin_init::MaybeZeroable;

include!(concat!(
    env!("USBIP_OBJ"),
    "/rust/gadget/bindings_generated.rs"
));
