# SPDX-License-Identifier: GPL-2.0
# arch: arm64
# vm: --smp 2 --timeout 300 --qemu "-device qemu-xhci,id=xhci -device usb-kbd,bus=xhci.0"
#
# The same sources on another architecture, and on its stock kernel: the modules load, a disk on dummy_hcd and a
# keyboard on a real host controller's driver are exported and attached over the loopback, and both work.

. /tests/lib.sh
. /tests/demo.sh
same "architecture" aarch64 "$(uname -m)"
head -c 8388608 /dev/urandom >/tmp/image
sum=$(sha256sum </tmp/image | cut -d' ' -f1)
load_dummy super
gadget_disk /tmp/image || die "no gadget"
modprobe -a xhci_pci usb_storage sd_mod usbhid hid_generic evdev vhci-hcd
wait_for 30 has_local $KEYBOARD || die "no keyboard"
start_usbipd || die "usbipd does not start"
for module in usbip-core usbip-host vhci-hcd; do
	same "$module is ours" "/lib/modules/$(uname -r)/updates/$module.ko" "$(modinfo -n $module)"
done
disk=$(busid 0525:a4a5) keyboard=$(busid $KEYBOARD)
check "the disk attaches" export_local "$disk" 0525:a4a5
check "the keyboard attaches" export_local "$keyboard" $KEYBOARD

path=$(devices_on remote 0525:a4a5)
wait_for 30 disk_ready "$path" || die "no disk"
name=$(block_of "$path")
same "all of the disk is read" "$sum" "$(disk_sum "$name")"
head -c 1048576 /dev/urandom >/tmp/new
dd if=/tmp/new of="/dev/$name" bs=64k seek=16 oflag=direct conv=fsync status=none
same "what is written is on the disk" "$(sha256sum </tmp/new)" "$(dd if=/tmp/image bs=64k skip=16 count=16 status=none | sha256sum)"

event=$(event_of "$(devices_on remote $KEYBOARD)")
check "the keyboard is an input device" test -c "/dev/input/$event"
cat "/dev/input/$event" >/tmp/keys &
sleep 0.5
type_keys $KEYS
wait_for 30 eval "test \"\$(keys_pressed /tmp/keys)\" = '$KEYS'"
same "keys arrive" "$KEYS" "$(keys_pressed /tmp/keys)"

detach_all >/dev/null
check "both devices are available again" wait_for 20 eval "host_is $disk 1 && host_is $keyboard 1"
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
