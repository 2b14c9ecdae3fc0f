// SPDX-License-Identifier: GPL-2.0

//! Indices that user space chooses.

use crate::bindings as helpers;

/// The element of that index, if there is one.
///
/// A processor that guesses that there is one, and reads ahead, does not read beyond the others either.
#[doc(alias = "array_index_nospec")]
pub fn get<T>(elements: &[T], index: usize) -> Option<&T> {
    if index >= elements.len() {
        return None;
    }
    // SAFETY: No requirements.
    let index = unsafe { helpers::usbip_helper_array_index_nospec(index, elements.len()) };
    elements.get(index)
}
