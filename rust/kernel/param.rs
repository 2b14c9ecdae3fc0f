// SPDX-License-Identifier: GPL-2.0

//! Module parameters that can be read and written in `/sys/module/*/parameters`, with a range.
//!
//! `module!` only knows parameters that are set once and never shown.

use core::fmt::Write;

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

use crate::sysfs::PageWriter;

/// The value of a parameter, and which values it takes.
pub struct Param {
    name: &'static str,
    value: Atomic<u64>,
    min: u64,
    max: u64,
}

impl Param {
    /// A parameter with the value `default` that takes `min` to `max`.
    pub const fn new(name: &'static str, default: u64, min: u64, max: u64) -> Self {
        Self {
            name,
            value: Atomic::new(default),
            min,
            max,
        }
    }

    /// The value.
    #[inline]
    pub fn get(&self) -> u64 {
        // What a relaxed load is, without the call that `Atomic` makes of it: debug messages ask often.
        // SAFETY: The value is part of `self`, and is only ever written as a whole.
        unsafe { self.value.as_ptr().read_volatile() }
    }

    /// The value of a parameter whose range fits into 32 bits; `u32::MAX` for any other.
    pub fn get_u32(&self) -> u32 {
        u32::try_from(self.get()).unwrap_or(u32::MAX)
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the parameter does not take it.
    pub fn set(&self, value: u64) -> Result {
        if value < self.min || value > self.max {
            return Err(ERANGE);
        }
        self.value.store(value, Relaxed);
        Ok(())
    }

    /// For [`module_param!`]: what the kernel's table points to.
    #[doc(hidden)]
    pub const fn as_arg(&'static self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// An entry of the kernel's table of parameters.
#[doc(hidden)]
#[repr(transparent)]
pub struct Entry(bindings::kernel_param);

// SAFETY: Nothing writes the entry, and what it points to may be used from any thread.
unsafe impl Sync for Entry {}

impl Entry {
    /// For [`module_param!`].
    ///
    /// # Safety
    ///
    /// `module` must be the `__this_module` of the module that the entry is linked into.
    pub const unsafe fn new(
        module: *const Opaque<bindings::module>,
        name: &'static CStr,
        mode: u16,
        param: &'static Param,
    ) -> Self {
        Self(bindings::kernel_param {
            name: kernel::str::as_char_ptr_in_const_context(name),
            mod_: module.cast_mut().cast(),
            ops: &OPS,
            perm: mode,
            level: -1,
            flags: 0,
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arg: param.as_arg(),
            },
        })
    }
}

static OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    flags: 0,
    set: Some(set),
    get: Some(get),
    free: None,
};

/// The parameter of a table entry.
///
/// # Safety
///
/// `entry` must be one that [`Entry::new`] made.
unsafe fn param<'a>(entry: *const bindings::kernel_param) -> &'a Param {
    // SAFETY: `Entry::new` stores a reference to a `'static` parameter.
    unsafe { &*(*entry).__bindgen_anon_1.arg.cast::<Param>() }
}

/// Called when the module is loaded and when the file in sysfs is written.
///
/// # Safety
///
/// `entry` must be one that [`Entry::new`] made. `text` must be null or a string that ends with
/// NUL.
unsafe extern "C" fn set(text: *const c_char, entry: *const bindings::kernel_param) -> c_int {
    // SAFETY: By this function's requirements.
    let param = unsafe { param(entry) };
    from_result(|| {
        if text.is_null() {
            return Err(EINVAL);
        }
        let mut value = 0;
        // SAFETY: By this function's requirements; it is not null.
        let parsed = to_result(unsafe { bindings::kstrtoull(text, 0, &mut value) });
        parsed.and_then(|()| param.set(value)).inspect_err(|_| {
            // SAFETY: As above, and the entry names a module that is being loaded or is.
            let (text, module) = unsafe {
                (
                    CStr::from_char_ptr(text),
                    CStr::from_char_ptr((*(*entry).mod_).name.as_ptr()),
                )
            };
            pr_err!(
                "parameter {} of {:?} takes {} to {}, not {:?}\n",
                param.name,
                module,
                param.min,
                param.max,
                text
            );
        })?;
        Ok(0)
    })
}

/// Called when the file in sysfs is read.
///
/// # Safety
///
/// `entry` must be one that [`Entry::new`] made. `page` must be an initialised page that is the
/// caller's alone.
unsafe extern "C" fn get(page: *mut c_char, entry: *const bindings::kernel_param) -> c_int {
    // SAFETY: By this function's requirements.
    let param = unsafe { param(entry) };
    // SAFETY: By this function's requirements.
    let mut out = unsafe { PageWriter::from_raw(page) };
    from_result(|| {
        writeln!(out, "{}", param.get()).map_err(|_| EOVERFLOW)?;
        Ok(c_int::try_from(out.len())?)
    })
}

/// Declares a module parameter in a module of the crate that has the `module!`.
///
/// The type is only what `modinfo` shows. The static is a [`Param`](crate::param::Param).
///
/// ```ignore
/// usbip_kernel::module_param! {
///     /// Seconds.
///     pub(crate) static TIMEOUT = 50, in 0..=3600, mode 0o644;
///     "timeout": "uint", "seconds until a peer is given up (0 to 3600)"
/// }
/// ```
#[macro_export]
macro_rules! module_param {
    (
        $(#[$attr:meta])*
        $vis:vis static $static:ident = $default:expr, in $min:literal..=$max:expr, mode $mode:literal;
        $name:literal: $type:literal, $description:literal
    ) => {
        $(#[$attr])*
        $vis static $static: $crate::param::Param =
            $crate::param::Param::new($name, $default, $min, $max);

        const _: () = {
            // `module!` calls it THIS_MODULE, a static or a constant by version of the kernel.
            extern "C" {
                static __this_module: $crate::private::kernel::types::Opaque<
                    $crate::private::kernel::bindings::module,
                >;
            }

            #[link_section = "__param"]
            #[used]
            // SAFETY: The linker takes the one of the module that this is linked into.
            static ENTRY: $crate::param::Entry = unsafe {
                $crate::param::Entry::new(
                    &raw const __this_module,
                    match $crate::private::core::ffi::CStr::from_bytes_with_nul(
                        $crate::private::core::concat!($name, "\0").as_bytes(),
                    ) {
                        Ok(name) => name,
                        Err(_) => c"",
                    },
                    $mode,
                    &$static,
                )
            };
        };

        $crate::modinfo! {
            "parmtype" = $crate::private::core::concat!($name, ":", $type),
            "parm" = $crate::private::core::concat!($name, ":", $description),
        }
    };
}
