// SPDX-License-Identifier: GPL-2.0
/*
 * Talk to a USB device that has no driver of its own, through usbfs:
 *
 *     usbio /dev/bus/usb/001/002 claim:0 out:0x02:00ff in:0x81:512
 *
 * claim:INTERFACE and release:INTERFACE take it and give it back, out:ENDPOINT:HEX sends bytes, in:ENDPOINT:LENGTH
 * reads at most so many and prints them as one line of hex, control:HEX sends a setup packet without data. The first step that fails ends it, with its errno.
 *
 *     usbio /dev/bus/usb/001/002 claim:0 map:4096 submit:0x81 'run:rmmod vhci-hcd' unmap
 *
 * map:LENGTH maps memory of usbfs's, submit:ENDPOINT moves it by a transfer whose end nobody asks for, unmap gives the
 * mapping of the last map back. run:COMMAND runs a command, which does not have the device open. What is left is left
 * to the end of the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMEOUT_MS 10000
#define LENGTH_MAX (1 << 20)

static unsigned char buffer[LENGTH_MAX];
static void *mapped;
static size_t mapped_length;

static int bulk(int fd, unsigned int endpoint, unsigned int length)
{
	struct usbdevfs_bulktransfer transfer = { endpoint, length, TIMEOUT_MS, buffer };

	return ioctl(fd, USBDEVFS_BULK, &transfer);
}

static int map(int fd, size_t length)
{
	mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mapped_length = length;
	return mapped == MAP_FAILED ? -1 : 0;
}

static int submit(int fd, unsigned int endpoint)
{
	/* usbfs writes to it only when somebody asks for the end. */
	static struct usbdevfs_urb urb;

	urb.type = USBDEVFS_URB_TYPE_BULK;
	urb.endpoint = endpoint;
	urb.buffer = mapped;
	urb.buffer_length = mapped_length;
	return ioctl(fd, USBDEVFS_SUBMITURB, &urb);
}

static int unhex(const char *text)
{
	int count = 0, used;
	unsigned int byte;

	while (*text && count < LENGTH_MAX && sscanf(text, "%2x%n", &byte, &used) == 1 && used == 2) {
		buffer[count++] = byte;
		text += used;
	}
	return *text ? -1 : count;
}

static int control(int fd, const char *setup)
{
	struct usbdevfs_ctrltransfer transfer = { .timeout = TIMEOUT_MS };

	/* The setup packet is little-endian, and so is every machine that this is built for. */
	if (unhex(setup) != 8) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&transfer, buffer, 6);
	return ioctl(fd, USBDEVFS_CONTROL, &transfer);
}

static int step(int fd, char *text)
{
	char *name = strtok(text, ":"), *first = strtok(NULL, ":"), *second = strtok(NULL, "");
	unsigned int number = first ? strtoul(first, NULL, 0) : 0;
	int count;

	if (first && !strcmp(name, "claim"))
		return ioctl(fd, USBDEVFS_CLAIMINTERFACE, &number);
	if (first && !strcmp(name, "release"))
		return ioctl(fd, USBDEVFS_RELEASEINTERFACE, &number);
	if (first && !strcmp(name, "control"))
		return control(fd, first) < 0 ? -1 : 0;
	if (first && !strcmp(name, "map"))
		return map(fd, number);
	if (first && !strcmp(name, "submit"))
		return submit(fd, number);
	if (!first && !strcmp(name, "unmap"))
		return munmap(mapped, mapped_length);
	if (first && !strcmp(name, "run"))
		return system(first) ? -1 : 0;
	if (second && !strcmp(name, "out")) {
		count = unhex(second);
		if (count >= 0)
			return bulk(fd, number, count) == count ? 0 : -1;
	}
	if (second && !strcmp(name, "in")) {
		unsigned int length = strtoul(second, NULL, 0);

		count = bulk(fd, number, length < LENGTH_MAX ? length : LENGTH_MAX);
		for (int i = 0; i < count; i++)
			printf("%02x", buffer[i]);
		if (count >= 0)
			printf("\n");
		return count < 0 ? -1 : 0;
	}
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 2) {
		fprintf(stderr, "usage: usbio DEVICE STEP..\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	for (int i = 2; i < argc; i++) {
		char *name = strdup(argv[i]);

		errno = 0;
		if (step(fd, argv[i])) {
			fprintf(stderr, "%.40s: %s\n", name, strerror(errno));
			return 1;
		}
		free(name);
	}
	return 0;
}
