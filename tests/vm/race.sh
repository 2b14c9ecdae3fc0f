# SPDX-License-Identifier: GPL-2.0
# again: no
# once: yes
# modules: rust
# vm: --smp 2 --timeout 400
#
# Everything at once, on two processors: tools attach and detach, the server cuts connections, tables are read,
# drivers come and go, while the device is in use. Nothing may hang or break, and all is as new afterwards.

. /tests/lib.sh
ID=0525:a4a5
truncate -s 4M /tmp/image
load_dummy super
gadget_disk /tmp/image || die "no gadget"
modprobe usb_storage delay_use=0
modprobe -a sd_mod vhci-hcd
start_usbipd
id=$(busid $ID)
bind "$id" >/dev/null
SECONDS=0
LENGTH=40
going() {
	[ $SECONDS -lt $LENGTH ]
}

attacher() {
	local rounds=0 good=0
	while going; do
		rounds=$((rounds + 1))
		! within 30 usbip attach -r 127.0.0.1 -b "$id" || good=$((good + 1))
		[ $((rounds % 3)) != 0 ] || sleep 1.$((RANDOM % 10))
		for port in $(ports_used); do
			within 30 usbip detach -p "$port"
		done
	done >/dev/null 2>&1
	echo "$good of $rounds attached"
}
cutter() {
	while going; do
		sleep 1.$((RANDOM % 10))
		echo -1 >"$USB/$id/usbip_sockfd"
	done 2>/dev/null
}
reader() {
	while going; do
		cat $VHCI/status* "$USB"/*/usbip_status $HOST/match_busid >/dev/null
		usbip port >/dev/null
	done 2>/dev/null
}
user() {
	local disk
	while going; do
		for disk in /dev/sd?; do
			timeout 20 dd if="$disk" of=/dev/null bs=64k iflag=direct
		done
		sleep 0.1
	done 2>/dev/null
}
binder() {
	while going; do
		sleep 4.$((RANDOM % 10))
		within 30 usbip unbind -b "$id"
		within 30 usbip bind -b "$id"
	done >/dev/null 2>&1
}
stranger() {
	while going; do
		fdwrite -w 1 tcp-connected $VHCI/attach '16 {} 65538 5'
		sleep 0.$((RANDOM % 10))
		echo 16 >$VHCI/detach
		sleep 0.2
	done >/dev/null 2>&1
}
for actor in attacher attacher cutter reader user binder stranger; do
	$actor &
	actors="$actors $!"
done
ended() {
	local actor
	for actor in $actors; do
		! kill -0 "$actor" 2>/dev/null || return 1
	done
}
check "all of them end" wait_for 120 ended
detach_all >/dev/null 2>&1
check "the ports become free" wait_for 30 ports_free
[ -e "$USB/$id/usbip_status" ] || bind "$id" >/dev/null
check "the device is available" wait_for 30 host_is "$id" 1
check "and attaches" attach "$id" $ID
path=$(devices_on remote $ID | head -n 1)
check "its disk is there" wait_for 30 disk_ready "$path"
same "and readable" 4194304 "$(dd if="/dev/$(block_of "$path")" bs=1M iflag=direct 2>/dev/null | wc -c)"
check "rmmod usbip-host, with the device attached" within 60 rmmod usbip-host
check "rmmod vhci-hcd" within 60 rmmod vhci-hcd
check "rmmod usbip-core" within 60 rmmod usbip-core
check "no thread is left" wait_for 10 threads_gone
stop_usbipd
finish
