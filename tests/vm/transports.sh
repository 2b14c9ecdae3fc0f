# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2
#
# Any connected stream socket carries a device: what user space hands over need not be TCP. Both ends are given to
# the kernel, without the tools, and the disk is written and read over each of them.

. /tests/lib.sh
ID=0525:a4a5
truncate -s 4M /tmp/image
load_dummy super
gadget_disk /tmp/image || die "no gadget"
modprobe -a usb_storage sd_mod usbip-host vhci-hcd vsock_loopback tls
# The C server resets the device in a moment of its own.
id=$(busid $ID)
bind "$id" >/dev/null
devid=$(($(cat $USB/$id/busnum) << 16 | $(cat $USB/$id/devnum)))

# connect KIND: each side gets an end
connect() {
	fdwrite "$1" "$USB/$id/usbip_sockfd" '{}\n' $VHCI/attach "15 {} $devid 5" | cut -d' ' -f1 | xargs
}

for kind in unix-stream tcp-connected vsock ktls; do
	wait_for 20 host_is "$id" 1
	same "$kind: both sides take it" "ok ok" "$(connect $kind)"
	check "$kind: the device is there" wait_for 30 has_remote $ID
	path=$(devices_on remote $ID | head -n 1)
	check "$kind: its disk is there" wait_for 30 disk_ready "$path"
	disk=/dev/$(block_of "$path")
	head -c 4194304 /dev/urandom >/tmp/data
	dd if=/tmp/data of="$disk" bs=512k oflag=direct 2>/dev/null
	sync
	check "$kind: what is written arrives" cmp /tmp/data /tmp/image
	check "$kind: and is read back" cmp /tmp/data <(dd if="$disk" bs=512k iflag=direct 2>/dev/null)
	# The other end of the connection notices that it ends, whatever kind it is.
	echo 15 >$VHCI/detach
	check "$kind: the server's side ends as well" wait_for 20 host_is "$id" 1
	check "$kind: the port is free" wait_for 20 ports_free
	check "$kind: no thread is left" wait_for 10 threads_gone
	check "$kind: the device is gone at first" wait_for 20 not has_remote $ID

	same "$kind: again" "ok ok" "$(connect $kind)"
	check "$kind: the device is there again" wait_for 30 has_remote $ID
	echo -1 >$USB/$id/usbip_sockfd
	check "$kind: the client's side ends as well" wait_for 20 ports_free
	check "$kind: the device is gone" wait_for 20 not has_remote $ID
done
wait_for 20 host_is "$id" 1
check "unbind" within 20 usbip unbind -b "$id" 2>/dev/null
unload
check "the modules of the sockets unload" within 20 rmmod vsock_loopback tls
finish
