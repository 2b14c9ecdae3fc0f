# SPDX-License-Identifier: GPL-2.0
#
# The side that reads.

. /tests/lib.sh
. /tests/stream.sh
ID=0525:a4a5
modprobe -a usb_storage sd_mod vhci-hcd
await exported 60 || exit 1
id=$(usbip list -r 10.0.0.1 | sed -n 's/^ *\([0-9][0-9.-]*\): .*(0525:a4a5)$/\1/p')
attach "$id" $ID 10.0.0.1 || die "attach failed"
whole() {
	dd if="/dev/$STREAM_DISK" bs=1M iflag=direct 2>/dev/null | sha256sum
}
path=$(devices_on remote $ID | head -n 1)
wait_for 60 disk_ready "$path"
STREAM_DISK=$(block_of "$path")
before=$(whole)
stream_start $ID
for seconds in 1 10; do
	signal streaming-$seconds
	await mended-$seconds 60
	# What was in flight comes, and more after it.
	read -r _ _ sectors _ <"/sys/block/$STREAM_DISK/stat"
	goes_on() {
		local now
		read -r _ _ now _ <"/sys/block/$STREAM_DISK/stat"
		[ "$now" -gt $((sectors + 8192)) ]
	}
	check "$seconds s: the transfer goes on" wait_for 60 goes_on
	check "$seconds s: the reader saw no error" not stream_ended
	signal done-$seconds
done
signal streaming-60
STREAM_LIMIT=100
came_to_rest "60 s"
signal done-60
await mended-60 100
wait_for 60 ping -c 1 -W 1 10.0.0.1
until attach "$id" $ID 10.0.0.1 2>/dev/null; do
	[ $SECONDS -lt 600 ] || die "60 s: attach again"
	sleep 1
done
path=$(devices_on remote $ID | head -n 1)
wait_for 60 disk_ready "$path"
STREAM_DISK=$(block_of "$path")
same "60 s: the device is usable again" "$before" "$(whole)"
detach_all >/dev/null
check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" within 30 rmmod vhci-hcd
finish
