# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 1200
# debug: --append no_debug_objects
#
# The kernel's own USB test driver through host, loopback TCP and vhci, at high speed.

. /tests/lib.sh
. /tests/usbtest.sh
usbtest_local high 480
