# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 400
# modules: rust
#
# The isochronous cases of the kernel's own USB test driver through vudc, loopback TCP and vhci, at high speed and
# SuperSpeed: no packet may be lost. (With the C module every packet fails.)

. /tests/lib.sh
. /tests/usbtest.sh
. /tests/vudc.sh
# A packet per millisecond; eight transfers of eight packets each, again and again, and packets that are not full.
USBTEST_ROWS='
15 -c 15 -s 8192 -g 8
16 -c 15 -s 8192 -g 8
22 -c 15 -s 7168 -g 8
23 -c 15 -s 7168 -g 8
'
modprobe vhci-hcd controllers=1
# The second setting of the interface is the one with isochronous endpoints.
modprobe usbtest alt=1
start_usbipd_device || die "usbipd does not start"
for speed in high-speed:480 super-speed:5000; do
	vudc_zero "${speed%:*}"
	vudc_attach 0 0525:a4a0 || die "attach failed"
	usbtest_cases "${speed#*:}"
	check "$speed: the cases ran on isochronous endpoints" test "$(dmesg -c | grep -c 'usbtest.*: iso period')" = 4
	same "$speed: still in use" 2 "$(vudc_status 0)"
	detach_all >/dev/null
	check "$speed: available again" wait_for 20 vudc_is 0 1
	gadget_remove zero
done
rmmod usbtest
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
vudc_unload
finish
