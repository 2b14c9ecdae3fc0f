# SPDX-License-Identifier: GPL-2.0
# modules: rust
# once: yes
# kernels: 7.2 7.3 7.2-rt 7.3-rt
# vm: --smp 2 --timeout 400 --qemu "-device qemu-xhci,id=xhci -audiodev none,id=none -device usb-audio,audiodev=none,bus=xhci.0,port=1 -blockdev null-co,node-name=stick,size=67108864,read-zeroes=on -device usb-storage,drive=stick,bus=xhci.0,port=2 -device usb-kbd,bus=xhci.0,port=3"
#
# A client that says whatever it likes, against usbip-host: the quick ones of tests/hostile/host.sh, which runs
# whole on the debug kernel.

. /tests/lib.sh
modprobe -a xhci_pci usbip-host
wait_for 30 has_local 46f4:0002 || die "no audio device"
wait_for 30 has_local 46f4:0001 || die "no stick"
wait_for 30 has_local 0627:0001 || die "no keyboard"
truncate -s 16M /tmp/image
load_dummy super 2
gadget_disk /tmp/image || die "no gadget"
gadget_echo dummy_udc.1 || die "no device that sends back"
stick=$(busid 46f4:0001) keyboard=$(busid 0627:0001) audio=$(busid 46f4:0002) disk=$(busid 0525:a4a5) echo=$(busid 0525:a4a4)
for id in "$stick" "$keyboard" "$audio" "$disk" "$echo"; do
	bind "$id" >/dev/null || not_ok "bind $id"
done

# A controller with DMA, and then one that takes no scatter-gather list.
usbip-hostile host disk="$stick" audio="$audio" s1_ s2_ s3_ s8_ s10_ s11_ s12_ iso_packets truncated_header || failures=1
usbip-hostile host disk="$stick" keyboard="$keyboard" numbers_that_crowd || failures=1
insmod /tests/modules/usbip-no-scatter.ko || die "no controller to change"
usbip-hostile host disk="$disk" echo="$echo" s7_ s8_ s14_ s15_ || failures=1
check "no thread is left" wait_for 20 threads_gone
check "usbip-host unloads" within 60 rmmod usbip-host
finish
