# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --smp 2
# debug: --append no_debug_objects
#
# The device is on a controller that takes no scatter-gather list, while its users send long scattered transfers:
# each goes to the device as one URB with one piece of memory. A trace of what is submitted there shows it.

. /tests/lib.sh
. /tests/usbtest.sh
TRACING=/sys/kernel/tracing
DISK=0525:a4a5
ZERO=0525:a4a0
SIZE=4194304

load_dummy super 2
modprobe usb_storage delay_use=0
modprobe -a sd_mod vhci-hcd
truncate -s $SIZE /tmp/image
gadget_disk /tmp/image || die "no disk"
gadget_zero dummy_udc.1 || die "no Gadget Zero"
start_usbipd || die "usbipd does not start"
# The debug kernel knows no types of arguments: there the data alone must tell.
traced=
if [ "$VM_KERNEL" != debug ]; then
	echo 'f:no_scatter usb_submit_urb length=urb->transfer_buffer_length pieces=urb->num_sgs bus=urb->dev->bus->busnum' \
		>$TRACING/dynamic_events || die "the kernel traces no arguments"
	echo 1 >$TRACING/events/fprobes/no_scatter/enable
	traced=yes
fi

# submitted BUS: lengths and pieces of the long transfers that were submitted on that bus since the last call
submitted() {
	sed -n 's/.*length=\([0-9]*\) pieces=\([0-9]*\) bus='"$1"'$/\1 \2/p' $TRACING/trace | awk '$1 > 65536'
	: >$TRACING/trace
}

# round_trip NAME: random data there and back again
round_trip() {
	local disk
	attach "$id" $DISK >/dev/null || { not_ok "$1: attached"; return; }
	wait_for 30 has_disk $DISK
	disk=/dev/$(block_of "$(devices_on remote $DISK)")
	head -c $SIZE /dev/urandom >/tmp/data
	: >$TRACING/trace
	check "$1: the disk is written" dd if=/tmp/data of="$disk" bs=1M oflag=direct
	check "$1: and read back the same" cmp /tmp/data <(dd if="$disk" bs=1M iflag=direct 2>/dev/null)
	if [ -n "$traced" ]; then
		submitted "$bus" >/tmp/submitted
		echo "# $1: $(sort /tmp/submitted | uniq -c | tr -s ' \n' ' ;')"
		check "$1: with long transfers" test "$(wc -l </tmp/submitted)" -ge 2
	fi
	detach_all >/dev/null
	wait_for 20 host_is "$id" 1
}

id=$(busid $DISK)
bus=$(cat "$USB/$id/busnum")
bind "$id" >/dev/null
round_trip "with lists"
[ -z "$traced" ] || check "with lists: they are scattered" awk '$2 < 2 { exit 1 }' /tmp/submitted
insmod /tests/modules/usbip-no-scatter.ko || die "no controller to change"
round_trip "without lists"
if [ -n "$traced" ]; then
	check "without lists: none is scattered" awk '$2 > 0 { exit 1 }' /tmp/submitted
	echo 0 >$TRACING/events/fprobes/no_scatter/enable
fi

# The cases with scatter-gather lists, long ones.
USBTEST_ROWS='
5 -c 20 -s 65536 -g 8
6 -c 20 -s 65536 -g 8
7 -c 20 -s 65536 -g 8 -v 4099
8 -c 20 -s 65536 -g 8 -v 4096
27 -c 20 -s 65536 -g 8
28 -c 20 -s 65536 -g 8
'
zero=$(busid $ZERO)
bind "$zero" >/dev/null
check "Gadget Zero: attached" attach "$zero" $ZERO
usbtest_cases 5000
rmmod usbtest

detach_all >/dev/null
stop_usbipd
rmmod usbip_no_scatter
unload
finish
