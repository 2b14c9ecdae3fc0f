/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of USB/IP: the life of a request, from the side that forwards it, and of a session.
 *
 * role: who speaks. devid: bus number << 16 | device number of the shared device, as in the protocol.
 * seqnum: the request's number in the protocol; trace.dat of both machines can be joined by (devid, seqnum).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM usbip

#if !defined(_TRACE_USBIP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_USBIP_H

#include <linux/tracepoint.h>

#define usbip_show_role(role)				\
	__print_symbolic(role,				\
		{ 0, "host" },				\
		{ 1, "vhci" },				\
		{ 2, "vudc" })

#define usbip_show_dir(direction)			\
	((direction) ? "in" : "out")

#define usbip_show_state(state)				\
	__print_symbolic(state,				\
		{ 0, "idle" },				\
		{ 1, "connected" },			\
		{ 2, "closing" },			\
		{ 3, "unusable" },			\
		{ 4, "removed" })

TRACE_EVENT(usbip_submit,
	TP_PROTO(u32 role, u32 devid, u32 seqnum, u32 ep, u32 direction, s32 length),
	TP_ARGS(role, devid, seqnum, ep, direction, length),
	TP_STRUCT__entry(
		__field(u32, role)
		__field(u32, devid)
		__field(u32, seqnum)
		__field(u32, ep)
		__field(u32, direction)
		__field(s32, length)
	),
	TP_fast_assign(
		__entry->role = role;
		__entry->devid = devid;
		__entry->seqnum = seqnum;
		__entry->ep = ep;
		__entry->direction = direction;
		__entry->length = length;
	),
	TP_printk("role=%s devid=%08x seqnum=%u ep=%u dir=%s length=%d",
		  usbip_show_role(__entry->role), __entry->devid, __entry->seqnum, __entry->ep,
		  usbip_show_dir(__entry->direction), __entry->length)
);

/* length: what was really transferred */
TRACE_EVENT(usbip_return,
	TP_PROTO(u32 role, u32 devid, u32 seqnum, u32 ep, u32 direction, s32 length, s32 status),
	TP_ARGS(role, devid, seqnum, ep, direction, length, status),
	TP_STRUCT__entry(
		__field(u32, role)
		__field(u32, devid)
		__field(u32, seqnum)
		__field(u32, ep)
		__field(u32, direction)
		__field(s32, length)
		__field(s32, status)
	),
	TP_fast_assign(
		__entry->role = role;
		__entry->devid = devid;
		__entry->seqnum = seqnum;
		__entry->ep = ep;
		__entry->direction = direction;
		__entry->length = length;
		__entry->status = status;
	),
	TP_printk("role=%s devid=%08x seqnum=%u ep=%u dir=%s length=%d status=%d",
		  usbip_show_role(__entry->role), __entry->devid, __entry->seqnum, __entry->ep,
		  usbip_show_dir(__entry->direction), __entry->length, __entry->status)
);

/* victim: the seqnum of the request to take back; status: what the answer says, or 0 when it is being asked */
TRACE_EVENT(usbip_unlink,
	TP_PROTO(u32 role, u32 devid, u32 seqnum, u32 victim, s32 status),
	TP_ARGS(role, devid, seqnum, victim, status),
	TP_STRUCT__entry(
		__field(u32, role)
		__field(u32, devid)
		__field(u32, seqnum)
		__field(u32, victim)
		__field(s32, status)
	),
	TP_fast_assign(
		__entry->role = role;
		__entry->devid = devid;
		__entry->seqnum = seqnum;
		__entry->victim = victim;
		__entry->status = status;
	),
	TP_printk("role=%s devid=%08x seqnum=%u victim=%u status=%d",
		  usbip_show_role(__entry->role), __entry->devid, __entry->seqnum, __entry->victim,
		  __entry->status)
);

/* The states of drivers/core/session.rs. */
TRACE_EVENT(usbip_session_state,
	TP_PROTO(u32 role, u32 devid, u32 from, u32 to),
	TP_ARGS(role, devid, from, to),
	TP_STRUCT__entry(
		__field(u32, role)
		__field(u32, devid)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->role = role;
		__entry->devid = devid;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("role=%s devid=%08x from=%s to=%s",
		  usbip_show_role(__entry->role), __entry->devid,
		  usbip_show_state(__entry->from), usbip_show_state(__entry->to))
);

#endif /* _TRACE_USBIP_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
