// SPDX-License-Identifier: GPL-2.0

//! Kernel threads that are joined when their owner is dropped.
//!
//! It must never let a thread outlive the [`Kthread`] that stands for it.

use core::ptr::NonNull;

use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    types::{
        ForeignOwnable,
        NotThreadSafe, //
    }, //
};

/// Tells the body of a [`Kthread`] whether it is asked to end.
///
/// # Invariants
///
/// Exists only on the stack of a thread that was made by [`Kthread::create`], and is never given to
/// another.
pub struct ShouldStop(NotThreadSafe);

impl ShouldStop {
    /// Whether the thread is asked to end. Any context of that thread.
    ///
    /// Once true it stays true, and every interruptible sleep of the thread ends at once: the body
    /// must return.
    #[doc(alias = "kthread_should_stop")]
    #[inline]
    pub fn get(&self) -> bool {
        // SAFETY: By the type invariant this runs in a kernel thread.
        unsafe { bindings::kthread_should_stop() }
    }
}

/// A kernel thread, created asleep.
///
/// Dropping it asks the body to stop, wakes the thread and waits until it has ended. May sleep. A
/// body that was never started is dropped without having run. The body must not own the [`Kthread`]
/// it runs in: it would wait for itself.
///
/// # Invariants
///
/// - `task` is a task made by `kthread_create_on_node`, and we own a reference to it.
/// - `body` is what the thread function was given, and `discard` frees it. It still belongs to us
///   if and only if the thread function has not been entered.
pub struct Kthread {
    task: NonNull<bindings::task_struct>,
    body: *mut c_void,
    discard: unsafe fn(*mut c_void),
}

// SAFETY: A thread may be started and stopped from any other; the body is `Send`.
unsafe impl Send for Kthread {}
// SAFETY: `start` may be called from several threads at once.
unsafe impl Sync for Kthread {}

impl Kthread {
    /// Creates a thread that runs `body` once it is started. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINTR` when the calling process was killed meanwhile.
    pub fn create<F>(name: &CStr, body: F) -> Result<Self>
    where
        F: FnOnce(&ShouldStop) + Send + 'static,
    {
        let body = KBox::new(body, GFP_KERNEL)?.into_foreign();
        // SAFETY: `run::<F>` takes what `into_foreign` of a `KBox<F>` gave. The format takes one
        // string.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(run::<F>),
                body,
                bindings::NUMA_NO_NODE,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        });
        match task.map(NonNull::new) {
            Ok(Some(task)) => {
                // So that it can still be named when the body has returned by itself.
                // SAFETY: The thread sleeps until it is woken, so it is alive.
                unsafe { bindings::get_task_struct(task.as_ptr()) };
                // INVARIANT: As its fields are.
                Ok(Self {
                    task,
                    body,
                    discard: discard::<F>,
                })
            }
            outcome => {
                // SAFETY: There is no thread that would run it.
                unsafe { discard::<F>(body) };
                Err(outcome.err().unwrap_or(ENOMEM))
            }
        }
    }

    /// Lets the body run. Any context. A second call does nothing.
    pub fn start(&self) {
        // SAFETY: By the invariant the task exists. A spurious wake-up is harmless.
        unsafe { bindings::wake_up_process(self.task.as_ptr()) };
    }
}

impl Drop for Kthread {
    fn drop(&mut self) {
        // SAFETY: By the invariant the task exists, and this gives back our reference.
        let code = unsafe { bindings::kthread_stop_put(self.task.as_ptr()) };
        // `run` gives 0. A thread that is stopped before it entered `run` gives this.
        if code == EINTR.to_errno() {
            // SAFETY: The thread has ended without entering `run`, so that by the invariant the
            // body is ours.
            unsafe { (self.discard)(self.body) };
        }
    }
}

/// # Safety
///
/// `body` must come from `into_foreign` of a `KBox<F>`, and the caller must own it.
unsafe fn discard<F>(body: *mut c_void) {
    // SAFETY: By this function's requirements.
    drop(unsafe { KBox::<F>::from_foreign(body) });
}

/// The function of the thread.
///
/// # Safety
///
/// As for [`discard`], and the calling thread must be one made by [`Kthread::create`].
unsafe extern "C" fn run<F>(body: *mut c_void) -> c_int
where
    F: FnOnce(&ShouldStop),
{
    // SAFETY: By this function's requirements.
    let body = unsafe { KBox::<F>::from_foreign(body) };
    // INVARIANT: On the stack of that thread, lent to the body.
    KBox::into_inner(body)(&ShouldStop(NotThreadSafe));
    0
}
