// SPDX-License-Identifier: GPL-2.0

//! Lists of memory parts.

use kernel::prelude::*;

#[kunit_tests(usbip_iovec)]
mod tests {
    use super::*;
    use usbip_kernel::iovec::IoVecs;

    #[test]
    fn parts_keep_their_order_and_empty_ones_are_left_out() -> Result {
        let mut room = IoVecs::new();
        let (one, none, two) = ([1_u8; 3], [0_u8; 0], [2_u8; 5]);
        let mut list = room.write();
        assert!(list.is_empty());
        list.push(&one)?;
        list.push(&none)?;
        list.push(&two)?;
        assert_eq!(list.len_bytes(), 8);
        let mut parts = list.parts();
        assert!(parts.next() == Some(one.as_slice()));
        assert!(parts.next() == Some(two.as_slice()));
        assert!(parts.next().is_none());
        Ok(())
    }

    #[test]
    fn room_grows_and_is_used_again() -> Result {
        let mut room = IoVecs::new();
        let bytes = KVec::from_elem(7_u8, 100, GFP_KERNEL)?;
        let mut list = room.write();
        for part in bytes.chunks(1) {
            list.push(part)?;
        }
        assert_eq!(list.parts().count(), 100);
        list.clear();
        assert!(list.is_empty());
        assert_eq!(list.parts().count(), 0);
        let mut again = room.write();
        again.push(&bytes)?;
        assert_eq!(again.len_bytes(), 100);
        Ok(())
    }

    #[test]
    fn what_is_read_arrives() -> Result {
        let mut room = IoVecs::new();
        let (mut one, mut two) = ([0_u8; 2], [0_u8; 3]);
        let mut list = room.read();
        list.push(&mut one)?;
        list.push(&mut two)?;
        let mut value = 0_u8;
        for part in list.parts_mut() {
            for byte in part {
                value = value.wrapping_add(1);
                *byte = value;
            }
        }
        assert!(one == [1, 2] && two == [3, 4, 5]);
        Ok(())
    }
}
