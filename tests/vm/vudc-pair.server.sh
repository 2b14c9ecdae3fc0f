# SPDX-License-Identifier: GPL-2.0
# once: yes
# matrix: rust/c
# vm: --timeout 500
#
# A disk and a Gadget Zero on usbip-vudc, exported to another machine with the C vhci-hcd: ours speak the same language
# here, too. This is the side with the devices.

. /tests/lib.sh
. /tests/vudc.sh
modprobe usbip-vudc num=2
head -c 4194304 /dev/urandom >/tmp/image
sum=$(sha256sum </tmp/image | cut -d' ' -f1)
vudc_zero high-speed
vudc_disk /tmp/image 1
start_usbipd_device || die "usbipd does not start"
signal exported
check "the client reads what is on the disk" await "read-$sum" 200
await client-exit 400
check "the image holds what the client wrote" await "wrote-$(sha256sum </tmp/image | cut -d' ' -f1)" 1
check "the disk is available again" wait_for 20 vudc_is 1 1
check "the zero is available again" wait_for 20 vudc_is 0 1
gadget_remove zero
gadget_remove disk
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
check "usbip-vudc unloads" within 60 rmmod usbip-vudc
check "usbip-core unloads" within 60 rmmod usbip-core
finish
