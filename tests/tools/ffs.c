// SPDX-License-Identifier: GPL-2.0
/*
 * ffs FOLDER [high]
 *
 * Be a USB function, through a mounted FunctionFS: what comes on its bulk endpoint out goes back on the one in. Prints
 * "ready" once the gadget may be bound, and runs until it is killed. After the first echo it tries to send a DMA-BUF and
 * prints what comes of that. With "high" it has no descriptors for SuperSpeed. For machines that are little endian, as USB
 * is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <linux/usb/functionfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER 65536

struct endpoints {
	struct usb_interface_descriptor interface;
	struct usb_endpoint_descriptor_no_audio out;
	struct usb_endpoint_descriptor_no_audio in;
} __attribute__((packed));

struct super_endpoints {
	struct usb_interface_descriptor interface;
	struct usb_endpoint_descriptor_no_audio out;
	struct usb_ss_ep_comp_descriptor out_companion;
	struct usb_endpoint_descriptor_no_audio in;
	struct usb_ss_ep_comp_descriptor in_companion;
} __attribute__((packed));

#define INTERFACE { sizeof(struct usb_interface_descriptor), USB_DT_INTERFACE, 0, 0, 2, USB_CLASS_VENDOR_SPEC, 0, 0, 1 }
#define BULK(address, size) { sizeof(struct usb_endpoint_descriptor_no_audio), USB_DT_ENDPOINT, address, \
			      USB_ENDPOINT_XFER_BULK, size, 0 }
#define COMPANION { USB_DT_SS_EP_COMP_SIZE, USB_DT_SS_ENDPOINT_COMP, 0, 0, 0 }

static const struct {
	struct usb_functionfs_descs_head_v2 head;
	__le32 full_count, high_count, super_count;
	struct endpoints full, high;
	struct super_endpoints super;
} __attribute__((packed)) descriptors = {
	.head = { FUNCTIONFS_DESCRIPTORS_MAGIC_V2, sizeof(descriptors),
		  FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC | FUNCTIONFS_HAS_SS_DESC },
	.full_count = 3,
	.high_count = 3,
	.super_count = 5,
	.full = { INTERFACE, BULK(1, 64), BULK(2 | USB_DIR_IN, 64) },
	.high = { INTERFACE, BULK(1, 512), BULK(2 | USB_DIR_IN, 512) },
	.super = { INTERFACE, BULK(1, 1024), COMPANION, BULK(2 | USB_DIR_IN, 1024), COMPANION },
};

static const struct {
	struct usb_functionfs_descs_head_v2 head;
	__le32 full_count, high_count;
	struct endpoints full, high;
} __attribute__((packed)) high_descriptors = {
	.head = { FUNCTIONFS_DESCRIPTORS_MAGIC_V2, sizeof(high_descriptors), FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC },
	.full_count = 3,
	.high_count = 3,
	.full = { INTERFACE, BULK(1, 64), BULK(2 | USB_DIR_IN, 64) },
	.high = { INTERFACE, BULK(1, 512), BULK(2 | USB_DIR_IN, 512) },
};

static const struct {
	struct usb_functionfs_strings_head head;
	__le16 language;
	char text[5];
} __attribute__((packed)) strings = {
	.head = { FUNCTIONFS_STRINGS_MAGIC, sizeof(strings), 1, 1 },
	.language = 0x0409,
	.text = "Echo",
};

static int fail(const char *what)
{
	fprintf(stderr, "ffs: %s: %s\n", what, strerror(errno));
	return 1;
}

/* A DMA-BUF made of memory; -1 if there is none to be had. */
static int dmabuf(size_t size)
{
	struct udmabuf_create create = { .size = size };
	int device = open("/dev/udmabuf", O_RDWR), buffer;

	create.memfd = memfd_create("memory", MFD_ALLOW_SEALING);
	if (device < 0 || ftruncate(create.memfd, size) || fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	buffer = ioctl(device, UDMABUF_CREATE, &create);
	close(device);
	close(create.memfd);
	return buffer;
}

static void send_dmabuf(int in)
{
	struct usb_ffs_dmabuf_transfer_req request = { .fd = dmabuf(BUFFER), .length = BUFFER };
	const char *what = "attach";

	if (request.fd < 0) {
		what = "make";
	} else if (!ioctl(in, FUNCTIONFS_DMABUF_ATTACH, &request.fd)) {
		what = "transfer";
		if (!ioctl(in, FUNCTIONFS_DMABUF_TRANSFER, &request))
			errno = 0;
		ioctl(in, FUNCTIONFS_DMABUF_DETACH, &request.fd);
	}
	printf("dmabuf: %s: %s\n", what, strerror(errno));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char buffer[BUFFER];
	int control, out, in, high = argc == 3 && !strcmp(argv[2], "high"), tried = 0;
	const void *described = high ? (const void *)&high_descriptors : &descriptors;
	ssize_t size = high ? sizeof(high_descriptors) : sizeof(descriptors);

	if (argc != 2 + high || chdir(argv[1])) {
		fprintf(stderr, "usage: ffs FOLDER [high]\n");
		return 2;
	}
	control = open("ep0", O_RDWR);
	if (control < 0)
		return fail("ep0");
	if (write(control, described, size) != size)
		return fail("descriptors");
	if (write(control, &strings, sizeof(strings)) != sizeof(strings))
		return fail("strings");
	out = open("ep1", O_RDWR);
	in = open("ep2", O_RDWR);
	if (out < 0 || in < 0)
		return fail("endpoints");
	puts("ready");
	fflush(stdout);
	for (;;) {
		/* Waits until the host chooses the configuration. What fails was for a host that is gone. */
		ssize_t count = read(out, buffer, sizeof(buffer));

		if (count < 0)
			continue;
		(void)!write(in, buffer, count);
		if (!tried++)
			send_dmabuf(in);
	}
}
