# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 900
# debug: --smp 2
# modules: rust
#
# Programs that carry a connection are slow, are stopped, or are killed while a disk is read through them, on either
# end; and what they carry is taken away while they are stopped. Nothing hangs, nothing is left, and the next
# connection works.

. /tests/lib.sh
. /tests/ux.sh
. /tests/stream.sh
ux_disk 8
refused() {
	not_ok "$1: link"
	detach_all >/dev/null
	wait_for 20 host_is "$UX_ID" 1
}
# begin NAME: a link with a program on each end, and a disk that is read through both
begin() {
	ux_link pair ux-pump "$UX_ID" ux-pump 0 3 || { refused "$1"; return 1; }
	wait_for 60 has_remote 0525:a4a5 || { refused "$1"; return 1; }
	stream_start 0525:a4a5
}
# rest NAME: the reader has ended, and both ends are as before
rest() {
	came_to_rest "$1"
	check "$1: the device is available again" wait_for $STREAM_LIMIT host_is "$UX_ID" 1
	check "$1: the programs end" wait_for 10 pumps_gone
}
signal() {
	kill "-$1" -- "-$2"
}

begin "slow" && {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		for group in $UX_HOST $UX_VHCI; do
			signal STOP "$group"
			sleep 0.3
			signal CONT "$group"
		done
	done
	check "slow programs: the disk is still read" stream_goes_on
	for side in "$UX_HOST the exporting" "$UX_VHCI the importing"; do
		read -r group name <<<"$side"
		signal STOP "$group"
		sleep 8
		signal CONT "$group"
		check "$name program is stopped for 8 s: the disk is still read" stream_goes_on
	done
	refuse "unloading while in use" rmmod usbip-ux
	check "the port is detached" within 30 usbip detach -p 0 2>/dev/null
	rest "detached"
}

for end in exporting importing; do
	begin "$end killed" || continue
	[ $end = exporting ] && group=$UX_HOST || group=$UX_VHCI
	check "the $end program is killed" signal KILL "$group"
	rest "$end killed"

	begin "$end stopped" || continue
	[ $end = exporting ] && group=$UX_HOST || group=$UX_VHCI
	signal STOP "$group"
	if [ $end = exporting ]; then
		check "the device is unbound while its program is stopped" within $STREAM_LIMIT usbip unbind -b "$UX_ID" 2>/dev/null
	else
		check "the port is detached while its program is stopped" within $STREAM_LIMIT usbip detach -p 0 2>/dev/null
	fi
	signal CONT "$group"
	[ $end = importing ] || bind "$UX_ID" >/dev/null
	rest "$end stopped"
done

ux_link pair ux-example "$UX_ID" ux-pump 0 3 || not_ok "the last link"
ux_read_all "after all that" 0525:a4a5 "$UX_SUM"
detach_all >/dev/null
check "the device is available again" wait_for 20 host_is "$UX_ID" 1
check "the programs end" wait_for 10 pumps_gone
check "nobody uses usbip-ux" wait_for 10 unused usbip-ux
check "usbip-ux unloads" within 20 rmmod usbip-ux
check "unbind" within 20 usbip unbind -b "$UX_ID" 2>/dev/null
unload
finish
