// SPDX-License-Identifier: GPL-2.0

//! A character device of its own class: a node in `/dev` whose open files are objects of the driver.
//!
//! The kernel crate's `miscdevice` does not serve: it lets a module be unloaded while its files are
//! open, has no poll, and makes nodes of another class.
//!
//! It must never know what is read and written.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    container_of,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    fs::File,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::Arc,
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use crate::{
    bindings as helpers,
    user_bytes::{
        FromUser,
        ToUser, //
    },
    waitq::Watch, //
};

/// What poll says about a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// A read would not wait.
    pub readable: bool,
    /// A write would not wait.
    pub writable: bool,
    /// It is at its end.
    pub hung_up: bool,
}

impl Readiness {
    fn mask(self) -> bindings::__poll_t {
        let mut mask = 0;
        if self.readable || self.hung_up {
            mask |= bindings::POLLIN | bindings::POLLRDNORM;
        }
        if self.writable || self.hung_up {
            mask |= bindings::POLLOUT | bindings::POLLWRNORM;
        }
        if self.hung_up {
            mask |= bindings::POLLHUP;
        }
        mask
    }
}

/// The argument of an ioctl: a number, or where something is in the memory of the process.
#[derive(Clone, Copy)]
pub struct Argument(c_ulong);

impl Argument {
    /// The number, as the `int` that the process gave.
    pub fn number(self) -> i32 {
        // CAST: The lower half is the `int`; what is in the upper half is not defined.
        self.0 as i32
    }

    /// Writes to the memory. May sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub fn write(self, bytes: &[u8]) -> Result {
        UserSlice::new(UserPtr::from_addr(self.0), bytes.len())
            .writer()
            .write_slice(bytes)
    }
}

/// A file of the device that is open.
///
/// All methods run in the context of the process, may sleep, and may run side by side.
pub trait OpenFile: Send + Sync + Sized + 'static {
    /// What all files share.
    type Shared: Send + Sync + 'static;

    /// Opens a file. `watch` is what those wait at who use it; to be woken when
    /// [`poll`](Self::poll) would say something else.
    ///
    /// # Errors
    ///
    /// As `open(2)` is to fail.
    fn open(shared: &Arc<Self::Shared>, watch: Watch) -> Result<Arc<Self>>;

    /// The last descriptor is closed; nobody is in any other method, or will be.
    fn close(&self);

    /// Reads. Gives how many bytes.
    ///
    /// # Errors
    ///
    /// As `read(2)` is to fail.
    fn read(&self, to: &mut ToUser<'_, '_>, nonblocking: bool) -> Result<usize>;

    /// Writes. Gives how many bytes.
    ///
    /// # Errors
    ///
    /// As `write(2)` is to fail.
    fn write(&self, from: &mut FromUser<'_, '_>, nonblocking: bool) -> Result<usize>;

    /// Carries out a command, of a process of either word length.
    ///
    /// # Errors
    ///
    /// As `ioctl(2)` is to fail.
    fn ioctl(&self, command: u32, argument: Argument) -> Result;

    /// Says what could be done without waiting.
    fn poll(&self) -> Readiness;
}

/// What a `struct file` points to. It keeps the queue that pollers are in for as long as there is a
/// file.
struct Private<T> {
    file: Arc<T>,
    watch: Watch,
}

/// What the registration points to, at an address that stays.
struct Table<T: OpenFile> {
    operations: bindings::file_operations,
    shared: Arc<T::Shared>,
}

/// The device, for as long as this lives.
///
/// While a file is open the module cannot be unloaded. Dropping it may sleep. It must be dropped by
/// the exit of the module, or before anybody could open a file.
///
/// # Invariants
///
/// Each of the pointers is set if and only if it was registered; `number` is ours from the time
/// when `numbered` is set.
pub struct Registration<T: OpenFile> {
    cdev: Option<NonNull<bindings::cdev>>,
    created: bool,
    numbered: bool,
    number: bindings::dev_t,
    class: NonNull<bindings::class>,
    table: KBox<Table<T>>,
}

