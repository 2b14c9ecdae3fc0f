/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host controller side of usbcore, which the kernel's own Rust bindings lack. The names to take are in
 * bindgen_parameters.
 */

#include <linux/usb.h>
#include <uapi/linux/usb/ch11.h>
#include <linux/usb/hcd.h>

#include "../helpers/helpers.c"
