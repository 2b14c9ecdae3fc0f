// SPDX-License-Identifier: GPL-2.0

//! A spinlock that keeps interrupts off while it is held, for data that completion handlers touch.
//!
//! It must never be held across a call that sleeps, nor across one that calls back into the holder.

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_ulong, //
    },
    sync::lock::{
        Backend,
        Guard,
        Lock, //
    },
};

use crate::bindings as helpers;

/// Creates a [`SpinLockIrq`] initialiser with the given name and a lock class of its own.
#[macro_export]
macro_rules! new_spinlock_irq {
    ($inner:expr, $name:literal $(,)?) => {
        $crate::irqlock::SpinLockIrq::new(
            $inner,
            $crate::lock_name!($name),
            $crate::private::kernel::static_lock_class!(),
        )
    };
}
pub use new_spinlock_irq;

/// A spinlock that is taken with `spin_lock_irqsave` and released with `spin_unlock_irqrestore`.
///
/// It may be taken in any context but NMI. Guards must be dropped in the reverse order of their
/// creation, as the interrupt state that each of them restores nests.
#[doc(alias = "spin_lock_irqsave")]
pub type SpinLockIrq<T> = Lock<T, SpinLockIrqBackend>;

/// The guard of a [`SpinLockIrq`].
pub type SpinLockIrqGuard<'a, T> = Guard<'a, T, SpinLockIrqBackend>;

/// The [`Backend`] of [`SpinLockIrq`].
pub struct SpinLockIrqBackend;

// SAFETY: The kernel's `spinlock_t` ensures mutual exclusion, and interrupts are off on the owning
// CPU (or, with PREEMPT_RT, handlers are threads), so that a handler cannot deadlock on it.
// `relock` is the default, which calls `lock`.
unsafe impl Backend for SpinLockIrqBackend {
    type State = bindings::spinlock_t;
    type GuardState = c_ulong;

    #[inline]
    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: By this function's requirements `ptr` is valid for writes, and `name` and `key`
        // are valid for reads for ever.
        unsafe { bindings::__spin_lock_init(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: By this function's requirements `ptr` is an initialised lock.
        unsafe { helpers::usbip_helper_spin_lock_irqsave(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        let mut flags = 0;
        // SAFETY: By this function's requirements `ptr` is an initialised lock; `flags` is a local.
        unsafe { helpers::usbip_helper_spin_trylock_irqsave(ptr, &mut flags) }.then_some(flags)
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, guard_state: &Self::GuardState) {
        // SAFETY: By this function's requirements the caller owns the lock, and the state is what
        // `lock` gave.
        unsafe { helpers::usbip_helper_spin_unlock_irqrestore(ptr, *guard_state) }
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // Only lockdep knows. Without it this would be a call that does nothing, for each lock.
        if cfg!(CONFIG_LOCKDEP) {
            // SAFETY: By this function's requirements `ptr` is an initialised lock.
            unsafe { bindings::spin_assert_is_held(ptr) }
        }
    }
}
