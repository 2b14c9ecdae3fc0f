# SPDX-License-Identifier: GPL-2.0
# again: no
# once: yes
# modules: rust
# vm: --smp 2 --timeout 600
# debug: --smp 2
#
# Everything at once, on two processors: tools attach and detach, the server cuts connections, tables are read,
# drivers come and go, while the device is in use. Nothing may hang or break, and all is as new afterwards.

. /tests/lib.sh
ID=0525:a4a5
yes | head -c 4194304 >/tmp/image
load_dummy super
gadget_disk /tmp/image || die "no gadget"
modprobe usb_storage delay_use=0
modprobe -a sd_mod vhci-hcd
start_usbipd
id=$(busid $ID)
bind "$id" >/dev/null
SECONDS=0
ACTORS="attacher cutter reader user binder stranger"
# did ACTOR: it got what it wanted, once more; an actor that never does is no part of a race
did() {
	echo >>"/tmp/did.$1"
}
everybody_did() {
	local actor
	for actor in $ACTORS; do
		[ -e "/tmp/did.$actor" ] || return 1
	done
}
# For forty seconds, and on a busy host until everybody got through once.
going() {
	[ $SECONDS -lt 40 ] || { [ $SECONDS -lt 200 ] && ! everybody_did; }
}

any_disk() {
	compgen -G '/dev/sd?'
}
attacher() {
	while going; do
		# The disk may be used, for as long as the others let it.
		! within 30 usbip attach -r 127.0.0.1 -b "$id" || { did attacher && wait_for 8 any_disk; }
		sleep $((RANDOM % 5)).5
		for port in $(ports_used); do
			within 30 usbip detach -p "$port"
		done
	done >/dev/null 2>&1
}
cutter() {
	while going; do
		sleep $((RANDOM % 5)).5
		echo -1 >"$USB/$id/usbip_sockfd" && did cutter
	done 2>/dev/null
}
reader() {
	while going; do
		cat $VHCI/status* "$USB"/*/usbip_status $HOST/match_busid >/dev/null
		usbip port >/dev/null && did reader
	done 2>/dev/null
}
user() {
	local disk data nothing
	while going; do
		# The disk goes within the time that starting a program takes.
		for disk in /dev/sd?; do
			{ IFS= read -rN 4096 data <"$disk" && did user; } 2>/dev/null
		done
		read -rt 0.1 -u "$NOTHING" nothing
	done
}
binder() {
	while going; do
		sleep $((4 + RANDOM % 4))
		within 30 usbip unbind -b "$id"
		within 30 usbip bind -b "$id" && did binder
	done >/dev/null 2>&1
}
stranger() {
	while going; do
		fdwrite -w 1 tcp-connected $VHCI/attach '16 {} 65538 5' | grep -q ^ok && did stranger
		sleep 0.$((RANDOM % 10))
		echo 16 >$VHCI/detach
		sleep 0.2
	done >/dev/null 2>&1
}
for actor in attacher $ACTORS; do
	$actor &
	actors="$actors $!"
done
ended() {
	local actor
	for actor in $actors; do
		! kill -0 "$actor" 2>/dev/null || return 1
	done
}
check "all of them end" wait_for 300 ended
for actor in $ACTORS; do
	check "$actor: got through $(cat "/tmp/did.$actor" 2>/dev/null | wc -l) times" test -s "/tmp/did.$actor"
done
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
