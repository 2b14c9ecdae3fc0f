# SPDX-License-Identifier: GPL-2.0
# modules: rust
# once: yes
# kernels: 7.2 7.3 7.2-rt 7.3-rt
# vm: --smp 2 --timeout 400
#
# A client that says whatever it likes, against usbip-vudc: tests/hostile/vudc.sh without its rounds, which runs
# whole on the debug kernel.

. /tests/lib.sh
. /tests/vudc.sh
vudc_hostile_gadgets
start_usbipd_device || die "usbipd does not start"
usbip-hostile vudc without=$FAULTLESS disk=usbip-vudc.0 keyboard=usbip-vudc.1 audio=usbip-vudc.2 \
	configfs=/sys/kernel/config/usb_gadget/source || failures=1
vudc_hostile_end