// SAFETY: What it owns may be given back by any thread.
unsafe impl<T: OpenFile> Send for Registration<T> {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl<T: OpenFile> Sync for Registration<T> {}

impl<T: OpenFile> Registration<T> {
    /// Makes a class, and in it a device with a node of that name.
    ///
    /// It can be opened as soon as the node is there, which is just before this succeeds.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is such a class; `ENOMEM`; `EBUSY` if numbers are short.
    pub fn new(
        class: &'static CStr,
        name: &'static CStr,
        shared: Arc<T::Shared>,
        module: &'static ThisModule,
    ) -> Result<Self> {
        let mut operations = Operations::<T>::TABLE;
        operations.owner = module.as_ptr();
        let table = KBox::new(Table { operations, shared }, GFP_KERNEL)?;

        // SAFETY: The name is static.
        let class = from_err_ptr(unsafe { bindings::class_create(class.as_char_ptr()) })?;
        // INVARIANT: Nothing but the class is there yet. What fails below, drops this.
        let mut this = Self {
            cdev: None,
            created: false,
            numbered: false,
            number: 0,
            class: NonNull::new(class).ok_or(ENOMEM)?,
            table,
        };
        // SAFETY: `number` is valid for writes, the name is static.
        to_result(unsafe {
            bindings::alloc_chrdev_region(&mut this.number, 0, 1, name.as_char_ptr())
        })?;
        this.numbered = true;

        // Before the node is there: whoever waits for that opens it at once.
        // SAFETY: Any context that may sleep.
        let cdev = NonNull::new(unsafe { bindings::cdev_alloc() }).ok_or(ENOMEM)?;
        // SAFETY: Just allocated, and nobody else's. The table lives until after `cdev_del`, and,
        // because of `owner`, for as long as a file is open.
        let added = to_result(unsafe {
            (*cdev.as_ptr()).owner = module.as_ptr();
            (*cdev.as_ptr()).ops = &this.table.operations;
            bindings::cdev_add(cdev.as_ptr(), this.number, 1)
        });
        if let Err(error) = added {
            // SAFETY: This gives back what `cdev_alloc` gave.
            unsafe { bindings::cdev_del(cdev.as_ptr()) };
            return Err(error);
        }
        this.cdev = Some(cdev);

        // SAFETY: The class is registered; the format takes one string.
        from_err_ptr(unsafe {
            bindings::device_create(
                this.class.as_ptr(),
                core::ptr::null_mut(),
                this.number,
                core::ptr::null_mut(),
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;
        this.created = true;
        Ok(this)
    }
}

impl<T: OpenFile> Drop for Registration<T> {
    fn drop(&mut self) {
        if self.created {
            // SAFETY: By the invariant.
            unsafe { bindings::device_destroy(self.class.as_ptr(), self.number) };
        }
        if let Some(cdev) = self.cdev {
            // SAFETY: By the invariant.
            unsafe { bindings::cdev_del(cdev.as_ptr()) };
        }
        if self.numbered {
            // SAFETY: By the invariant.
            unsafe { bindings::unregister_chrdev_region(self.number, 1) };
        }
        // SAFETY: By the invariant; nothing is in the class any more.
        unsafe { bindings::class_destroy(self.class.as_ptr()) };
    }
}

/// The callbacks. In all of them a `file` is one that was opened through a [`Table<T>`], and lives
/// until the callback returns.
struct Operations<T>(PhantomData<T>);

impl<T: OpenFile> Operations<T> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        open: Some(Self::open),
        release: Some(Self::release),
        read_iter: Some(Self::read),
        write_iter: Some(Self::write),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: Some(Self::ioctl),
        poll: Some(Self::poll),
        ..pin_init::zeroed()
    };

    /// What was made by `open`.
    ///
    /// # Safety
    ///
    /// `file` must have been opened by [`open`](Self::open), and not be released for `'a`.
    unsafe fn private<'a>(file: *mut bindings::file) -> &'a Private<T> {
        // SAFETY: By this function's requirements; only `release` takes it out.
        unsafe { <KBox<Private<T>> as ForeignOwnable>::borrow((*file).private_data) }
    }

    /// # Safety
    ///
    /// `inode` and `file` must be valid, and `file` have the operations of a [`Table<T>`].
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        from_result(|| {
            // SAFETY: By this function's requirements. The table lives as long as the
            // registration, which the module that `owner` names keeps.
            let table = unsafe { &*container_of!((*file).f_op.cast_mut(), Table<T>, operations) };
            let watch = Watch::new()?;
            let private = KBox::new_uninit(GFP_KERNEL)?;
            let opened = T::open(&table.shared, watch.clone())?;
            let private = KBox::write(
                private,
                Private {
                    file: opened,
                    watch,
                },
            );
            // SAFETY: By this function's requirements; `private_data` is the driver's.
            unsafe {
                (*file).private_data = private.into_foreign();
                // Never fails.
                bindings::stream_open(inode, file);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `file` must have been opened by [`open`](Self::open); this must be its last callback.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By this function's requirements. The kernel has taken all pollers out of the
        // queue before.
        let private =
            unsafe { <KBox<Private<T>> as ForeignOwnable>::from_foreign((*file).private_data) };
        private.file.close();
        0
    }

    /// # Safety
    ///
    /// The file of `kiocb` must have been opened by [`open`](Self::open); `iter` must be valid for
    /// writing to.
    unsafe extern "C" fn read(kiocb: *mut bindings::kiocb, iter: *mut bindings::iov_iter) -> isize {
        from_result(|| {
            // SAFETY: By this function's requirements.
            let (private, iter) =
                unsafe { (Self::private((*kiocb).ki_filp), IovIterDest::from_raw(iter)) };
            // SAFETY: As above.
            let nonblocking = unsafe { is_nonblocking(kiocb) };
            let count = private.file.read(&mut ToUser::new(iter), nonblocking)?;
            Ok(isize::try_from(count)?)
        })
    }

    /// # Safety
    ///
    /// The file of `kiocb` must have been opened by [`open`](Self::open); `iter` must be valid for
    /// reading from.
    unsafe extern "C" fn write(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        from_result(|| {
            // SAFETY: By this function's requirements.
            let (private, iter) = unsafe {
                (
                    Self::private((*kiocb).ki_filp),
                    IovIterSource::from_raw(iter),
                )
            };
            // SAFETY: As above.
            let nonblocking = unsafe { is_nonblocking(kiocb) };
            let count = private.file.write(&mut FromUser::new(iter), nonblocking)?;
            Ok(isize::try_from(count)?)
        })
    }

    /// # Safety
    ///
    /// `file` must have been opened by [`open`](Self::open).
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: By this function's requirements.
        let private = unsafe { Self::private(file) };
        match private.file.ioctl(command, Argument(argument)) {
            Ok(()) => 0,
            // CAST: The other type is at least as wide.
            Err(error) => error.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// `file` must have been opened by [`open`](Self::open); `table` must be null or valid.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: By this function's requirements.
        let private = unsafe { Self::private(file) };
        // SAFETY: The queue lives as long as the file, whose pollers leave before it is released.
        unsafe { bindings::poll_wait(file, private.watch.queue().as_raw(), table) };
        private.file.poll().mask()
    }
}

/// Whether this call is not to wait: because of how the file was opened, or, as io_uring asks it, for once.
///
/// # Safety
///
/// `kiocb` and its file must be valid.
unsafe fn is_nonblocking(kiocb: *mut bindings::kiocb) -> bool {
    // SAFETY: By this function's requirements; nobody of this thread is in `fdget_pos`, as it is a
    // stream.
    let file = unsafe { File::from_raw_file((*kiocb).ki_filp) };
    // SAFETY: As above.
    let nowait = unsafe { helpers::usbip_helper_is_nowait(kiocb) };
    nowait || file.flags() & kernel::fs::file::flags::O_NONBLOCK != 0
}
