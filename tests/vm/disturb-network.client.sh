# SPDX-License-Identifier: GPL-2.0
#
# The side that loses its server.

. /tests/lib.sh
. /tests/stream.sh
ID=0525:a4a5
modprobe -a usb_storage sd_mod vhci-hcd
await exported 60 || exit 1
id=$(usbip list -r 10.0.0.1 | sed -n 's/^ *\([0-9][0-9.-]*\): .*(0525:a4a5)$/\1/p')
attach "$id" $ID 10.0.0.1 || die "attach failed"
stream_start $ID
# A driver that waits until the peer is given up is what this is about; the machine's own limit is lower.
echo 120 >/proc/sys/kernel/hung_task_timeout_secs
signal streaming
await cut 60
if [ "$VM_MODULES" = rust ]; then
	# Nobody here does anything: the module itself must notice.
	STREAM_LIMIT=100
	came_to_rest "cut"
else
	disturbed "cut, then detach" usbip detach -p "$(ports_used)"
fi
signal given-up
await mended 90
wait_for 30 ping -c 1 -W 1 10.0.0.1
check "attach again" attach "$id" $ID 10.0.0.1
path=$(devices_on remote $ID | head -n 1)
wait_for 30 disk_ready "$path"
same "all of the disk is readable" $((8 << 20)) "$(dd if="/dev/$(block_of "$path")" bs=1M iflag=direct 2>/dev/null | wc -c)"
detach_all >/dev/null
check "vhci-hcd unloads" within 30 rmmod vhci-hcd
finish
