# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --timeout 900
# debug: --append no_debug_objects
#
# The kernel's own USB test driver, on a connection that a program carries on either end.

. /tests/lib.sh
. /tests/usbtest.sh
. /tests/ux.sh

over_ux() {
	modprobe -a usbip-host usbip-ux
	wait_for 10 test -c /dev/usbip-ux || die "no /dev/usbip-ux"
	bind "$1" >/dev/null && ux_link pair ux-pump "$1" ux-pump 0 3 && wait_for 60 has_remote 0525:a4a0
}
usbtest_local high 480 over_ux
