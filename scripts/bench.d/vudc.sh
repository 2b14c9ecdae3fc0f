# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The part of scripts/bench that exports a gadget on usbip-vudc. Runs in the machine.

. /root/common.sh
MODULES="usbip-core usbip-vudc vhci-hcd"

modprobe -a libcomposite usb_f_ss_lb
zero=$(gadget zero 0x0525 0xa4a0)
# The C module is of high speed, and a gadget of USB 3 counts its bytes in another way.
echo 0x0200 >"$zero/bcdUSB"
echo high-speed >"$zero/max_speed"
mkdir "$zero/functions/SourceSink.0" "$zero/configs/source.1"
echo 2 >"$zero/functions/SourceSink.0/pattern"
echo 8 >"$zero/functions/SourceSink.0/bulk_qlen"
ln -s "$zero/functions/SourceSink.0" "$zero/configs/source.1/"

suites() {
	echo usbip-vudc.0 >"$zero/UDC"
	bench vudc
	wait_for 60 ports_free
	echo "" >"$zero/UDC"
}

# How long it takes is all that is measured here.
EVENTS=0
alternate suites
