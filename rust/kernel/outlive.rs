// SPDX-License-Identifier: GPL-2.0

//! Memory with a `struct device` in it, which may be referred to for longer than the module that made it is loaded.
//!
//! The kernel frees such memory by calling a function of whoever made it, which must still be there then. This crate's
//! module outlives those that use it; and when it goes itself, what is still referred to is left to the kernel.
//!
//! It must never know what the memory is for, nor wait for a reference: some are never given back.
//!
//! Lock order: `LEFT` is taken alone, for moments.

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    alloc::flags::__GFP_ZERO,
    bindings,
    prelude::*,
    static_lock_class,
    sync::atomic::{
        Acquire,
        AtomicFlag,
        Release, //
    },
    types::Opaque, //
};

use crate::{
    bindings as helpers,
    static_lock::StaticSpinLockIrq, //
};

/// What the kernel calls when nobody refers to a device any more.
type Freed = unsafe extern "C" fn(*mut bindings::device);

/// What is known of a device that its maker has left.
///
/// # Invariants
///
/// Begins memory of the kernel's `kmalloc` that also holds `device`. If this is in the list of [`LEFT`], the device's
/// `release` is [`freed`], and was `before`.
struct Left {
    next: Option<NonNull<Left>>,
    device: NonNull<bindings::device>,
    before: Option<Freed>,
}

/// Devices that their makers have left, and that somebody still refers to.
///
/// # Invariants
///
/// The list owns its entries.
struct List(Option<NonNull<Left>>);

// SAFETY: What it owns may be used, and freed, by any thread.
unsafe impl Send for List {}

static LEFT: StaticSpinLockIrq<List> = StaticSpinLockIrq::new(List(None));

/// Whether [`freed`] has ever been in use.
static USED: AtomicFlag = AtomicFlag::new(false);

/// To be called once, as the first thing that this crate's module does.
pub fn init() {
    LEFT.init(c"outlive::left", static_lock_class!());
}

/// To be called once, as the last thing that this crate's module does: what is still referred to is never freed, as
/// nobody will be there to do it. Sleeps.
pub fn exit() {
    if !USED.load(Acquire) {
        return;
    }
    let mut count = 0_usize;
    while let Some(mut left) = LEFT.lock() {
        let Some(entry) = left.0 else { break };
        // SAFETY: In the list, and so are its invariants. Who refers to the device does not look at its `release`;
        // the kernel does when nobody does.
        unsafe {
            left.0 = (*entry.as_ptr()).next;
            (*(*entry.as_ptr()).device.as_ptr()).release = (*entry.as_ptr()).before;
        }
        count = count.saturating_add(1);
    }
    if count != 0 {
        pr_info!("{count} devices are still referred to: their memory is not freed\n");
    }
    // Whoever is in `freed` has left it when every thread has been seen to sleep or run in user space.
    // SAFETY: Process context.
    unsafe { helpers::usbip_helper_synchronize_rcu_tasks() };
}

impl List {
    fn take(&mut self, device: *mut bindings::device) -> Option<NonNull<Left>> {
        let mut before: Option<NonNull<Left>> = None;
        let mut at = self.0;
        while let Some(entry) = at {
            // SAFETY: The list owns its entries.
            let (next, found) = unsafe {
                let entry = entry.as_ptr();
                ((*entry).next, (*entry).device.as_ptr() == device)
            };
            if found {
                match before {
                    // SAFETY: As above.
                    Some(before) => unsafe { (*before.as_ptr()).next = next },
                    None => self.0 = next,
                }
                return Some(entry);
            }
            before = at;
            at = next;
        }
        None
    }
}

/// Called when the last reference to a device is gone that its maker has left.
///
/// # Safety
///
/// For the driver core only.
unsafe extern "C" fn freed(device: *mut bindings::device) {
    let entry = LEFT.lock().and_then(|mut left| left.take(device));
    let before = match entry {
        // SAFETY: It was in the list, which owned it.
        Some(entry) => unsafe { (*entry.as_ptr()).before },
        // [`exit`] has taken it out meanwhile.
        // SAFETY: The device is there until its release has been called, which this does.
        None => unsafe { (*device).release },
    };
    if let Some(before) = before {
        // SAFETY: What would have been called instead of this. It belongs to who refers to the device's bus, and is
        // the kernel's or that of a module below the one that made the device.
        unsafe { before(device) };
    }
    if let Some(entry) = entry {
        // SAFETY: By the type invariant this frees the device with it, to which nobody refers.
        unsafe { bindings::kfree(entry.as_ptr().cast()) };
    }
}

#[repr(C)]
struct Block<T> {
    left: Left,
    value: Opaque<T>,
}

/// Memory with a device in it. Dropping it gives the one reference to the device back that its maker has; the memory is
/// freed with the last one, without waiting for that. Nothing of the value is dropped.
///
/// # Invariants
///
/// Points to a block from `kmalloc`, whose device is in its value and initialised, and to which this has a reference.
pub struct DeviceMemory<T>(NonNull<Block<T>>);

// SAFETY: References to a device may be given back by any thread.
unsafe impl<T: Send> Send for DeviceMemory<T> {}
// SAFETY: Gives a pointer only.
unsafe impl<T: Sync> Sync for DeviceMemory<T> {}

impl<T> DeviceMemory<T> {
    /// Makes such memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Safety
    ///
    /// `init` gets memory of zeros. It must initialise a device in it as `device_initialize` does, and return that. The
    /// device's `release` must be code that is there as long as anybody may refer to the device, and free nothing; only
    /// while nobody but the maker refers to the device it may be another one.
    pub unsafe fn new(init: impl FnOnce(*mut T) -> NonNull<bindings::device>) -> Result<Self> {
        const { assert!(!core::mem::needs_drop::<T>()) };
        let block = KBox::<Block<T>>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
        let block = KBox::into_raw(block).cast::<Block<T>>();
        // SAFETY: It is ours to write; not null, as it comes from a box.
        unsafe {
            let device = init(Opaque::cast_into(&raw const (*block).value));
            (*block).left = Left {
                next: None,
                device,
                before: None,
            };
            // INVARIANT: As `init` promises.
            Ok(Self(NonNull::new_unchecked(block)))
        }
    }
}

impl<T> Deref for DeviceMemory<T> {
    type Target = Opaque<T>;

    fn deref(&self) -> &Opaque<T> {
        // SAFETY: By the type invariant.
        unsafe { &(*self.0.as_ptr()).value }
    }
}

impl<T> Drop for DeviceMemory<T> {
    fn drop(&mut self) {
        USED.store(true, Release);
        let left: NonNull<Left> = self.0.cast();
        // SAFETY: By the type invariant; the reference is given back once. Nobody else looks at what is the maker's.
        unsafe {
            let entry = left.as_ptr();
            let device = (*entry).device.as_ptr();
            if let Some(mut list) = LEFT.lock() {
                (*entry).before = (*device).release;
                (*entry).next = list.0;
                // INVARIANT: The entry is in the list, and was made ready for it. `init` promised that the memory is
                // freed by nobody else.
                (*device).release = Some(freed);
                list.0 = Some(left);
            }
            bindings::put_device(device);
        }
    }
}
