// SPDX-License-Identifier: GPL-2.0

//! Lines of a module's `.modinfo` that `module!` does not write.

/// Adds lines to `.modinfo`, such as the version.
///
/// ```ignore
/// usbip_kernel::modinfo! { "version" = "1.0.0" }
/// ```
#[macro_export]
macro_rules! modinfo {
    ($($key:literal = $value:expr),* $(,)?) => {
        $(const _: () = {
            const LINE: &str = $crate::private::core::concat!($key, "=", $value, "\0");
            #[link_section = ".modinfo"]
            #[used]
            static ENTRY: [u8; LINE.len()] = $crate::modinfo::bytes(LINE);
        };)*
    };
}

/// The bytes of `text`, as an array.
///
/// # Panics
///
/// At compile time, if `N` is not the length of `text`.
#[doc(hidden)]
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    // PANIC: Only called in constants.
    assert!(bytes.len() == N);
    let mut array = [0; N];
    let mut i = 0;
    while i < N {
        array[i] = bytes[i];
        i += 1;
    }
    array
}
