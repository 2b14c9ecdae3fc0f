# SPDX-License-Identifier: GPL-2.0
# modules: rust
# once: yes
# kernels: 7.2 7.3 7.2-rt 7.3-rt
# vm: --smp 2 --timeout 400
#
# A server that says whatever it likes, against vhci: the quick ones of tests/hostile/vhci.sh, which runs
# whole on the debug kernel.

. /tests/lib.sh
modprobe vhci-hcd
usbip-hostile vhci c1_ c2_ c3_ c4_ c5_ c6_ transfers_end c11_ c13_ unlink_answered unlink_while transfer_answered answer_ truncated ||
	failures=1
check "no thread is left" wait_for 20 threads_gone
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
finish
