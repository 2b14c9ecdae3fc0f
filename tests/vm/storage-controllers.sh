# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --qemu "-device qemu-xhci,id=xhci -device usb-ehci,id=ehci -device piix3-usb-uhci,id=uhci" --qemu "-drive if=none,id=a,driver=null-co,size=16M,read-zeroes=on,snapshot=on -drive if=none,id=b,driver=null-co,size=16M,read-zeroes=on,snapshot=on -drive if=none,id=c,driver=null-co,size=16M,read-zeroes=on,snapshot=on" --qemu "-device usb-storage,drive=a,bus=xhci.0,serial=on-xhci -device usb-storage,drive=b,bus=ehci.0,serial=on-ehci -device usb-storage,drive=c,bus=uhci.0,serial=on-uhci"
#
# A stick on each kind of host controller: what they take as a buffer differs. Long transfers, of which most are
# scattered over memory on either side, arrive whole in both directions. (QEMU's OHCI dies of long transfers even
# without USB/IP.)

. /tests/lib.sh
ID=46f4:0001
modprobe usb_storage delay_use=0
modprobe -a xhci_pci ehci_pci uhci_hcd sd_mod vhci-hcd
start_usbipd
stick() {
	local path
	for path in $USB/*; do
		[ "$(cat "$path/serial" 2>/dev/null)" = "on-$1" ] && ! [[ $(readlink -f "$path") = */vhci_hcd.* ]] && basename "$path"
	done
}
sticks() {
	[ "$(devices_on local $ID | wc -l)" = 3 ]
}
check "three sticks" wait_for 30 sticks
for row in 'xhci 5000 8388608' 'ehci 480 4194304' 'uhci 12 262144'; do
	read -r controller speed size <<<"$row"
	id=$(stick "$controller")
	bind "$id" >/dev/null
	check "$controller: attached" attach "$id" $ID
	path=$(devices_on remote $ID | head -n 1)
	same "$controller: speed" "$speed" "$(cat "$path/speed")"
	check "$controller: the disk is there" wait_for 30 disk_ready "$path"
	disk=/dev/$(block_of "$path")
	head -c "$size" /dev/urandom >/tmp/data
	check "$controller: $size bytes are written" dd if=/tmp/data of="$disk" bs=1M oflag=direct
	check "$controller: and read back" cmp /tmp/data <(dd if="$disk" bs=1M iflag=direct 2>/dev/null | head -c "$size")
	# Odd sizes through the page cache: many requests at a time, of pages that lie anywhere.
	echo 3 >/proc/sys/vm/drop_caches
	check "$controller: and read back through the cache" cmp -n "$size" /tmp/data "$disk"
	detach_all >/dev/null
	wait_for 20 host_is "$id" 1
	usbip unbind -b "$id" 2>/dev/null
	# What was written is on the stick itself.
	path=$USB/$id
	check "$controller: the stick is back" wait_for 30 disk_ready "$path"
	check "$controller: and has the data" cmp -n "$size" /tmp/data "/dev/$(block_of "$path")"
done
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
