# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 1200
# debug: --smp 2
#
# In the middle of a bulk transfer: detach, unbind, unload either module, pull the device, kill the daemon. Each
# time everything must come to rest in seconds, nothing may stay behind, and the device must be usable again.

. /tests/lib.sh
. /tests/stream.sh
ID=0525:a4a5
head -c 8388608 /dev/urandom >/tmp/image
SUM=$(sha256sum </tmp/image | cut -d' ' -f1)
load_dummy super
gadget_disk /tmp/image || die "no gadget"
modprobe usb_storage delay_use=0
modprobe -a sd_mod vhci-hcd
start_usbipd
id=$(busid $ID)

begin() {
	[ -e "$USB/$id/usbip_status" ] || bind "$id" >/dev/null
	wait_for 20 host_is "$id" 1
	attach "$id" $ID || { not_ok "the device attaches"; return 1; }
	stream_start $ID
}

begin && {
	disturbed detach usbip detach -p "$(ports_used)"
	usable_again detach "$id" $ID "$SUM"
}
begin && {
	disturbed "sockfd -1" sh -c "echo -1 >$USB/$id/usbip_sockfd"
	usable_again "sockfd -1" "$id" $ID "$SUM"
}
begin && {
	disturbed unbind usbip unbind -b "$id"
	check "unbind: the usual driver has the device" driver_is "$USB/$id" usb
	usable_again unbind "$id" $ID "$SUM"
}
begin && {
	disturbed "rmmod usbip-host" rmmod usbip-host
	check "rmmod usbip-host: the usual driver has the device" wait_for 10 driver_is "$USB/$id" usb
	modprobe usbip-host
	usable_again "rmmod usbip-host" "$id" $ID "$SUM"
}
begin && {
	name="rmmod vhci-hcd"
	check "$name (within ${STREAM_LIMIT} s)" within $STREAM_LIMIT rmmod vhci-hcd
	check "$name: the reader ends" wait_for $STREAM_LIMIT stream_ended
	check "$name: the disk goes away" wait_for $STREAM_LIMIT disk_gone
	modprobe vhci-hcd
	usable_again "$name" "$id" $ID "$SUM"
}
begin && {
	# The files of all controllers are on the first one's device.
	name="unbind of vhci_hcd.0"
	check "$name (within ${STREAM_LIMIT} s)" within $STREAM_LIMIT sh -c 'echo vhci_hcd.0 >/sys/bus/platform/drivers/vhci_hcd/unbind'
	check "$name: the reader ends" wait_for $STREAM_LIMIT stream_ended
	check "$name: the disk goes away" wait_for $STREAM_LIMIT disk_gone
	check "$name: no thread is left" wait_for 10 threads_gone
	echo vhci_hcd.0 >/sys/bus/platform/drivers/vhci_hcd/bind
	usable_again "$name" "$id" $ID "$SUM"
}
begin && {
	name="unplug"
	check "$name (within ${STREAM_LIMIT} s)" within $STREAM_LIMIT sh -c 'echo >/sys/kernel/config/usb_gadget/disk/UDC'
	came_to_rest "$name"
	gadget_plug disk
	wait_for 20 has_local $ID
	id=$(busid $ID)
	usable_again "$name" "$id" $ID "$SUM"
}
begin && {
	name="kill -9 usbipd"
	# The kernel has the socket: a transfer goes on without the daemon.
	kill -9 "$(cat /run/usbipd.pid)"
	sleep 2
	check "$name: the transfer goes on" stream_goes_on
	check "$name: the device stays in use" host_is "$id" 2
	wait_for 10 not listening 3240
	start_usbipd
	disturbed "$name, then detach" usbip detach -p "$(ports_used)"
	usable_again "$name" "$id" $ID "$SUM"
}

usbip unbind -b "$id" 2>/dev/null
stop_usbipd
unload
finish
