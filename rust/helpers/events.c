// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints, made here once, and the functions through which Rust fires them. The other modules fire
 * them too.
 */

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/usbip.h>

#define EXPORT_USBIP_TRACE(name)			\
	EXPORT_TRACEPOINT_SYMBOL_GPL(name);		\
	EXPORT_SYMBOL_GPL(rust_do_trace_##name)

EXPORT_USBIP_TRACE(usbip_submit);
EXPORT_USBIP_TRACE(usbip_return);
EXPORT_USBIP_TRACE(usbip_unlink);
EXPORT_USBIP_TRACE(usbip_session_state);
