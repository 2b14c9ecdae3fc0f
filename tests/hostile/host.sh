# SPDX-License-Identifier: GPL-2.0
# modules: rust
# vm: --smp 2 --timeout 1500 --qemu "-device qemu-xhci,id=xhci -device usb-kbd,bus=xhci.0,port=1 -audiodev none,id=none -device usb-audio,audiodev=none,bus=xhci.0,port=2 -blockdev null-co,node-name=stick,size=67108864,read-zeroes=on -device usb-storage,drive=stick,bus=xhci.0,port=3"
# debug: --smp 2
#
# A client that says whatever it likes, against usbip-host: each fault of the C module, and sequences at random.

. /tests/lib.sh
modprobe -a xhci_pci vhci-hcd usbip-host
wait_for 30 has_local 0627:0001 || die "no keyboard"
wait_for 30 has_local 46f4:0001 || die "no stick"
wait_for 30 has_local 46f4:0002 || die "no audio device"
truncate -s 16M /tmp/image
load_dummy super 5
gadget_disk /tmp/image || die "no gadget"
for number in 1 2 3 4; do
	gadget_echo dummy_udc.$number echo$number || die "no device that sends back"
done
echoes() {
	devices_on local 0525:a4a4 | sed 's:.*/::'
}
all_echoes() {
	[ "$(echoes | wc -l)" = 4 ]
}
wait_for 30 all_echoes || die "not all devices that send back"

stick=$(busid 46f4:0001) keyboard=$(busid 0627:0001) audio=$(busid 46f4:0002) disk=$(busid 0525:a4a5) echoes=$(echoes | paste -sd ,)
start_usbipd || die "usbipd does not start"
for id in "$stick" "$keyboard" "$audio" "$disk" ${echoes//,/ }; do
	bind "$id" >/dev/null || not_ok "bind $id"
done
others="keyboard=$keyboard audio=$audio echo=$echoes"

# A controller with DMA, and dummy_hcd, which copies. Both take scatter-gather lists.
# shellcheck disable=SC2086
usbip-hostile host without=$FAULTLESS disk="$stick" $others || failures=1
usbip-hostile host without=keyboard,audio,$FAULTLESS disk="$disk" echo="$echoes" || failures=1

# shellcheck disable=SC2086
leak_rounds "hostile clients" 2 usbip-hostile host disk="$stick" $others \
	s2_ s3_ s11_ s12_ s15_ s16_ s9_negative unlink_ truncated number_used

# Controllers that take no scatter-gather list: a large transfer is in one piece, or there is no memory for it.
insmod /tests/modules/usbip-no-scatter.ko || die "no controller to change"
# shellcheck disable=SC2086
usbip-hostile host disk="$stick" $others s7_ s8_ s14_ s15_ || failures=1
usbip-hostile host disk="$disk" echo="$echoes" s7_ s8_ s14_ s15_ || failures=1
rmmod usbip_no_scatter

# What is unplugged while it is exported is not given to another driver when the module goes (s20).
gadget_unplug disk
check "s20: the unplugged device is gone" wait_for 20 test ! -e "$USB/$disk"
stop_usbipd
detach_all
check "no thread is left" wait_for 20 threads_gone
check "s20: usbip-host unloads after an unplug" within 60 rmmod usbip-host
check "s20: the keyboard is back" wait_for 20 driver_is "$USB/$keyboard" usb
modprobe usbip-host
gadget_plug disk
check "s20: the device is back" wait_for 20 has_local 0525:a4a5
unload
finish
