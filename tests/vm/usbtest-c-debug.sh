# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 400
# debug: --smp 2 --append no_debug_objects
# kernels: debug
# modules: c
# expect: 99
# complaint: \[(usbip_core|usbip_host|vhci_hcd)\]
#
# usbtest with the C modules on the debug kernel, which finds them using memory after they have freed it: what it would
# say of ours. What it finds differs from run to run, but it is theirs: usbtest's own faults with timers on the stack
# (DEBUG_OBJECTS) would come first.

. /tests/lib.sh
. /tests/usbtest.sh
usbtest_local high 480
