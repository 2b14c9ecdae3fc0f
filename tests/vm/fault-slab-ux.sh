# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 300
# debug: --append no_debug_objects
# kernels: debug
# modules: rust
#
# Allocations below functions of ours fail while programs carry a connection: in the program that opens a node and
# hands it over, in the programs that carry a busy one, and in the threads of the kernel at its ends. A call is
# refused, a request fails or a connection ends; nothing hangs, nothing is left, and the next connection works.

. /tests/lib.sh
. /tests/fault.sh
. /tests/ux.sh
ID=0525:a4a0
load_dummy high
gadget_zero || die "no Gadget Zero"
modprobe -a usbip-core usbip-host vhci-hcd usbip-ux usbtest
wait_for 10 test -c /dev/usbip-ux || die "no /dev/usbip-ux"
fault_only usbip-core usbip-host vhci-hcd usbip-ux
id=$(busid $ID)
bind "$id" >/dev/null || die "bind"

# Opening a node, giving it a socket, handing that to a port.
refused=0 failed=0
for ((n = 1; n < 100; n++)); do
	failing $n exec uxabi once $VHCI/attach >/dev/null 2>&1
	status=$?
	[ $status = 0 ] || refused=$((refused + 1))
	{ wait_for 20 ports_free && wait_for 10 unused usbip-ux; } || failed=$((failed + 1))
	[ -n "$FAULT_HIT" ] || break
done
exhausted "opening and attaching" $n 100
same "opening and attaching: $((n - 1)) allocations, $refused of them refused it" 0 $failed
check "some of them are needed" test $refused -gt 3
same "without a failure it works" 0 $status

node() {
	local path
	wait_for 60 has_remote $ID || return 1
	path=$(devices_on remote $ID | head -n 1)
	wait_for 30 test -e "$path/${path##*/}:3.0/driver" || return 1
	usbfs_node "$path"
}
# again: a new connection, with a program on each end
again() {
	detach_all >/dev/null || return 1
	available "$id" && wait_for 30 pumps_gone || return 1
	ux_link pair ux-pump "$id" ux-pump 0 3 && NODE=$(node)
}
# work: requests of all kinds; whether all of them were served
work() {
	local row good=0
	for row in '-t 7 -c 1 -s 4096 -g 4 -v 131' '-t 10 -c 1 -g 4' '-t 28 -c 1 -s 16384 -g 4' '-t 11 -c 1 -s 1024'; do
		# shellcheck disable=SC2086
		within 60 testusb -D "$NODE" $row >/tmp/work.out 2>&1
		[ $? != 137 ] || { not_ok "hangs: testusb $row"; return 1; }
		grep -q 'test .*secs' /tmp/work.out && good=$((good + 1))
	done
	[ $good = 4 ]
}
again || die "no connection"
check "without a failure it works" work

# fails_in NAME COMMAND..: in the process that the command says, one allocation after the other, until it has no
# more of them, or enough was seen
fails_in() {
	local name=$1 n before pid worked hits=0 ended=0 failed=0
	shift
	for ((n = 1; n <= 8; n++)); do
		{ [ -n "$(ports_used)" ] && host_is "$id" 2; } || again || { failed=$((failed + 1)); continue; }
		pid=$("$@")
		fault_count
		before=$FAULT_COUNT
		arm $n "$pid" || { failed=$((failed + 1)); again; continue; }
		work
		worked=$?
		faults_since "$before"
		disarm "$pid"
		[ -n "$FAULT_HIT" ] || { [ $worked = 0 ] || failed=$((failed + 1)); break; }
		hits=$((hits + 1))
		[ -e "/proc/$pid" ] || ended=$((ended + 1))
		# What failed may have cost the device; the next connection has it again.
		work || { again && work; } || { failed=$((failed + 1)); echo "# $name: allocation $n"; }
	done
	same "$name: $hits failures, $ended of its connections ended, and it works again" 0 $failed
	HAD=$hits
}
exporting() {
	echo "$UX_HOST"
}
importing() {
	echo "$UX_VHCI"
}
fails_in "the exporting program" exporting
check "the exporting program: $HAD allocations failed" test $HAD -gt 4
# These need memory at times only: what they send lies in the memory of programs, who also receive for the threads.
fails_in "the importing program" importing
all=$HAD
for thread in vhci_rx vhci_tx stub_rx stub_tx; do
	fails_in $thread tasks $thread
	all=$((all + HAD))
done
echo "# in these, $all allocations failed"

fault_count
before=$FAULT_COUNT
for round in 1 2 3 4 5 6; do
	[ -n "$(ports_used)" ] || again
	fault_random $round
	work
	fault_off
done
fault_count
check "at random: $((FAULT_COUNT - before)) allocations failed" test $((FAULT_COUNT - before)) -ge 6
again
check "after failures at random it works" work
detach_all >/dev/null
check "the device is available again" available "$id"
check "the programs end" wait_for 20 pumps_gone
# usbtest does not free what it could not submit.
forget_leaks unlink1
rmmod usbtest
check "no thread is left" wait_for 20 threads_gone
check "nobody uses usbip-ux" wait_for 20 unused usbip-ux
usbip unbind -b "$id" 2>/dev/null
unload
finish
