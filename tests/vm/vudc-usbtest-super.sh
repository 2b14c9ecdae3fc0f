# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 500
# debug: --append no_debug_objects
# modules: rust
#
# The kernel's own USB test driver through vudc, loopback TCP and vhci, at SuperSpeed.

. /tests/lib.sh
. /tests/usbtest.sh
. /tests/vudc.sh
vudc_usbtest super-speed 5000
