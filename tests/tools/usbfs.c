// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usbfs DEVICE
 *
 * Be the driver of a USB device, as a program on the other side of a pipe says. Claims interface 0 of
 * /dev/bus/usb/BBB/DDD, prints "ready", and reads lines:
 *
 *     submit ID bulk|interrupt|iso|control ENDPOINT FLAGS LENGTH [PACKET-LENGTH..]
 *         queue a transfer; packets follow each other without gaps; control has its setup packet as the first
 *         eight bytes of what it writes, and ENDPOINT and LENGTH of it say the rest
 *     discard ID
 *     reap SECONDS       wait for the end of any transfer
 *     setting NUMBER     of interface 0
 *     quit
 *
 * Every line is answered by one: "ok", "error ERRNO", "none" (nothing ended within the time), or
 *
 *     done ID STATUS ACTUAL ERRORS CANARY SUM [PACKET-STATUS:PACKET-ACTUAL:FIRST-BYTE ..]
 *
 * CANARY is 1 as long as nothing was written behind the buffer; SUM adds up the bytes that came in.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_IDS 131072
#define GUARD 65536

static struct usbdevfs_urb *urbs[MAX_IDS];
static int fd;
static int pending;

static void result(int status)
{
	if (status < 0)
		printf("error %d\n", errno);
	else
		printf("ok\n");
}

static void submit(char *rest)
{
	struct usbdevfs_urb *urb;
	unsigned int id, endpoint, flags, length, packet;
	unsigned char *buffer;
	char kind[16];
	int used, packets = 0;

	if (sscanf(rest, "%u %15s %i %i %u%n", &id, kind, (int *)&endpoint, (int *)&flags, &length, &used) != 5 ||
	    id >= MAX_IDS) {
		printf("error %d\n", EINVAL);
		return;
	}
	urb = calloc(1, sizeof(*urb) + (length ? 1024 : 0) * sizeof(urb->iso_frame_desc[0]));
	/* Without a buffer there are none of its bytes to guard. */
	buffer = length ? malloc(length + GUARD) : NULL;
	if (buffer) {
		memset(buffer, 0, length);
		memset(buffer + length, 0xa5, GUARD);
	}
	rest += used;
	while (packets < 1024 && sscanf(rest, "%u%n", &packet, &used) == 1) {
		urb->iso_frame_desc[packets++].length = packet;
		rest += used;
	}
	urb->type = !strcmp(kind, "bulk") ? USBDEVFS_URB_TYPE_BULK :
		    !strcmp(kind, "iso") ? USBDEVFS_URB_TYPE_ISO :
		    !strcmp(kind, "control") ? USBDEVFS_URB_TYPE_CONTROL : USBDEVFS_URB_TYPE_INTERRUPT;
	urb->endpoint = endpoint;
	urb->flags = flags;
	urb->buffer = buffer;
	urb->buffer_length = length;
	urb->number_of_packets = packets;
	urb->usercontext = (void *)(unsigned long)id;
	if (urb->type == USBDEVFS_URB_TYPE_CONTROL) {
		/* A vendor request of the rest of the buffer's length. */
		buffer[0] = 0x40 | (endpoint & 0x80);
		buffer[1] = 1;
		buffer[6] = (length - 8) & 0xff;
		buffer[7] = (length - 8) >> 8;
		urb->endpoint = 0;
	}
	if (ioctl(fd, USBDEVFS_SUBMITURB, urb) < 0) {
		printf("error %d\n", errno);
		free(buffer);
		free(urb);
		return;
	}
	urbs[id] = urb;
	pending++;
	printf("ok\n");
}

static void done(struct usbdevfs_urb *urb)
{
	unsigned long id = (unsigned long)urb->usercontext, sum = 0;
	unsigned char *buffer = urb->buffer;
	int i, offset = 0, canary = 1;

	for (i = 0; buffer && i < GUARD; i++)
		canary &= buffer[urb->buffer_length + i] == 0xa5;
	for (i = 0; i < urb->buffer_length; i++)
		sum += buffer[i];
	printf("done %lu %d %d %d %d %lu", id, urb->status, urb->actual_length, urb->error_count, canary, sum);
	for (i = 0; i < urb->number_of_packets && urb->type == USBDEVFS_URB_TYPE_ISO; i++) {
		printf(" %d:%u:%u", (int)urb->iso_frame_desc[i].status, urb->iso_frame_desc[i].actual_length, buffer[offset]);
		offset += urb->iso_frame_desc[i].length;
		if (offset > urb->buffer_length)
			break;
	}
	printf("\n");
	urbs[id] = NULL;
	pending--;
	free(buffer);
	free(urb);
}

static void reap(int seconds)
{
	struct usbdevfs_urb *urb = NULL;
	struct pollfd item = { .fd = fd, .events = POLLOUT };
	int rest = seconds * 1000, status;

	/* A device that is gone still gives back what was queued, but may be gone a moment before. */
	poll(&item, 1, rest);
	while ((status = ioctl(fd, USBDEVFS_REAPURBNDELAY, &urb)) < 0 && errno == ENODEV && pending && rest--)
		usleep(1000);
	if (status == 0)
		done(urb);
	else if (errno == EAGAIN)
		printf("none\n");
	else
		printf("error %d\n", errno);
}

int main(int argc, char **argv)
{
	static char line[65536];
	struct usbdevfs_setinterface setting = { 0 };
	int number = 0;

	fd = argc == 2 ? open(argv[1], O_RDWR) : -1;
	if (fd < 0 || ioctl(fd, USBDEVFS_CLAIMINTERFACE, &number) < 0) {
		perror("usbfs");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		if (!strncmp(line, "submit ", 7)) {
			submit(line + 7);
		} else if (sscanf(line, "discard %i", &number) == 1) {
			if (number < 0 || number >= MAX_IDS || !urbs[number])
				printf("error %d\n", EINVAL);
			else
				result(ioctl(fd, USBDEVFS_DISCARDURB, urbs[number]));
		} else if (sscanf(line, "reap %i", &number) == 1) {
			reap(number);
		} else if (sscanf(line, "setting %i", &number) == 1) {
			setting.altsetting = number;
			result(ioctl(fd, USBDEVFS_SETINTERFACE, &setting));
		} else if (!strncmp(line, "quit", 4)) {
			break;
		} else {
			printf("error %d\n", ENOSYS);
		}
	}
	return 0;
}
