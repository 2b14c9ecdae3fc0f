# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 300
# modules: rust
#
# Others refer to a gadget for longer than the module is loaded: a sound card that a program has open, a network
# interface whose function is still there, and what the kernel forgets to give back when it moves an interface out of
# a gadget. Unloading waits for none of them, and what they do afterwards hits nothing that is gone. (The C module
# frees the gadget at once, whoever refers to it.)

. /tests/lib.sh
. /tests/vudc.sh
LEFT="devices are still referred to"

# A reference that is given back late: the gadget's memory goes with it.
vudc_function sound b005 uac2.sound 0
card=$(find /sys/devices/platform/usbip-vudc.0/ -name 'pcmC*D0c' | grep -o 'pcm[^/]*$')
check "there is a sound card" wait_for 20 test -c "/dev/snd/$card"
exec 5<>"/dev/snd/$card"
# busybox's timeout leaves a child behind for a second, which must not have it open as well.
check "unloads while a program has the card open" within 30 rmmod usbip-vudc 5>&-
exec 5>&-
check "the gadget goes afterwards" gadget_remove sound
dmesg -c >/dev/null
check "usbip-core unloads" within 30 rmmod usbip-core
refuse "and has nothing left to keep" logged "$LEFT"

# References that are given back only with the function, or never.
modprobe usbip-vudc num=3
vudc_function net b003 ncm.net 0
vudc_function older b004 ecm.older 1
vudc_function sound b005 uac2.sound 2
older=$(cat /sys/kernel/config/usb_gadget/older/functions/ecm.older/ifname)
ip link set "$older" up
check "unloads while interfaces are there" within 30 rmmod usbip-vudc
check "an interface is still there" test -e "/sys/class/net/$older"
ip link set "$older" down
for name in net older sound; do
	check "$name goes afterwards" gadget_remove $name
done
check "loads again" modprobe usbip-vudc
vudc_function sound b005 uac2.sound 0
check "and works" test -d /sys/devices/platform/usbip-vudc.0/gadget.0/sound
check "unloads again" within 30 rmmod usbip-vudc
gadget_remove sound
# Nobody is there then who could free what was never given back.
check "usbip-core unloads in any case" within 30 rmmod usbip-core
check "and says what it keeps" logged "$LEFT"
finish
