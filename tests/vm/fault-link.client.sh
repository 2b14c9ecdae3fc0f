# SPDX-License-Identifier: GPL-2.0
#
# The side that reads.

. /tests/lib.sh
. /tests/stream.sh
ID=0525:a4a5
modprobe -a usb_storage sd_mod vhci-hcd
# Who reads from the disk waits as long as the connection does.
echo 120 >/proc/sys/kernel/hung_task_timeout_secs

import() {
	within 30 usbip attach -r 10.0.0.1 "$@" && wait_for 30 has_remote $ID
}

# ready: the imported disk can be read
ready() {
	local path
	path=$(devices_on remote $ID | head -n 1)
	wait_for 60 disk_ready "$path" && STREAM_DISK=$(block_of "$path")
}

whole() {
	dd if="/dev/$STREAM_DISK" bs=1M iflag=direct 2>/dev/null | sha256sum
}

sectors_read() {
	local sectors
	read -r _ _ sectors _ <"/sys/block/$STREAM_DISK/stat" && echo "$sectors"
}

# goes_on SECTORS: more than 4 MiB were read since there were so many
goes_on() {
	[ "$(sectors_read)" -gt $(($1 + 8192)) ]
}

# streams EXPORTER OPTION..: read the device that `usbip attach OPTION..` imports while the cable is cut
streams() {
	local exporter=$1 before seconds sectors end
	shift
	import "$@" || die "$exporter: attach failed"
	ready
	before=$(whole)
	stream_start $ID
	for seconds in 1 10; do
		signal "$exporter-streaming-$seconds"
		await "$exporter-mended-$seconds" 60
		# What was in flight comes, and more after it.
		sectors=$(sectors_read)
		check "$exporter, $seconds s: the transfer goes on" wait_for 60 goes_on "$sectors"
		check "$exporter, $seconds s: the reader saw no error" not stream_ended
		signal "$exporter-done-$seconds"
	done
	signal "$exporter-streaming-60"
	STREAM_LIMIT=100
	came_to_rest "$exporter, 60 s"
	signal "$exporter-done-60"
	await "$exporter-mended-60" 100
	wait_for 60 ping -c 1 -W 1 10.0.0.1
	end=$((SECONDS + 60 * PATIENCE))
	until import "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || die "$exporter, 60 s: attach again"
		sleep 1
	done
	ready
	same "$exporter, 60 s: the device is usable again" "$before" "$(whole)"
	detach_all >/dev/null
	signal "$exporter-detached"
	check "$exporter: no thread is left" wait_for 10 threads_gone
}

await host-exported 60 || exit 1
streams host -b "$(usbip list -r 10.0.0.1 | sed -n 's/^ *\([0-9][0-9.-]*\): .*(0525:a4a5)$/\1/p')"
await vudc-exported 100 || exit 1
streams vudc -d usbip-vudc.0
check "vhci-hcd unloads" within 30 rmmod vhci-hcd
finish
