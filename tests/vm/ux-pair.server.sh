# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# matrix: rust/rust
# vm: --timeout 500
#
# A disk on another machine, carried on both by a program between /dev/usbip-ux and what socat takes across: first the
# one in Rust, over the pipes of its standard input and output, then the example in C, over a socket. This is the side
# with the disk.

. /tests/lib.sh
. /tests/ux.sh
ux_disk 2

# shares PROGRAM ADDRESS: what the client does with the disk while PROGRAM carries, which socat starts by ADDRESS
shares() {
	local program=$1 before
	socat TCP-LISTEN:5000,reuseaddr "$2" &
	before=$(sha256sum </tmp/disk | cut -d' ' -f1)
	echo "$(devid "$UX_ID") $before" >/tmp/about
	wait_for 10 listening 5000 || not_ok "$program: socat listens"
	socat -u OPEN:/tmp/about TCP-LISTEN:5001,reuseaddr &
	signal "$program-exported"
	check "$program: the client reads what is on the disk" await "$program-read" 300
	check "$program: the device is in use" host_is "$UX_ID" 2
	check "$program: the client writes" await "$program-wrote" 300
	await "$program-detached" 400
	refuse "$program: the disk is not what it was" test "$(sha256sum </tmp/disk | cut -d' ' -f1)" = "$before"
	check "$program: the device is available again" wait_for 20 host_is "$UX_ID" 1
	check "$program: it has ended" wait_for 20 not pgrep -x "$program"
	signal "$program-ended"
}

shares ux-pump "EXEC:ux-pump - $USB/$UX_ID/usbip_sockfd {},pipes"
shares ux-example "EXEC:ux-example 0 $USB/$UX_ID/usbip_sockfd 0"
check "no thread is left" wait_for 10 threads_gone
check "nobody uses usbip-ux" wait_for 10 unused usbip-ux
check "usbip-ux unloads" within 20 rmmod usbip-ux
finish
