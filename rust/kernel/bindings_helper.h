/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rust/kernel needs and the kernel's own Rust bindings lack. The names to take are in bindgen_parameters.
 */

#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <trace/events/usbip.h>

#include "../helpers/helpers.c"
