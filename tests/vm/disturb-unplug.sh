# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 300 --qemu "-device qemu-xhci,id=xhci -blockdev null-co,node-name=stick,size=67108864,read-zeroes=on -device usb-storage,id=stick0,drive=stick,bus=xhci.0,port=1"
# debug: --smp 2
#
# A USB stick on a real host controller driver is pulled in the middle of a transfer and put back, three times.

. /tests/lib.sh
. /tests/stream.sh
ID=46f4:0001
SUM=$(head -c 67108864 /dev/zero | sha256sum | cut -d' ' -f1)
modprobe -a xhci_pci usb_storage sd_mod vhci-hcd
wait_for 20 has_local $ID || die "no stick"
start_usbipd
for round in 1 2 3; do
	id=$(busid $ID)
	bind "$id" >/dev/null
	attach "$id" $ID || not_ok "round $round: attach"
	stream_start $ID
	qmp '{"execute": "device_del", "arguments": {"id": "stick0"}}' >/dev/null
	came_to_rest "round $round: unplug"
	check "round $round: the exported device is gone" wait_for 10 test ! -e "$USB/$id"
	until qmp "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"usb-storage\", \"id\": \"stick0\", \"drive\": \"stick\", \"bus\": \"xhci.0\", \"port\": \"1\"}}" >/dev/null 2>&1; do
		sleep 0.2
	done
	check "round $round: the stick is back" wait_for 20 has_local $ID
done
id=$(busid $ID)
usable_again "unplug" "$id" $ID "$SUM"
stop_usbipd
unload
finish
