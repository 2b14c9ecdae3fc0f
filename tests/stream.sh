# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A bulk transfer that goes on until something disturbs it. Runs in the machine, after lib.sh.

STREAM_LIMIT=30 # seconds in which everything must have come to rest after a disturbance

# stream_start ID: read the imported disk again and again in the background
stream_start() {
	local path
	path=$(devices_on remote "$1" | head -n 1)
	wait_for 30 disk_ready "$path" || { not_ok "the imported disk is ready"; return 1; }
	STREAM_DISK=$(block_of "$path")
	(
		while dd if="/dev/$STREAM_DISK" of=/dev/null bs=1M iflag=direct 2>/dev/null; do :; done
	) &
	STREAM_PID=$!
	wait_for 20 stream_flows || { not_ok "the transfer flows"; return 1; }
}

# stream_flows: at least 2 MiB were read and something is in flight
stream_flows() {
	local reads sectors inflight
	read -r reads _ sectors _ _ _ _ _ inflight _ <"/sys/block/$STREAM_DISK/stat" || return 1
	[ "${reads:-0}" -gt 4 ] && [ "${sectors:-0}" -gt 4096 ] && [ "${inflight:-0}" -gt 0 ]
}

# stream_goes_on: more is read from now on; at any one moment the reader may be between two requests
stream_goes_on() {
	local before
	before=$(stream_sectors) || return 1
	wait_for 20 stream_beyond "$before"
}

stream_sectors() {
	awk '{ print $3 }' "/sys/block/$STREAM_DISK/stat" 2>/dev/null
}

stream_beyond() {
	[ "$(stream_sectors)" -gt "$(($1 + 4096))" ]
}

stream_ended() {
	! kill -0 "$STREAM_PID" 2>/dev/null
}

# disk_gone: the kernel has forgotten the imported disk; another one may have its name by now
disk_gone() {
	[[ $(readlink -f "/sys/block/$STREAM_DISK") != */vhci_hcd.* ]]
}

# came_to_rest NAME: after the disturbance the reader ended, the disk is gone and no port is in use
came_to_rest() {
	check "$1: the reader ends" wait_for $STREAM_LIMIT stream_ended
	check "$1: the disk goes away" wait_for $STREAM_LIMIT disk_gone
	check "$1: the port becomes free" wait_for $STREAM_LIMIT ports_free
	check "$1: the device is forgotten" wait_for 20 no_imports
	check "$1: no thread is left" wait_for 10 threads_gone
}

# disturbed NAME COMMAND..: run the disturbance; it must succeed in time
disturbed() {
	local name=$1 began=$SECONDS
	shift
	check "$name: $* (within ${STREAM_LIMIT} s)" within $STREAM_LIMIT "$@" 2>/dev/null
	echo "# $name took $((SECONDS - began)) s"
	came_to_rest "$name"
}

# usable_again NAME BUSID ID SHA256: export it once more and read all of it
usable_again() {
	local path sum
	[ -e "$USB/$2/usbip_status" ] || bind "$2" >/dev/null
	wait_for 20 host_is "$2" 1 || { not_ok "$1: the device is available again"; return; }
	attach "$2" "$3" || { not_ok "$1: the device attaches again"; return; }
	path=$(devices_on remote "$3" | head -n 1)
	wait_for 30 disk_ready "$path"
	sum=$(dd if="/dev/$(block_of "$path")" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)
	same "$1: the device is usable again" "$4" "$sum"
	detach_all >/dev/null
	check "$1: and free again" wait_for 20 host_is "$2" 1
}
