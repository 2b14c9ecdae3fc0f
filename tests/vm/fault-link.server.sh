# SPDX-License-Identifier: GPL-2.0
# vm: --timeout 700
# kernels: debug
# matrix: rust/rust
#
# The cable is out for 1, 10 and 60 seconds in the middle of a transfer. A short cut is survived: TCP repeats what
# was lost. A long one ends the connection on both sides, with an error for whoever was reading, and the device is
# free for the next one.

. /tests/lib.sh
ID=0525:a4a5
head -c 4194304 /dev/urandom >/tmp/image
load_dummy super
modprobe -a usb_storage sd_mod
gadget_disk /tmp/image || die "no gadget"
start_usbipd
id=$(busid $ID)
bind "$id" >/dev/null
signal exported
for seconds in 1 10 60; do
	await "streaming-$seconds" 100 || exit 1
	same "$seconds s: in use" 2 "$(host_status "$id")"
	link_down >/dev/null
	sleep $seconds
	link_up >/dev/null
	signal "mended-$seconds"
	await "done-$seconds" 200 || exit 1
	if [ $seconds -le 10 ]; then
		same "$seconds s: still in use" 2 "$(host_status "$id")"
	else
		check "$seconds s: free" wait_for 60 host_is "$id" 1
	fi
done
await client-exit 120
check "free" wait_for 60 host_is "$id" 1
check "no thread is left" wait_for 10 threads_gone
stop_usbipd
check "usbip-host unloads" within 30 rmmod usbip-host
finish
