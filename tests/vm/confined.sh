# SPDX-License-Identifier: GPL-2.0
# once: yes
# kernels: 7.2 7.3
# vm: --append lsm=bpf
#
# A program that may use a device, but may not send on sockets: a transfer that it makes is sent, by whoever may, and
# the device stays.

. /tests/lib.sh
ID=0525:a4a0
load_dummy high
gadget_zero || die "no Gadget Zero"
modprobe vhci-hcd
start_usbipd
id=$(busid $ID)
bind "$id" >/dev/null
attach "$id" $ID || die "attach"
path=$(devices_on remote $ID | head -n 1)
node=$(usbfs_node "$path")

# Only what is alone, and may sleep, is sent by whoever submits it: control transfers, one at a time, which this device
# does not know.
transfers() {
	local n
	for ((n = 0; n < 5; n++)); do
		printf 'submit %d control 0x80 0 72\nreap 10\n' $n
	done
	echo quit
}
refuse "the program may not send" nosend bash -c 'echo x >/dev/tcp/127.0.0.1/3240'
transfers >/tmp/transfers
within 60 nosend usbfs "$node" </tmp/transfers >/tmp/said
same "the device answers its transfers" 5 "$(grep -c '^done [0-9]* -32 0 ' /tmp/said)"
check "the device is still there" has_remote $ID
within 60 usbfs "$node" </tmp/transfers >/tmp/said
same "and answers others" 5 "$(grep -c '^done [0-9]* -32 0 ' /tmp/said)"
detach_all >/dev/null
wait_for 20 host_is "$id" 1
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
