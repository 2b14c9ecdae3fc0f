# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The part of scripts/bench that needs no device: vhci-hcd and what user space plays. Runs in the machine.

. /root/common.sh

suites() {
	bench vhci
	bench many
	[ $whose = c ] || carried
}
# There is nothing of this with C.
carried() {
	insmod "$folder/updates/usbip-ux.ko" && wait_for 10 test -c /dev/usbip-ux || die "no /dev/usbip-ux"
	bench ux
	wait_for 60 ports_free
	within 60 rmmod usbip-ux || die "usbip-ux does not unload"
}

round=0
alternate suites
