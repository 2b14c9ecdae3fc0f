# SPDX-License-Identifier: GPL-2.0
# modules: rust
# again: no
# vm: --smp 2 --timeout 3600 --qemu "-device qemu-xhci,id=xhci -device usb-kbd,bus=xhci.0,port=1 -audiodev none,id=none -device usb-audio,audiodev=none,bus=xhci.0,port=2"
# debug: --smp 2
#
# A client that asks for sequences of PDUs at random, against usbip-host. See tests/random.sh.

. /tests/lib.sh
. /tests/random.sh
modprobe -a xhci_pci usbip-host
wait_for 30 has_local 0627:0001 || die "no keyboard"
wait_for 30 has_local 46f4:0002 || die "no audio device"
truncate -s 16M /tmp/image
load_dummy super
gadget_disk /tmp/image || die "no gadget"
disk=$(busid 0525:a4a5) keyboard=$(busid 0627:0001) audio=$(busid 46f4:0002)
for id in "$disk" "$keyboard" "$audio"; do
	bind "$id" >/dev/null || not_ok "bind $id"
done
random_sequences host 8000 disk="$disk" keyboard="$keyboard" audio="$audio"
check "no thread is left" wait_for 20 threads_gone
check "usbip-host unloads" within 60 rmmod usbip-host
finish
