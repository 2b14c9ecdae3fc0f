# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The kernel's own selftest of USB/IP. Runs in the machine, after lib.sh.

# selftest_run BUSID: run usbip_test.sh, unmodified, with the C tools; prints what it prints
selftest_run() {
	mkdir -p /root/tools/src
	ln -sf /usr/sbin/usbip /usr/sbin/usbipd /root/tools/src/
	dmesg -c >/dev/null
	bash /tests/kernel/usbip_test.sh -b "$1" -p /root/tools 2>&1
	echo "exit $?"
	pkill -x usbipd
	wait_for 10 not listening 3240
	wait_for 20 ports_free
	rmmod vhci_hcd usbip_host usbip_core
	echo "$1" >/sys/bus/usb/drivers_probe 2>/dev/null
	wait_for 10 driver_is "$USB/$1" usb
}

# selftest_normal: without what differs from run to run: the addresses of devices, and numbers of processes
selftest_normal() {
	sed -E 's/Dev 0*[0-9]+/Dev N/; s/^\[ *[0-9.]+\] //; s/([^0-9])[0-9]{1,3}\/[0-9]{1,3}([^0-9]|$)/\1B\/D\2/; s/usbipd\[[0-9]+\]/usbipd[P]/'
}
