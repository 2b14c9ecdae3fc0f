// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only: makes every host controller but vhci's one that takes no scatter-gather list, as those with
 * memory of their own are, which no emulator has. It stays so until the controller is probed again.
 */

#include <linux/module.h>
#include <linux/device.h>
#include <linux/usb.h>
#include <linux/usb/hcd.h>

static int take_no_lists(struct usb_device *udev, void *count)
{
	if (udev->parent || !strcmp(dev_driver_string(udev->bus->controller), "vhci_hcd"))
		return 0;
	udev->bus->sg_tablesize = 0;
	++*(int *)count;
	return 0;
}

static int __init no_scatter_init(void)
{
	int count = 0;

	usb_for_each_dev(&count, take_no_lists);
	pr_info("%d buses take no scatter-gather lists\n", count);
	return count ? 0 : -ENODEV;
}
module_init(no_scatter_init);

static void __exit no_scatter_exit(void)
{
}
module_exit(no_scatter_exit);

MODULE_DESCRIPTION("Test: host controllers without scatter-gather");
MODULE_LICENSE("GPL");
