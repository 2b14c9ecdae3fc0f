/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * USB/IP connections whose bytes a process carries, instead of the kernel over a socket.
 *
 * Documentation/ux.md says how, with an example. In short: open /dev/usbip-ux, say with USBIP_UX_IOCSETSOCKFD which
 * socket this node stands for, hand that socket to `attach` or `usbip_sockfd` as always, and then
 *
 *   read(2)   what the kernel sends,
 *   write(2)  what the kernel is to receive.
 *
 * Both are byte streams without boundaries: a call moves as much as there is and as there is room for.
 * The socket itself is not touched.
 */
#ifndef _UAPI_LINUX_USBIP_UX_H
#define _UAPI_LINUX_USBIP_UX_H

#include <linux/ioctl.h>

#define USBIP_UX_MINOR		0
#define USBIP_UX_CLASS_NAME	"usbip"
#define USBIP_UX_DEV_NAME	"usbip-ux"

/* Characters of a name; a NUL follows. */
#define USBIP_UX_KADDR_LEN	16

/* What the node and its socket are called in logs. These are numbers, not addresses. */
struct usbip_ux_kaddr {
	char ux[USBIP_UX_KADDR_LEN + 1];	/* of this node, unique until the module is unloaded */
	char sock[USBIP_UX_KADDR_LEN + 1];	/* the inode of the socket, as fstat(2) shows it; 0: none */
};

#define USBIP_UX_MAGIC_IOC	'm'

/*
 * The socket that this node stands for. The descriptor is the argument itself: ioctl(node, .., fd).
 * EBUSY: this node has a socket, or the socket has a node. EINVAL: not a connected stream socket.
 */
#define USBIP_UX_IOCSETSOCKFD	_IOW(USBIP_UX_MAGIC_IOC, 1, int)

/* Ends the connection of this node, for good. */
#define USBIP_UX_IOCINTR	_IO(USBIP_UX_MAGIC_IOC, 2)

/* The same for every node that was opened in the process group of the caller. */
#define USBIP_UX_IOCINTRPGRP	_IO(USBIP_UX_MAGIC_IOC, 3)

#define USBIP_UX_IOCGETKADDR	_IOR(USBIP_UX_MAGIC_IOC, 4, struct usbip_ux_kaddr)

#endif /* _UAPI_LINUX_USBIP_UX_H */
