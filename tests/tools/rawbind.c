// SPDX-License-Identifier: GPL-2.0
/*
 * rawbind DRIVER CONTROLLER
 *
 * Be a gadget that answers nothing, through /dev/raw-gadget. Prints "bound" once it is, and runs until it is killed.
 */
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usb/raw_gadget.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct usb_raw_init init = { .speed = USB_SPEED_HIGH };
	int gadget;

	if (argc != 3) {
		fprintf(stderr, "usage: rawbind DRIVER CONTROLLER\n");
		return 2;
	}
	strncpy((char *)init.driver_name, argv[1], sizeof(init.driver_name) - 1);
	strncpy((char *)init.device_name, argv[2], sizeof(init.device_name) - 1);
	gadget = open("/dev/raw-gadget", O_RDWR);
	if (gadget < 0 || ioctl(gadget, USB_RAW_IOCTL_INIT, &init) || ioctl(gadget, USB_RAW_IOCTL_RUN, 0)) {
		perror("rawbind");
		return 1;
	}
	puts("bound");
	fflush(stdout);
	for (;;)
		pause();
}
