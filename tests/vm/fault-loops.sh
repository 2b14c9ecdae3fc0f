# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 900
# debug: --smp 2
# modules: rust
#
# Everything that comes and goes, in loops, while others look: modules while status is read, the device while it
# is exported, the driver while somebody attaches.

ALL_CONTROLLERS=yes
. /tests/lib.sh
. /tests/fault.sh
ROUNDS=4
! full || ROUNDS=10
ID=0525:a4a0
load_dummy high
gadget_zero || die "no Gadget Zero"
id=$(busid $ID)

# reading FILE..: read them again and again until /tmp/stop is there, whenever nobody else wants the processors: on the
# debug kernel what comes and goes would take three times as long beside them
reading() {
	local file reads=0
	renice -n 19 -p "$BASHPID" >/dev/null || not_ok "renice"
	while [ ! -e /tmp/stop ]; do
		for file in "$@"; do
			{ mapfile <"$file"; } 2>/dev/null && reads=$((reads + 1))
		done
	done
	echo "# $1: read $reads times"
	[ $reads -gt 10 ] || not_ok "$1 is read while modules come and go"
}
readers() {
	rm -f /tmp/stop
	reading $VHCI/status $VHCI/status.7 $VHCI/nports &
	reading $VHCI/status.1 /sys/module/usbip_core/parameters/usbip_debug_flag &
	reading "$USB/$id/usbip_status" $HOST/match_busid "$USB"/*/idVendor &
}
no_readers() {
	: >/tmp/stop
	wait
}

readers
failed=0
for ((round = 0; round < ROUNDS; round++)); do
	modprobe vhci-hcd || failed=$((failed + 1))
	within 60 rmmod vhci-hcd || failed=$((failed + 1))
done
same "vhci-hcd comes and goes while its files are read" 0 $failed
for ((round = 0; round < ROUNDS; round++)); do
	modprobe usbip-host || failed=$((failed + 1))
	printf 'add %s' "$id" >$HOST/match_busid
	# Whoever has it, if anyone.
	printf '%s' "$id" >"$USB/$id/driver/unbind" 2>/dev/null
	printf '%s' "$id" >$HOST/bind || failed=$((failed + 1))
	host_is "$id" 1 || failed=$((failed + 1))
	within 60 rmmod usbip-host || failed=$((failed + 1))
done
same "usbip-host comes and goes with a device bound" 0 $failed
no_readers
wait_for 20 driver_is "$USB/$id" usb || echo "$id" >/sys/bus/usb/drivers/usb/bind
check "the usual driver has the device" driver_is "$USB/$id" usb

# Loading with a device attached, and unloading in the middle of an attach.
modprobe -a vhci-hcd
start_usbipd
readers
for ((round = 0; round < ROUNDS; round++)); do
	bind "$id" >/dev/null
	within 60 usbip attach -r 127.0.0.1 -b "$id" >/dev/null 2>&1 &
	tool=$!
	sleep 0.$((round * 10 / ROUNDS))
	within 60 rmmod vhci-hcd || failed=$((failed + 1))
	wait $tool
	modprobe vhci-hcd || failed=$((failed + 1))
	wait_for 30 host_is "$id" 1 || failed=$((failed + 1))
	usbip unbind -b "$id" >/dev/null 2>&1 || failed=$((failed + 1))
done
same "vhci-hcd goes in the middle of attaches" 0 $failed
no_readers

for ((round = 0; round < ROUNDS; round++)); do
	bind "$id" >/dev/null || failed=$((failed + 1))
	usbip unbind -b "$id" >/dev/null 2>&1 || failed=$((failed + 1))
done
same "bind and unbind" 0 $failed

# The device is pulled at any time of an attach.
for ((round = 0; round < ROUNDS; round++)); do
	bind "$id" >/dev/null || failed=$((failed + 1))
	within 60 usbip attach -r 127.0.0.1 -b "$id" >/dev/null 2>&1 &
	tool=$!
	sleep 0.$((round * 10 / ROUNDS))
	gadget_unplug zero
	wait $tool
	wait_for 30 ports_free && wait_for 20 not has_local $ID || failed=$((failed + 1))
	gadget_plug zero
	wait_for 20 has_local $ID || failed=$((failed + 1))
	id=$(busid $ID)
done
same "unplug and plug in the middle of attaches" 0 $failed
check "it still works" export_local "$id" $ID
detach_all >/dev/null
wait_for 20 host_is "$id" 1
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
forget_gadget_leaks
finish
