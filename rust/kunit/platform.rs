// SPDX-License-Identifier: GPL-2.0

//! Platform devices, their driver, and files of theirs.

use kernel::prelude::*;

#[kunit_tests(usbip_platform)]
mod tests {
    use super::*;
    use core::fmt::Write;
    use kernel::{
        str::CString,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        }, //
    };
    use usbip_kernel::{
        platform::{
            Device,
            Driver,
            OwnedDevice,
            Registration, //
        },
        sysfs::{
            DeviceFiles,
            File, //
        }, //
    };

    struct Counts {
        probed: Atomic<u32>,
        removed: Atomic<u32>,
    }

    struct Counting(Arc<Counts>);

    const NUMBER: File<u32> = File::readable(c"number", |number, page| {
        writeln!(page, "{number}").map_err(|_| EOVERFLOW)
    });

    impl Driver for Counting {
        const NAME: &'static CStr = c"usbip_kunit";

        fn probe(&self, device: &Device) -> Result {
            if device.id() == 3 {
                return Err(EIO);
            }
            self.0.probed.add(1, Relaxed);
            let mut files = DeviceFiles::new(device.as_ref());
            files.add(&NUMBER, 1)?;
            files.add_named(CString::try_from_fmt(fmt!("number.{}", 2))?, &NUMBER, 2)?;
            // Files go before the device does, and their names are free again.
            drop(files);
            let mut files = DeviceFiles::new(device.as_ref());
            files.add(&NUMBER, 3)
        }

        fn remove(&self, _device: &Device) {
            self.0.removed.add(1, Relaxed);
        }

        fn suspend(&self, _device: &Device) -> Result {
            Ok(())
        }

        fn resume(&self, _device: &Device) -> Result {
            Ok(())
        }
    }

    type Driving = Pin<KBox<Registration<Counting>>>;

    fn driver() -> Result<(Arc<Counts>, Driving)> {
        let counts = Arc::new(
            Counts {
                probed: Atomic::new(0),
                removed: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let data: Result<_> = Ok(Counting(counts.clone()));
        let registration =
            KBox::pin_init(Registration::new(data, &crate::THIS_MODULE), GFP_KERNEL)?;
        Ok((counts, registration))
    }

    #[test]
    fn devices_are_probed_and_removed() -> Result {
        let (counts, driver) = driver()?;
        let first = OwnedDevice::new(Counting::NAME, 1)?;
        let second = OwnedDevice::new(Counting::NAME, 2)?;
        assert_eq!(counts.probed.load(Relaxed), 2);
        drop(first);
        assert_eq!(counts.removed.load(Relaxed), 1);
        drop(driver);
        assert_eq!(counts.removed.load(Relaxed), 2);
        drop(second);
        Ok(())
    }

    #[test]
    fn devices_that_were_there_before_are_probed() -> Result {
        let device = OwnedDevice::new(Counting::NAME, 1)?;
        let (counts, driver) = driver()?;
        assert_eq!(counts.probed.load(Relaxed), 1);
        drop(device);
        assert_eq!(counts.removed.load(Relaxed), 1);
        drop(driver);
        Ok(())
    }

    #[test]
    fn a_failed_probe_is_not_removed() -> Result {
        let (counts, driver) = driver()?;
        let device = OwnedDevice::new(Counting::NAME, 3)?;
        drop(device);
        drop(driver);
        assert_eq!(counts.removed.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_number_is_free_again() -> Result {
        // Taking one twice fails, but not without a stack trace.
        drop(OwnedDevice::new(Counting::NAME, 1)?);
        drop(OwnedDevice::new(Counting::NAME, 1)?);
        Ok(())
    }
}
