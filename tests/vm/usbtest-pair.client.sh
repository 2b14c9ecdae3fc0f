# SPDX-License-Identifier: GPL-2.0
#
# The side with usbtest.

. /tests/lib.sh
. /tests/usbtest.sh
modprobe vhci-hcd
await exported 60 || exit 1
ids=$(usbip list -r 10.0.0.1 | sed -n 's/^ *\([0-9][0-9.-]*\): .*(0525:a4a0)$/\1/p')
same "the server lists the devices" 2 "$(echo "$ids" | wc -l)"
for id in $ids; do
	attach "$id" 0525:a4a0 10.0.0.1 || die "attach failed"
	usbtest_cases "480 5000"
	rmmod usbtest
	detach_all >/dev/null
	wait_for 20 not has_remote 0525:a4a0
done
check "detached" ports_free
check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" within 30 rmmod vhci-hcd
finish
