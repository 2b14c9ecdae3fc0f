# SPDX-License-Identifier: GPL-2.0
# modules: rust
# vm: --smp 2 --timeout 1200 --append slab_nomerge
#
# Whatever ends an import in the middle of a transfer, nothing stays behind: each way is taken many times, and no
# slab may grow with each of them, no socket, thread or reference to a module be left. Each kind of object has a slab
# of its own here: a merged one has the name of any of its kinds.

. /tests/lib.sh
. /tests/stream.sh
ID=0525:a4a5
truncate -s 4M /tmp/image
load_dummy super
gadget_disk /tmp/image || die "no gadget"
modprobe usb_storage delay_use=0
modprobe -a sd_mod vhci-hcd
start_usbipd
id=$(busid $ID)

begin() {
	[ -e "$USB/$id/usbip_status" ] || bind "$id"
	wait_for 20 host_is "$id" 1 && attach "$id" $ID && stream_start $ID
}
rest() {
	wait_for $STREAM_LIMIT stream_ended && wait_for $STREAM_LIMIT disk_gone && wait_for $STREAM_LIMIT ports_free &&
		wait_for 20 no_imports && wait_for 10 threads_gone
}

by_detach() {
	begin && usbip detach -p "$(ports_used)" && rest
}
by_server() {
	begin && echo -1 >"$USB/$id/usbip_sockfd" && rest
}
by_unbind() {
	begin && usbip unbind -b "$id" && rest
}
by_unplug() {
	begin && gadget_unplug disk && rest && gadget_plug disk && wait_for 20 has_local $ID && id=$(busid $ID)
}
by_rmmod() {
	begin && rmmod vhci-hcd && wait_for $STREAM_LIMIT stream_ended && wait_for $STREAM_LIMIT disk_gone && rmmod usbip-host &&
		modprobe vhci-hcd && modprobe usbip-host
}
# Nobody answers: what is queued is given up.
by_silence() {
	fdwrite -w 60 unix-stream $VHCI/attach '15 {} 65538 5' && sleep 0.3 && echo 15 >$VHCI/detach && wait_for 20 ports_free && wait_for 10 threads_gone
}
# A write of 1 MiB to endpoint 2, and then nothing more: the server gives the memory for it back.
by_half_request() {
	local devid status
	bind "$id" && wait_for 20 host_is "$id" 1 || return
	devid=$((($(<"$USB/$id/busnum") << 16) + $(<"$USB/$id/devnum")))
	# shellcheck disable=SC2059
	printf "$(printf %08x 1 1 $devid 0 2 0 1048576 0 0 0 0 0 | sed 's/../\\x&/g')" >/tmp/half
	socat -u OPEN:/tmp/half TCP-LISTEN:9997,reuseaddr &
	wait_for 10 listening 9997 && exec 5<>/dev/tcp/127.0.0.1/9997 || return
	echo 5 >"$USB/$id/usbip_sockfd"
	status=$?
	exec 5>&-
	[ $status = 0 ] && wait $! && wait_for 20 host_is "$id" 1 && wait_for 10 threads_gone
}

# All ways, or those of the command line.
ways() {
	local way
	for way in ${WAYS:-detach server unbind unplug rmmod silence half_request}; do
		by_$way || { echo "by $way"; return 1; }
	done
}
before="$(users usbip_core) $(users usbcore)"
leak_rounds "all ways" 2 ways
wait_for 10 threads_gone
same "users of the modules" "$before" "$(users usbip_core) $(users usbcore)"

usbip unbind -b "$id" 2>/dev/null
stop_usbipd
unload
finish
