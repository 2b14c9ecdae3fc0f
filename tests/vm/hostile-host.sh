# SPDX-License-Identifier: GPL-2.0
# modules: rust
# once: yes
# vm: --smp 2 --timeout 400 --qemu "-device qemu-xhci,id=xhci -audiodev none,id=none -device usb-audio,audiodev=none,bus=xhci.0,port=1"
#
# A client that says whatever it likes, against usbip-host: the quick ones of tests/hostile/host.sh.

. /tests/lib.sh
modprobe -a xhci_pci usbip-host
wait_for 30 has_local 46f4:0002 || die "no audio device"
truncate -s 16M /tmp/image
load_dummy super
gadget_disk /tmp/image || die "no gadget"
disk=$(busid 0525:a4a5) audio=$(busid 46f4:0002)
for id in "$disk" "$audio"; do
	bind "$id" >/dev/null || not_ok "bind $id"
done
usbip-hostile host disk="$disk" audio="$audio" s1_ s2_ s3_ s8_ s10_ s11_ s12_ iso_packets truncated_header || failures=1
check "no thread is left" wait_for 20 threads_gone
check "usbip-host unloads" within 60 rmmod usbip-host
finish
