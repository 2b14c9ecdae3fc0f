/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device controller side of udc-core, which the kernel's own Rust bindings lack. The names to take are in
 * bindgen_parameters.
 */

#include <linux/scatterlist.h>
#include <linux/usb.h>
#include <linux/usb/ch9.h>
#include <linux/usb/gadget.h>

#include "../helpers/helpers.c"
