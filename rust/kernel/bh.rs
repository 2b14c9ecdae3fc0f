// SPDX-License-Identifier: GPL-2.0

//! A scope in which soft interrupts are off on this CPU.
//!
//! It must never let a scope move to another thread.

use kernel::types::NotThreadSafe;

use crate::bindings as helpers;

/// While this lives, soft interrupts do not run on this CPU, so that the holder must not sleep.
///
/// Must not end with interrupts off.
#[must_use = "the scope ends when this is dropped"]
#[doc(alias = "local_bh_disable")]
pub struct BottomHalvesOff(NotThreadSafe);

impl BottomHalvesOff {
    /// Begins the scope. Any context but a hard interrupt.
    pub fn enter() -> Self {
        // SAFETY: Counted per thread, and taken back when the value is dropped.
        unsafe { helpers::usbip_helper_local_bh_disable() };
        Self(NotThreadSafe)
    }

    /// Begins the scope, unless interrupts are off: it could not end there.
    pub fn try_enter() -> Option<Self> {
        // SAFETY: Has no requirements.
        let irqs_disabled = unsafe { helpers::usbip_helper_irqs_disabled() };
        (!irqs_disabled).then(Self::enter)
    }
}

impl Drop for BottomHalvesOff {
    fn drop(&mut self) {
        // SAFETY: Pairs with the call in `enter`, in the same thread.
        unsafe { helpers::usbip_helper_local_bh_enable() };
    }
}
