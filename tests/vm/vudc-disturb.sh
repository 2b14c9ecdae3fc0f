# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 500
# debug: --smp 2
# modules: rust
#
# In the middle of a bulk transfer: detach, disconnect, take the gadget away, unload the module, kill the daemon.
# Each time everything must come to rest in seconds, nothing may stay behind, and the device must be usable again.

. /tests/lib.sh
. /tests/stream.sh
. /tests/vudc.sh
ID=0525:a4a5
head -c 8388608 /dev/urandom >/tmp/image
SUM=$(sha256sum </tmp/image | cut -d' ' -f1)
modprobe -a usb_storage sd_mod vhci-hcd
start_usbipd_device || die "usbipd does not start"
vudc_disk /tmp/image

begin() {
	wait_for 20 vudc_is 0 1
	vudc_attach 0 $ID || { not_ok "the device attaches"; return 1; }
	stream_start $ID
}

# again NAME: import it once more and read all of it
again() {
	local path sum
	wait_for 20 vudc_is 0 1 || { not_ok "$1: the device is available again"; return; }
	vudc_attach 0 $ID || { not_ok "$1: the device attaches again"; return; }
	path=$(devices_on remote $ID | head -n 1)
	wait_for 60 disk_ready "$path"
	sum=$(dd if="/dev/$(block_of "$path")" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)
	same "$1: the device is usable again" "$SUM" "$sum"
	detach_all >/dev/null
	check "$1: and free again" wait_for 20 vudc_is 0 1
}

begin && {
	disturbed detach usbip detach -p "$(ports_used)"
	again detach
}
begin && {
	disturbed "sockfd -1" sh -c "echo -1 >$VUDC.0/usbip_sockfd"
	again "sockfd -1"
}
begin && {
	disturbed "gadget unbound" sh -c "echo >/sys/kernel/config/usb_gadget/disk/UDC"
	refuse "gadget unbound: no descriptor" cat $VUDC.0/dev_desc
	vudc_bind disk
	again "gadget unbound"
}
begin && {
	disturbed "soft disconnect" sh -c "echo disconnect >/sys/class/udc/usbip-vudc.0/soft_connect"
	echo connect >/sys/class/udc/usbip-vudc.0/soft_connect
	again "soft disconnect"
}
begin && {
	disturbed "rmmod usbip-vudc" rmmod usbip-vudc
	modprobe usbip-vudc
	vudc_bind disk
	again "rmmod usbip-vudc"
}
begin && {
	kill -KILL "$(cat /run/usbipd.pid)"
	wait_for 10 not listening 3240
	check "kill -9 usbipd: the stream goes on" stream_goes_on
	disturbed "kill -9 usbipd" usbip detach -p "$(ports_used)"
	usbipd -D -4 -e -P/run/usbipd.pid
	wait_for 10 listening 3240
	again "kill -9 usbipd"
}
gadget_remove disk
stop_usbipd
vudc_unload
finish
