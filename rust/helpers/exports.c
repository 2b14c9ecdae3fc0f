// SPDX-License-Identifier: GPL-2.0
/*
 * EXPORT_SYMBOL_GPL for what Rust defines, as in the kernel's rust/exports.c. The list is generated (see Kbuild).
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
