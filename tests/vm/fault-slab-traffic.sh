# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 2000
# debug: --smp 1 --append no_debug_objects
# kernels: debug
# modules: rust
#
# Allocations below functions of ours fail while requests flow: in the process that submits, in each of the four
# threads of a connection one by one, and anywhere at random. A request fails, or a connection ends, but what is
# read is never wrong, nothing hangs, and the next connection works.

. /tests/lib.sh
. /tests/fault.sh
ID=0525:a4a0
load_dummy high 2
gadget_zero dummy_udc.0 || die "no Gadget Zero"
head -c 2097152 /dev/urandom >/tmp/image
SUM=$(sha256sum </tmp/image | cut -d' ' -f1)
gadget_disk /tmp/image dummy_udc.1 || die "no disk"
modprobe -a usbip-core usbip-host vhci-hcd usb_storage sd_mod usbtest
fault_only usbip-core usbip-host vhci-hcd
start_usbipd
id=$(busid $ID)
disk=$(busid 0525:a4a5)
bind "$id" >/dev/null
bind "$disk" >/dev/null

# thread NAME: the process number of the only thread of that name
thread() {
	pgrep -x "$1" | tail -n 1
}
node() {
	local path
	path=$(devices_on remote $ID | head -n 1)
	[ -n "$path" ] || return 1
	wait_for 20 test -e "$path/${path##*/}:3.0/driver" || return 1
	printf '/dev/bus/usb/%03d/%03d' "$(cat "$path/busnum")" "$(cat "$path/devnum")"
}
again() {
	detach_all >/dev/null || return 1
	wait_for 30 host_is "$id" 1 || return 1
	attach "$id" $ID >/dev/null 2>&1 && NODE=$(node)
}
again || die "attach"

# The process that submits: every case with each of its allocations failing.
# exec keeps the number; a process of its own would not have it.
work_self() {
	echo "$1" >/proc/$BASHPID/fail-nth
	shift
	exec testusb -D "$NODE" "$@"
}
# works ROW..: run a case and believe what it says
works() {
	(work_self "$@") >/tmp/work.out 2>&1
	grep -q 'test .*secs' /tmp/work.out
}
rows='-t 1 -c 4 -s 512
-t 3 -c 3 -s 1024 -v 421
-t 7 -c 2 -s 4096 -g 8 -v 131
-t 9 -c 2
-t 10 -c 2 -g 8
-t 11 -c 4 -s 1024
-t 13 -c 2
-t 14 -c 2 -s 256 -v 17
-t 27 -c 2 -s 4096 -g 8'
while read -r row; do
	failed=0 streak=0
	for ((n = 1; n < 60 && streak < 4; n++)); do
		# shellcheck disable=SC2086
		works $n $row && streak=$((streak + 1)) || streak=0
		# shellcheck disable=SC2086
		works 0 $row || { again && works 0 $row; } || failed=$((failed + 1))
	done
	same "submit ($row): works again after each of $n" 0 $failed
done <<<"$rows"

# The threads. Each failure ends requests or the connection.
for name in vhci_rx vhci_tx stub_rx stub_tx; do
	failed=0 ended=0 hit=0
	for ((n = 1; n <= 40; n++)); do
		again || { failed=$((failed + 1)); continue; }
		pid=$(thread $name)
		echo $n >/proc/"$pid"/fail-nth 2>/dev/null || { failed=$((failed + 1)); continue; }
		for row in '-t 7 -c 3 -s 4096 -g 8 -v 131' '-t 9 -c 2' '-t 28 -c 2 -s 65536 -g 8' '-t 11 -c 4 -s 1024'; do
			# shellcheck disable=SC2086
			works 0 $row
			[ -e /proc/"$pid" ] || break
		done
		if [ -e /proc/"$pid" ]; then
			read -r left </proc/"$pid"/fail-nth
			[ "$left" = 0 ] && hit=$((hit + 1)) || break
		else
			ended=$((ended + 1))
		fi
	done
	same "$name: $hit failures survived, $ended connections ended, and it works again" 0 $failed
done

# Anywhere, at random, with data that can be compared.
again
path() {
	devices_on remote 0525:a4a5 | head -n 1
}
# bound: the disk is shared. When its connection ends it is reset, and a reset that fails for want of memory makes it
# come back as a new device. If there is no memory for our driver then, it is the machine's own until it is bound again.
bound() {
	wait_for 4 host_is "$disk" 1 || host_is "$disk" 2 || bind "$disk" >/dev/null 2>&1
}
wrong=0 hung=0 good=0
for ((round = 0; round < 16; round++)); do
	[ -n "$(path)" ] || { bound && within 60 usbip attach -r 127.0.0.1 -b "$disk" >/dev/null 2>&1; }
	wait_for 20 has_disk 0525:a4a5
	fault_random $((round % 8 + 1)) -1
	if disk_ready "$(path)"; then
		block=/dev/$(block_of "$(path)")
		echo 1 >/proc/sys/vm/drop_caches
		within 60 dd if="$block" bs=64k iflag=direct of=/tmp/read 2>/dev/null
		status=$?
		fault_off
		case $status in
			0) [ "$(sha256sum </tmp/read | cut -d' ' -f1)" = "$SUM" ] && good=$((good + 1)) || wrong=$((wrong + 1)) ;;
			137) hung=$((hung + 1)) ;;
		esac
	fi
	if [ $((round % 5)) = 4 ]; then
		fault_random 10 -1
		detach_all >/dev/null 2>&1
		within 60 usbip attach -r 127.0.0.1 -b "$disk" >/dev/null 2>&1
	fi
	fault_off
done
same "at random: $good of 16 reads were whole, and no data was wrong" 0 $wrong
same "at random: none hung" 0 $hung
fault_off
detach_all >/dev/null
check "it can be shared again" bound
wait_for 30 host_is "$disk" 1
check "afterwards it works" attach "$disk" 0525:a4a5
wait_for 30 has_disk 0525:a4a5
same "and the data is whole" "$SUM" "$(dd if="/dev/$(block_of "$(path)")" bs=64k iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
detach_all >/dev/null
wait_for 20 host_is "$id" 1
wait_for 20 host_is "$disk" 1
usbip unbind -b "$id" 2>/dev/null
usbip unbind -b "$disk" 2>/dev/null
rmmod usbtest
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
