# SPDX-License-Identifier: GPL-2.0
# matrix: rust/rust
# vm: --timeout 240 --server --stick 64 --qemu "-device usb-kbd,bus=xhci.0"
# debug: --server --stick 4
#
# What `make demo` shows: a USB stick and a keyboard of this machine are used on the other one, by the tools that
# Debian ships. This is the side with the devices. Lines with a $ are what a person would type.

. /tests/lib.sh
. /tests/demo.sh
modprobe -a xhci_pci usb_storage sd_mod usbhid hid_generic
wait_for 30 has_local $STICK || die "no USB stick"
wait_for 30 has_local $KEYBOARD || die "no USB keyboard"
stick=$(busid $STICK) keyboard=$(busid $KEYBOARD)

wait_for 30 disk_ready "$USB/$stick" || die "no disk"
disk=$(block_of "$USB/$stick")
sum=$(disk_sum "$disk")
say_sum "$sum" "$disk"

run uname -r
run modprobe usbip-host
run modinfo -n usbip-host
run usbip bind -b "$stick"
run usbip bind -b "$keyboard"
run usbipd -D
wait_for 20 listening 3240 || die "usbipd does not listen"
signal exported

await "read-$sum" 150
same "the client reads what is on the stick" 0 $?
await listening 60
type_keys $KEYS
await client-exit 150

check "both devices are available again" wait_for 20 eval "host_is $stick 1 && host_is $keyboard 1"
run usbip unbind -b "$stick"
run usbip unbind -b "$keyboard"
wait_for 30 disk_ready "$USB/$stick" || die "the stick does not come back"
disk=$(block_of "$USB/$stick")
sum=$(disk_sum "$disk")
say_sum "$sum" "$disk"
await "wrote-$sum" 1
same "the stick holds what the client wrote" 0 $?
stop_usbipd
check "usbip-host unloads" within 30 rmmod usbip-host
finish
