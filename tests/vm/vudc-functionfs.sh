# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 400
# modules: rust
#
# A function that is a program (FunctionFS): what is sent to it comes back, packets of every kind of length; killed
# in the middle, it is gone for its host, and another one takes its place. One without descriptors for SuperSpeed is seen
# at high speed, whatever the gadget would be capable of.

. /tests/lib.sh
. /tests/vudc.sh
ID=0525:b006
FOLDER=/sys/kernel/config/usb_gadget/echo
modprobe vhci-hcd controllers=1
modprobe -a libcomposite usb_f_fs usbip-vudc
gadget echo 0x0525 0xb006 >/dev/null
mkdir $FOLDER/functions/ffs.echo $FOLDER/configs/c.1 /tmp/ffs
ln -s $FOLDER/functions/ffs.echo $FOLDER/configs/c.1/
start_usbipd_device || die "usbipd does not start"

# begin WHAT [OPTION]: the program, its gadget, its host
begin() {
	mount -t functionfs echo /tmp/ffs
	# Nobody is to read what the one before has said.
	: >/tmp/said
	ffs /tmp/ffs ${2:+"$2"} >/tmp/said &
	program=$!
	check "$1: the program is ready" wait_for 20 grep -q ready /tmp/said
	vudc_bind echo || die "$1: not bound"
	vudc_attach 0 $ID || die "$1: attach failed"
	path=$(devices_on remote $ID | head -n 1)
	node=$(usbfs_node "$path")
	# What a function says are the addresses of its endpoints are placeholders.
	out=$(address out) in=$(address in)
}

# address in|out: the address of the only such endpoint
address() {
	local endpoint
	endpoint=$(grep -lx "$1" "$path"/*:1.0/ep_*/direction | head -n 1)
	echo "0x$(cat "${endpoint%/*}/bEndpointAddress")"
}

# echoes BYTES: so many random ones come back; what fills its last packet is told from what goes on by an empty one
echoes() {
	local hex
	hex=$(head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n')
	[ "$(within 60 usbio "$node" claim:0 "out:$out:$hex" "in:$in:65536")" = "$hex" ]
}

for speed in super-speed high-speed high-only; do
	if [ $speed = high-only ]; then
		echo super-speed >$FOLDER/max_speed
		begin $speed high
		same "$speed: it is seen at" high-speed "$(cat /sys/class/udc/usbip-vudc.0/current_speed)"
	else
		echo $speed >$FOLDER/max_speed
		begin $speed
	fi
	for bytes in 1 63 511 513 1023 1025 4095 20001; do
		check "$speed: $bytes bytes come back" echoes $bytes
	done
	# Its pages may be out of the processor's reach; it is the processor that copies. The debug kernel makes none.
	if [ -e /dev/udmabuf ]; then
		check "$speed: a DMA-BUF is refused" wait_for 20 grep -q "^dmabuf: transfer: Invalid argument" /tmp/said
	fi
	# In the middle of it.
	rm -f /tmp/flows
	(
		while echoes 20001; do
			: >/tmp/flows
		done
	) &
	traffic=$!
	check "$speed: bytes flow" wait_for 30 test -e /tmp/flows
	kill -KILL $program
	wait $program 2>/dev/null
	check "$speed: who uses it is told" wait_for 30 not kill -0 $traffic
	check "$speed: the device is gone with its program" wait_for 60 not has_remote $ID
	check "$speed: and its port is free" wait_for 20 ports_free
	umount /tmp/ffs
	vudc_unbind echo 2>/dev/null
	check "$speed: the controller is available" wait_for 20 vudc_is 0 1
done
gadget_remove echo
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
vudc_unload
finish
