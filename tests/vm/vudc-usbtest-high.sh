# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 500
# debug: --append no_debug_objects
# modules: rust
#
# The kernel's own USB test driver through vudc, loopback TCP and vhci, at high speed.

. /tests/lib.sh
. /tests/usbtest.sh
. /tests/vudc.sh
vudc_usbtest high-speed 480
