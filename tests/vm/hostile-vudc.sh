# SPDX-License-Identifier: GPL-2.0
# modules: rust
# once: yes
# vm: --smp 2 --timeout 400
#
# A client that says whatever it likes, against usbip-vudc: tests/hostile/vudc.sh without its rounds.

. /tests/lib.sh
. /tests/vudc.sh
vudc_hostile_gadgets
start_usbipd_device || die "usbipd does not start"
usbip-hostile vudc disk=usbip-vudc.0 keyboard=usbip-vudc.1 audio=usbip-vudc.2 \
	configfs=/sys/kernel/config/usb_gadget/source || failures=1
stop_usbipd
check "no thread is left" wait_for 20 threads_gone
for name in disk keys source; do
	gadget_remove $name
done
check "usbip-vudc unloads" within 60 rmmod usbip-vudc
vudc_forget_leaks
finish
