# SPDX-License-Identifier: GPL-2.0
#
# The side that uses the disk.

. /tests/lib.sh
. /tests/ux.sh
modprobe -a vhci-hcd usb_storage sd_mod usbip-ux
wait_for 10 test -c /dev/usbip-ux || die "no /dev/usbip-ux"

# uses PROGRAM PLACE FD OPTIONS: use the disk while PROGRAM carries; it is told PLACE, vhci FD, and socat OPTIONS
uses() {
	local program=$1 number sum disk
	await "$program-exported" 60 || exit 1
	read -r number sum < <(socat -u TCP:10.0.0.1:5001,retry=20 -)
	# An argument with spaces is more than socat's EXEC can quote.
	printf '#!/bin/bash\nexec %s %s %s/attach "0 %s %s 3"\n' "$program" "$2" "$VHCI" "$3" "$number" >/tmp/carry
	chmod +x /tmp/carry
	socat TCP:10.0.0.1:5000,retry=20 "EXEC:/tmp/carry$4" &
	wait_for 60 has_remote 0525:a4a5 || die "$program: the disk does not attach"
	ux_read_all "$program" 0525:a4a5 "$sum"
	signal "$program-read"
	disk=/dev/$(block_of "$(devices_on remote 0525:a4a5 | head -n 1)")
	head -c 1048576 /dev/urandom >/tmp/new
	dd if=/tmp/new of="$disk" bs=256k seek=3 oflag=direct conv=fsync 2>/dev/null
	check "$program: what was written is read back" \
		cmp /tmp/new <(dd if="$disk" bs=256k skip=3 count=4 iflag=direct 2>/dev/null)
	signal "$program-wrote"
	check "$program: the port is detached" within 30 usbip detach -p 0 2>/dev/null
	signal "$program-detached"
	check "$program: detached" ports_free
	check "$program: it has ended" wait_for 20 not pgrep -x "$program"
	# socat closes its connection when the program is gone, which takes this machine to be there.
	await "$program-ended" 120
}

uses ux-pump - '{}' ,pipes
uses ux-example 0 0 ''
check "no thread is left" wait_for 10 threads_gone
check "usbip-ux unloads" within 20 rmmod usbip-ux
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
finish
