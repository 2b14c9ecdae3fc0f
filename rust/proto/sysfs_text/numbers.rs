// SPDX-License-Identifier: GPL-2.0

//! The files that take a single number.
//!
//! Whether the number names anything is not known here.

use super::scan::Scan;

/// Reads a write to `detach`: the number of a port, to the end of the text.
///
/// `None` stands for `-EINVAL`. A negative number is no port either.
pub fn parse_detach(text: &[u8]) -> Option<u32> {
    u32::try_from(whole(text, |_| 10)?).ok()
}

/// Reads a write to `usbip_sockfd` of an exported device: a descriptor, or -1 to disconnect. What
/// follows the number is ignored.
pub fn parse_sockfd(text: &[u8]) -> Option<i32> {
    Scan::new(text).signed()
}

/// Reads a write to `usbip_sockfd` of an emulated device controller: to the end of the text, and
/// also in base 16 or 8, after the prefixes of C.
pub fn parse_sockfd_any_base(text: &[u8]) -> Option<i32> {
    whole(text, |scan| scan.base())
}

/// Reads a write to `usbip_debug`: a hexadecimal number, with or without prefix.
pub fn parse_debug_flags(text: &[u8]) -> Option<u64> {
    let mut scan = Scan::new(text);
    scan.skip_space();
    scan.base();
    scan.number(16)
}

/// Reads one number that is the whole text but for a newline, as `kstrtoint` does.
fn whole(text: &[u8], base: impl FnOnce(&mut Scan<'_>) -> u32) -> Option<i32> {
    let mut scan = Scan::new(text);
    let minus = scan.sign();
    let base = base(&mut scan);
    let value = scan.magnitude(minus, base)?;
    scan.is_at_end().then_some(value)
}
