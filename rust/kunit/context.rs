// SPDX-License-Identifier: GPL-2.0

//! Scopes that change what the calling thread may do.

use kernel::prelude::*;

#[kunit_tests(usbip_context)]
mod tests {
    use super::*;
    use pin_init::stack_pin_init;
    use usbip_kernel::{
        bh::BottomHalvesOff,
        mem::{
            with_io,
            NoIo, //
        },
        module_ref::ModuleRef,
        new_spinlock_irq, //
    };

    #[test]
    fn allocations_without_io_nest() -> Result {
        let outer = NoIo::enter();
        let inner = NoIo::enter();
        drop(KBox::new([0_u8; 64], GFP_KERNEL)?);
        drop(with_io(|| KBox::new([0_u8; 64], GFP_KERNEL))?);
        drop(inner);
        drop(KBox::new([0_u8; 64], GFP_KERNEL)?);
        drop(outer);
        Ok(())
    }

    #[test]
    fn soft_interrupts_come_back() -> Result {
        let outer = BottomHalvesOff::enter();
        let inner = BottomHalvesOff::enter();
        drop(inner);
        drop(KBox::new(0_u8, GFP_ATOMIC)?);
        drop(outer);
        // Sleeps, which the kernel would complain about if they were still off.
        usbip_kernel::time::sleep(kernel::time::Delta::from_millis(1));
        Ok(())
    }

    #[test]
    fn soft_interrupts_stay_where_interrupts_are_off() -> Result {
        stack_pin_init!(let lock = new_spinlock_irq!((), "kunit::context"));
        let guard = lock.lock();
        let refused = BottomHalvesOff::try_enter().is_none();
        drop(guard);
        assert!(refused);
        assert!(BottomHalvesOff::try_enter().is_some());
        Ok(())
    }

    #[test]
    fn references_to_a_module_are_counted() -> Result {
        let first = ModuleRef::get(&crate::THIS_MODULE)?;
        let second = first.clone();
        drop(first);
        drop(second);
        Ok(())
    }
}
