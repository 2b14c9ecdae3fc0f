# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The cases of usbtest.ko for an imported Gadget Zero. Runs in the machine, after lib.sh.

# Each row: cases, then testusb's options; every case runs at least 200 times. Sizes are small enough for an
# emulated processor; those that write are odd enough to leave short packets (the source always sends full ones).
USBTEST_ROWS='
0 -c 200
1 -c 200 -s 1024
2 -c 200 -s 1024
3 -c 200 -s 1024 -v 421
4 -c 200 -s 4096 -v 1024
5 -c 200 -s 512 -g 8
6 -c 200 -s 512 -g 8
7 -c 200 -s 1024 -g 8 -v 131
8 -c 200 -s 4096 -g 8 -v 1024
9 -c 200
10 -c 200 -g 8
11 -c 200 -s 1024
12 -c 200 -s 1024
13 -c 200
14 -c 200 -s 256 -v 17
17 -c 200 -s 1024
18 -c 200 -s 1024
19 -c 200 -s 1024
20 -c 200 -s 1024
21 -c 200 -s 256 -v 17
24 -c 200 -g 8 -s 1024
27 -c 200 -s 4096 -g 8
28 -c 200 -s 4096 -g 8
29 -c 200
'

# usbtest, and usbcore with its scatter lists, say that a transfer is done before they unlock it, and its lock lies on
# the stack of who waits for it. Whoever is woken on another processor, or on PREEMPT_RT before the unlocking, may have
# left by then, and what lies there now is written to: machines froze of it, whatever modules were below. So who waits
# and the threads that end transfers share a processor, and the threads go first.

# usbtest_together: see to that for the connections that there are; fails if there is none
usbtest_together() {
	local file pid=
	for file in $(grep -lxE 'vhci_(rx|tx)' /proc/[0-9]*/comm); do
		pid=${file//[^0-9]/}
		taskset -p 1 "$pid" >/dev/null || return
		[[ $VM_KERNEL != *-rt* ]] || chrt -f -p 50 "$pid" || return
	done
	[ -n "$pid" ]
}

# usbtest_cases SPEEDS: run every case on the imported device, which has one of these speeds
#
# Not with DEBUG_OBJECTS: cases 5 to 8 set the timer on their stack up once and destroy it in every round.
usbtest_cases() {
	local path speed interface node row began line
	path=$(devices_on remote 0525:a4a0 | head -n 1)
	speed=$(cat "$path/speed")
	check "speed $speed" grep -qw "$speed" <<<"$1"
	modprobe usbtest
	interface=$path/$(basename "$path"):3.0
	wait_for 10 test -e "$interface/driver" || { not_ok "usbtest takes the device"; return; }
	same "driver" usbtest "$(basename "$(readlink "$interface/driver")")"
	check "usbtest and vhci's threads share a processor" usbtest_together
	node=$(usbfs_node "$path")
	while read -r row; do
		[ -n "$row" ] || continue
		began=$SECONDS
		# shellcheck disable=SC2086
		if line=$(within 300 taskset 1 testusb -D "$node" -t $row 2>&1) && [[ $line == *'test '*secs* ]]; then
			ok "case $row at $speed ($((SECONDS - began)) s)"
		else
			not_ok "case $row at $speed" "${line:-killed after 300 s}"
		fi
	done <<<"$USBTEST_ROWS"
}

# usbtest_local high|super SPEED [CONNECT]: both sides in this machine; CONNECT BUSID exports and imports the device
usbtest_local() {
	local id connect=${3:-usbtest_connect}
	load_dummy "$1"
	gadget_zero || die "no Gadget Zero"
	modprobe vhci-hcd
	id=$(busid 0525:a4a0)
	"$connect" "$id" || die "export of $id failed"
	usbtest_cases "$2"
	same "the device is still in use" 2 "$(host_status "$id")"
	rmmod usbtest
	detach_all >/dev/null
	check "detached" ports_free
	check "available again" wait_for 20 host_is "$id" 1
	check "unbind" within 20 usbip unbind -b "$id" 2>/dev/null
	stop_usbipd
	check "no thread is left" wait_for 10 threads_gone
	unload
	finish
}

usbtest_connect() {
	start_usbipd && export_local "$1" 0525:a4a0 >/dev/null
}
