// SPDX-License-Identifier: GPL-2.0

//! Names of lock classes, for locks that generic code makes.
//!
//! Lockdep knows a class by the address of its key, and warns if it then sees another address of its name. A literal
//! in generic code, or in an initialiser that is only run by its caller, is compiled into every crate that uses it,
//! and so has as many addresses as there are modules; a static has one.

/// The name of a lock class, at one address whichever crates the code around it is compiled into.
///
/// ```ignore
/// link <- Mutex::new(Link::Idle, lock_name!("Session::link"), static_lock_class!()),
/// ```
#[macro_export]
macro_rules! lock_name {
    ($name:literal) => {{
        static NAME: &$crate::private::core::ffi::CStr = $crate::private::kernel::c_str!($name);
        NAME
    }};
}
pub use lock_name;
