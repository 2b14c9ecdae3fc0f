# SPDX-License-Identifier: GPL-2.0
# matrix: rust/c c/rust
# vm: --timeout 1800
#
# usbtest over a network, one side of it with the C modules: ours speak the same language. This is the side with
# the devices, one at each speed.

. /tests/lib.sh
load_dummy super 2
gadget_zero dummy_udc.0 zero || die "no Gadget Zero"
gadget_zero dummy_udc.1 slower high-speed
both() {
	[ "$(devices_on local 0525:a4a0 | wc -l)" = 2 ]
}
check "two devices" wait_for 20 both
start_usbipd || die "usbipd does not start"
ids=$(devices_on local 0525:a4a0 | xargs -n 1 basename)
for id in $ids; do
	bind "$id"
done
signal exported
await client-exit 1700
for id in $ids; do
	check "the client's end frees the device at $(cat "$USB/$id/speed")" wait_for 20 host_is "$id" 1
done
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
check "usbip-host unloads" within 30 rmmod usbip-host
finish
