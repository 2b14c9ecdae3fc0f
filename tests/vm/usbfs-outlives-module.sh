# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 300
# debug: --smp 2
# modules: rust
#
# A program has an imported device open when vhci-hcd is unloaded, with memory of usbfs's mapped or not. What it does
# then has usbcore look into the table of a driver that is gone. (With the C modules that is an oops.)

. /tests/lib.sh
GONE='run:rmmod vhci-hcd'

# imported: import the device; prints its file
imported() {
	modprobe vhci-hcd
	wait_for 20 host_is "$id" 1
	attach "$id" 0525:a4a0 >/dev/null 2>&1 || return 1
	usbfs_node "$(devices_on remote 0525:a4a0)"
}

# outlives NAME STEP..: what a program does, of which one step is $GONE
outlives() {
	local name=$1 node
	shift
	node=$(imported) || die "$name: no device"
	check "$name" within 60 usbio "$node" claim:0 "$@"
	refuse "$name: the module is gone" test -e /sys/module/vhci_hcd
}

load_dummy high
gadget_zero || die "no gadget"
start_usbipd
id=$(busid 0525:a4a0)
bind "$id" >/dev/null || die "not bound"

outlives "a mapping is given back after the module" map:8192 "$GONE" unmap
outlives "a mapping goes with the program" map:8192 "$GONE"
outlives "a mapping is made when there was one before" map:8192 "$GONE" map:4096
outlives "a first mapping is made, and given back" "$GONE" map:4096 unmap
outlives "a transfer is given back with its memory" map:8192 submit:0x81 "$GONE" unmap

check "the device is imported again" test -c "$(imported)"
detach_all >/dev/null
stop_usbipd
unload
finish
