# SPDX-License-Identifier: GPL-2.0
# modules: rust
# vm: --smp 2 --timeout 1500
# debug: --smp 2
#
# A server that says whatever it likes, against vhci: each fault of the C module.

ALL_CONTROLLERS=yes
. /tests/lib.sh
modprobe -a vhci-hcd usbip-host
usbip-hostile vhci without=$FAULTLESS || failures=1
leak_rounds "hostile servers" 2 usbip-hostile vhci \
	c1_ c3_ c4_ c5_ c7_ c11_ unlink_answered answer_ truncated attach_and_detach

# c16: who reads the table while its controllers come and go.
reading() {
	while :; do cat /sys/devices/platform/vhci_hcd.*/status* >/dev/null 2>&1; done
}
reading &
reader=$!
for round in 1 2 3 4 5 6 7 8 9 10; do
	within 60 rmmod vhci-hcd || not_ok "c16: round $round: rmmod"
	within 60 modprobe vhci-hcd || not_ok "c16: round $round: modprobe"
done
kill "$reader"
wait "$reader" 2>/dev/null
check "c16: all ports are there" test "$(cat $VHCI/nports)" = 240
check "no thread is left" wait_for 20 threads_gone
unload
finish
