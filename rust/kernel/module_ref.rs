// SPDX-License-Identifier: GPL-2.0

//! A counted reference to a module: while it lives, the module cannot be unloaded.
//!
//! It must never be taken by the module itself for longer than a call: nobody could unload it then.

use kernel::{
    bindings,
    prelude::*, //
};

/// Keeps a module loaded; dropping it lets go. Any context.
///
/// # Invariants
///
/// We own one reference to the module.
pub struct ModuleRef(&'static ThisModule);

impl ModuleRef {
    /// Takes a reference. Any context.
    ///
    /// # Errors
    ///
    /// `ENODEV` when the module is being unloaded.
    #[doc(alias = "try_module_get")]
    pub fn get(module: &'static ThisModule) -> Result<Self> {
        // SAFETY: `module` is the one its caller's code is in, or null for code that is built in.
        if unsafe { bindings::try_module_get(module.as_ptr()) } {
            // INVARIANT: Just taken.
            Ok(Self(module))
        } else {
            Err(ENODEV)
        }
    }
}

impl Clone for ModuleRef {
    fn clone(&self) -> Self {
        // SAFETY: By the invariant the module has a reference already, so that one more cannot
        // fail.
        unsafe { bindings::__module_get(self.0.as_ptr()) };
        // INVARIANT: Just taken.
        Self(self.0)
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { bindings::module_put(self.0.as_ptr()) };
    }
}
