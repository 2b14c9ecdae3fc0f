# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 900
# debug: --smp 2
# modules: rust
#
# What the node promises to programs, asked by a C program that knows only the header; and that whatever it does,
# ports become free and modules unload.

ALL_CONTROLLERS=yes
. /tests/lib.sh
modprobe vhci-hcd
modprobe usbip-ux || die "usbip-ux does not load"
wait_for 10 test -c /dev/usbip-ux || die "no /dev/usbip-ux"
mode /dev/usbip-ux /dev/usbip-ux 600
check "the class is usbip" test -e /sys/class/usbip/usbip-ux

for part in calls carry batches ends races; do
	within 240 uxabi $part $VHCI/attach || not_ok "uxabi $part ends with $?"
	check "$part: the ports become free" wait_for 60 ports_free
	check "$part: no thread is left" wait_for 10 threads_gone
	check "$part: nobody uses usbip-ux" wait_for 10 unused usbip-ux
done

# Not after 60 seconds, which nobody has here, and not for another reason.
dmesg -c >/dev/null
within 240 uxabi stalls $VHCI/attach || not_ok "uxabi stalls ends with $?"
same "stalls: the log says why" 2 "$(dmesg | grep -c 'the peer stopped in the middle of a PDU')"
check "stalls: the ports become free" wait_for 60 ports_free
echo 60 >/sys/module/usbip_core/parameters/stall_timeout

exec 8<>/dev/usbip-ux
refuse "unloading while a node is open" rmmod usbip-ux
exec 8>&-

# It kills itself.
within 240 uxabi many $VHCI/attach | tee /tmp/many
check "many: all were there" grep -q '^ok 64 devices at once' /tmp/many
check "many: the ports become free" wait_for 120 ports_free
check "many: no thread is left" wait_for 10 threads_gone

# f7: with the module loaded, the tools and their sockets go on as ever: no node stands for them.
same "f7: a socket without a node is the kernel's" "ok" "$(fdwrite -w 5 unix-stream $VHCI/attach '0 {} 65538 3' | cut -d' ' -f1)"
check "f7: and its port becomes free" wait_for 60 ports_free

check "usbip-ux unloads" wait_for 20 rmmod usbip-ux
check "its node is gone" wait_for 10 test ! -e /dev/usbip-ux
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
check "usbip-core unloads" within 60 rmmod usbip-core
finish
