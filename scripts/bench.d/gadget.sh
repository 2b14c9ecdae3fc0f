# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The part of scripts/bench that shares devices: a gadget on dummy_hcd, and a disk of the emulator's. Runs in the
# machine.

. /root/common.sh

# A gadget that does nothing with the data but count it.
load_dummy super
modprobe usb_f_ss_lb
zero=$(gadget zero 0x0525 0xa4a0)
number=0
# A device must not send more than it is asked for.
for length in 4096 1024; do
	number=$((number + 1))
	source_sink "$zero" $number $length
done
echo dummy_udc.0 >"$zero/UDC"
wait_for 60 has_local 0525:a4a0 || die "no gadget"
modprobe -a xhci_pci usb_storage sd_mod
wait_for 60 has_local 46f4:0001 || die "no disk"
source_sink=$(busid 0525:a4a0)
disk=$(busid 46f4:0001)

suites() {
	bind "$source_sink" >/dev/null
	bench host "$source_sink"
	bench both "$source_sink"
	wait_for 60 host_is "$source_sink" 1
	usbip unbind -b "$source_sink" >/dev/null 2>&1
	bind "$disk" >/dev/null
	bench disk "$disk"
	wait_for 60 host_is "$disk" 1
	usbip unbind -b "$disk" >/dev/null 2>&1
}

alternate suites
