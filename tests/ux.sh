# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Connections that programs carry. Runs in the machine, after lib.sh.

UX_HOST='' UX_VHCI=''

# devid BUSID
devid() {
	echo $((($(cat "$USB/$1/busnum") << 16) + $(cat "$USB/$1/devnum")))
}

# ux_link KIND HOST BUSID VHCI PORT SPEED: connect a bound device and a port of this machine, each end carried
# by a program or the kernel; the process groups of the programs are then in UX_HOST and UX_VHCI
ux_link() {
	local line
	line=$(uxlink "$1" "$2" "$USB/$3/usbip_sockfd" '{}' "$4" $VHCI/attach "$5 {} $(devid "$3") $6") || return 1
	read -r UX_HOST UX_VHCI <<<"$line"
	# The programs do their part later; one that fails says why on the console.
	wait_for 120 host_is "$3" 2 && wait_for 120 not ports_free
}

# group_gone GROUP: none of its processes is left
group_gone() {
	[ "$1" = 0 ] || ! kill -0 -- "-$1" 2>/dev/null
}

pumps_gone() {
	group_gone "$UX_HOST" && group_gone "$UX_VHCI"
}

# ux_read_all NAME ID SUM: the whole imported disk
ux_read_all() {
	local path
	wait_for 300 has_remote "$2" || { not_ok "$1: the device appears"; return 1; }
	path=$(devices_on remote "$2" | head -n 1)
	wait_for 300 disk_ready "$path" || { not_ok "$1: the disk is ready"; return 1; }
	same "$1: all of the disk" "$3" \
		"$(within 600 dd if="/dev/$(block_of "$path")" bs=256k iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
}

# ux_disk: a bound mass storage gadget with random content, UX_ID and UX_SUM
ux_disk() {
	load_dummy high
	dd if=/dev/urandom of=/tmp/disk bs=1M count="${1:-8}" 2>/dev/null
	UX_SUM=$(sha256sum </tmp/disk | cut -d' ' -f1)
	gadget_disk /tmp/disk || die "no disk gadget"
	UX_ID=$(busid 0525:a4a5)
	modprobe vhci-hcd
	modprobe usbip-host
	modprobe -a usb_storage sd_mod
	modprobe usbip-ux || die "usbip-ux does not load"
	wait_for 10 test -c /dev/usbip-ux || die "no /dev/usbip-ux"
	bind "$UX_ID" >/dev/null || die "bind $UX_ID failed"
}
