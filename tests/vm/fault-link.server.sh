# SPDX-License-Identifier: GPL-2.0
# vm: --timeout 900
# kernels: debug
# matrix: rust/rust
#
# The cable is out for 1, 10 and 60 seconds in the middle of a transfer, of a device that usbip-host exports and then of
# one that usbip-vudc does. A short cut is survived: TCP repeats what was lost. A long one ends the connection on both
# sides, with an error for whoever was reading, and the device is free for the next one.

. /tests/lib.sh
. /tests/vudc.sh

# cut EXPORTER IS..: cut the cable as often as the client streams; IS.. N tells whether the device's status is N
cut() {
	local exporter=$1 seconds
	shift
	signal "$exporter-exported"
	for seconds in 1 10 60; do
		await "$exporter-streaming-$seconds" 100 || exit 1
		check "$exporter, $seconds s: in use" "$@" 2
		link_down >/dev/null
		sleep $seconds
		link_up >/dev/null
		signal "$exporter-mended-$seconds"
		await "$exporter-done-$seconds" 200 || exit 1
		if [ $seconds -le 10 ]; then
			check "$exporter, $seconds s: still in use" "$@" 2
		else
			check "$exporter, $seconds s: free" wait_for 60 "$@" 1
		fi
	done
	await "$exporter-detached" 120 || exit 1
	check "$exporter: free" wait_for 60 "$@" 1
	check "$exporter: no thread is left" wait_for 10 threads_gone
	stop_usbipd
}

head -c 4194304 /dev/urandom >/tmp/image
load_dummy super
gadget_disk /tmp/image || die "no gadget"
start_usbipd
id=$(busid 0525:a4a5)
bind "$id" >/dev/null
cut host host_is "$id"
check "usbip-host unloads" within 30 rmmod usbip-host

vudc_disk /tmp/image 0 cut
start_usbipd_device || die "usbipd does not start"
cut vudc vudc_is 0
gadget_remove cut
check "usbip-vudc unloads" within 30 rmmod usbip-vudc
await client-exit 120
finish
