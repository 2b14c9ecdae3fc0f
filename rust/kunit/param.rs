// SPDX-License-Identifier: GPL-2.0

//! Parameters with a range.

use kernel::prelude::*;

#[kunit_tests(usbip_param)]
mod tests {
    use super::*;
    use usbip_kernel::param::Param;

    #[test]
    fn takes_its_range_and_no_more() {
        let param = Param::new("p", 50, 1, 3600);
        assert_eq!(param.get(), 50);
        assert!(param.set(1).is_ok());
        assert_eq!(param.get(), 1);
        assert!(param.set(3600).is_ok());
        assert_eq!(param.set(0), Err(ERANGE));
        assert_eq!(param.set(3601), Err(ERANGE));
        assert_eq!(param.set(u64::MAX), Err(ERANGE));
        assert_eq!(param.get(), 3600);
    }

    #[test]
    fn wide_values_do_not_wrap() {
        let param = Param::new("p", 0, 0, u64::MAX);
        assert!(param.set(1 << 32).is_ok());
        assert_eq!(param.get_u32(), u32::MAX);
        assert!(param.set(7).is_ok());
        assert_eq!(param.get_u32(), 7);
    }
}
