# SPDX-License-Identifier: GPL-2.0
# modules: rust
# again: no
# vm: --smp 2 --timeout 3600
# debug: --smp 2
#
# A client that asks for sequences of PDUs at random, against usbip-vudc. See tests/random.sh.

. /tests/lib.sh
. /tests/random.sh
. /tests/vudc.sh
# All endpoints of a device are of one kind: whether packets follow a request depends on that. (A sound card that can
# be muted has an interrupt endpoint.)
modprobe usbip-vudc num=3
truncate -s 16M /tmp/image
vudc_disk /tmp/image 0
vudc_function keys b002 hid.0 1
vudc_function sound b005 uac2.0 2 p_mute_present=0 p_volume_present=0 c_mute_present=0 c_volume_present=0
random_sequences host 8000 disk=usbip-vudc.0 keyboard=usbip-vudc.1 audio=usbip-vudc.2
check "no thread is left" wait_for 20 threads_gone
check "usbip-vudc unloads" within 60 rmmod usbip-vudc
forget_gadget_leaks
finish
