# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The part of scripts/bench that measures what imported and exported devices take: in a machine of its own, before other
# things were allocated and freed. Runs in the machine.

. /root/common.sh

# The C module knows no more; the first warms up.
EXPORTED=16

imported() {
	bench memory
}
exported() {
	local id
	for id in "${ids[@]}"; do
		bind "$id" >/dev/null
	done
	bench memory "${ids[@]}"
	for id in "${ids[@]}"; do
		wait_for 60 host_is "$id" 1
		usbip unbind -b "$id" >/dev/null 2>&1
	done
}

round=0
both_of imported
load_dummy super $EXPORTED
modprobe usb_f_ss_lb
for ((number = 0; number < EXPORTED; number++)); do
	zero=$(gadget zero$number 0x0525 0xa4a0)
	source_sink "$zero" 1 4096
	echo dummy_udc.$number >"$zero/UDC"
done
wait_for 60 eval "[ \$(devices_on local 0525:a4a0 | wc -l) = $EXPORTED ]" || die "no $EXPORTED gadgets"
mapfile -t ids < <(devices_on local 0525:a4a0 | xargs -n 1 basename)
both_of exported
