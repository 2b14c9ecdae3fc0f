# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 400
# debug: --append no_debug_objects
# kernels: debug
# modules: rust
#
# Allocations below functions of ours fail while requests flow: in the process that submits, in each of the four
# threads of a connection one by one, and anywhere at random. A request fails, or a connection ends, but what is
# read is never wrong, nothing hangs, and the next connection works.

. /tests/lib.sh
. /tests/fault.sh
ID=0525:a4a0
DISK=0525:a4a5
load_dummy high 2
gadget_zero dummy_udc.0 || die "no Gadget Zero"
head -c 524288 /dev/urandom >/tmp/image
SUM=$(sha256sum </tmp/image | cut -d' ' -f1)
gadget_disk /tmp/image dummy_udc.1 || die "no disk"
modprobe -a usbip-core usbip-host vhci-hcd usb_storage sd_mod usbtest
fault_only usbip-core usbip-host vhci-hcd
id=$(busid $ID)
disk=$(busid $DISK)
bind "$id" >/dev/null
bind "$disk" >/dev/null

lost=0
# works N ROW..: run a case and believe what it says
works() {
	local n=$1
	shift
	testusb_row "$n" "$NODE" "$@"
	local status=$?
	[ -z "$FAULT_LOST" ] || { lost=$((lost + 1)); echo "# lost: $* after allocation $n"; }
	return $status
}
again() {
	disconnect && available "$id" && connect "$id" && wait_for 10 test_node $ID && NODE=$(test_node $ID)
}
again || die "no connection"

# The process that submits, until it has no more allocations. The table of a port has its first sixteen places
# since the device was enumerated, so what needs more is asked of a new connection each time.
# submits NEW ROW..
submits() {
	local new=$1 n failed=0 hits=0 worked misses=0
	shift
	for ((n = 1; n < 200; n++)); do
		[ "$new" = no ] || again || failed=$((failed + 1))
		works $n "$@"
		worked=$?
		if [ -z "$FAULT_HIT" ]; then
			[ $worked != 0 ] || break
			# The failure before may have cost the connection later.
			[ $((misses += 1)) -lt 5 ] && again || { failed=$((failed + 1)); break; }
			n=$((n - 1))
			continue
		fi
		hits=$((hits + 1))
		[ $worked = 0 ] || works 0 "$@" || { again && works 0 "$@"; } || failed=$((failed + 1))
	done
	exhausted "submit ($*)" $n 200
	same "submit ($*): works again after each of $hits failures" 0 $failed
	SUBMITS=$hits
}
while read -r new row; do
	# shellcheck disable=SC2086
	submits "$new" $row
	check "submit ($row): allocations failed" test $SUBMITS != 0
done <<'ROWS'
no -t 1 -c 1 -s 512
no -t 3 -c 1 -s 1024 -v 421
no -t 7 -c 1 -s 4096 -g 4 -v 131
no -t 14 -c 1 -s 64 -v 17
no -t 11 -c 1 -s 1024
no -t 12 -c 1 -s 1024
yes -t 27 -c 1 -s 512 -g 20
ROWS

# The threads.
new() {
	available "$id" && connect "$id"
}
for name in vhci_rx vhci_tx stub_rx stub_tx; do
	in_new_thread $name 6 new
	while read -r row; do
		# shellcheck disable=SC2086
		in_thread $name 60 $row
	done <<-'ROWS'
		-t 10 -c 1 -g 2
		-t 27 -c 1 -s 65536 -g 1
		-t 28 -c 1 -s 65536 -g 1
		-t 11 -c 1 -s 1024
		-t 24 -c 1 -s 1024 -g 4
	ROWS
	# Small answers need no memory at all.
	[ $name = vhci_rx ] && least=1 || least=10
	threads_done $name $least
done
same "every request came back" 0 $lost

# What a client of our own cannot be made to say at will: requests that are refused, with packets to be sent back, and
# unlinks of what is done, and of what is still to come.
hex() {
	printf '%08x' "$@"
}
devid=$((($(<"$USB/$id/busnum") << 16) + $(<"$USB/$id/devnum")))
# submit SEQNUM ENDPOINT LENGTH PACKETS INTERVAL SETUP: a read
submit() {
	hex 1 "$1" $devid 1 "$2" 0 "$3" 0 "$4" "$5"
	printf '%s' "$6"
}
# unlink SEQNUM TARGET
unlink() {
	hex 2 "$1" $devid 0 0 "$2" 0 0 0 0 0 0
}
{
	submit 1 15 16 2 1 0000000000000000
	hex 0 8 0 0 8 8 0 0
	unlink 2 1
	unlink 4 3
	submit 3 0 18 0 0 8006000100001200
	submit 5 0 18 0 0 8006000100001200
} | sed 's/../\\x&/g' >/tmp/pdus
# shellcheck disable=SC2059
printf "$(cat /tmp/pdus)" >/tmp/said
# A header each, two packets, and the data of the last one, unless there was no memory for it.
ANSWERS=$((4 * 48 + 2 * 16))
DATA=18
cat >/tmp/client <<'SCRIPT'
exec 3<&0
cat <&3 >/tmp/heard &
until [ -e /tmp/go ]; do
	sleep 0.1
done
cat /tmp/said
wait
SCRIPT
socat TCP-LISTEN:9998,fork,reuseaddr 'EXEC:sh /tmp/client' 2>/dev/null &
client=$!
wait_for 10 listening 9998
heard() {
	[ "$(stat -c %s /tmp/heard)" -ge $ANSWERS ] || host_is "$id" 1
}
raw_connection() {
	rm -f /tmp/go /tmp/heard
	available "$id" || return 1
	exec 5<>/dev/tcp/127.0.0.1/9998
	echo 5 >"$USB/$id/usbip_sockfd"
	exec 5>&-
	wait_for 10 tasks stub_rx && wait_for 10 test -e /tmp/heard
}
disconnect
for name in stub_rx stub_tx; do
	hits=0 ended=0 failed=0
	for ((n = 1; n < 60; n++)); do
		raw_connection || { failed=$((failed + 1)); break; }
		fault_count
		before=$FAULT_COUNT
		arm $n "$(tasks $name)" || { failed=$((failed + 1)); break; }
		: >/tmp/go
		wait_for 10 heard
		size=$(stat -c %s /tmp/heard)
		faults_since "$before"
		if host_is "$id" 1; then
			ended=$((ended + 1))
		else
			echo -1 >"$USB/$id/usbip_sockfd"
			[ "$size" = $ANSWERS ] || [ "$size" = $((ANSWERS + DATA)) ] ||
				{ failed=$((failed + 1)); echo "# $name: allocation $n: $size bytes of answers"; }
		fi
		[ -n "$FAULT_HIT" ] || break
		hits=$((hits + 1))
	done
	exhausted "$name" $n 60
	same "$name: of $hits failures $ended end the connection, the others leave no request without an answer" 0 $failed
	same "$name: without a failure all is answered" $((ANSWERS + DATA)) "$size"
	check "$name: allocations failed" test $hits -gt 3
done
kill $client

# Anywhere, at random, with data that can be compared. A disk that does not appear has met a failure, and gets a new
# connection at once; so does one that failed.
wrong=0 hung=0 good=0 bad=0 none=0
disconnect
path() {
	devices_on remote $DISK | head -n 1
}
fresh_disk() {
	disconnect && available "$disk" && connect "$disk" && wait_for 30 has_disk $DISK
}
fault_count
before=$FAULT_COUNT
for ((round = 0; round < 12; round++)); do
	if ! has_disk $DISK; then
		# Every other connection begins with failures.
		[ $((round % 2)) = 0 ] || fault_random 1
		fresh_disk
		fault_off
	fi
	if disk_ready "$(path)"; then
		block=/dev/$(block_of "$(path)")
		fault_random $((round % 4 + 1))
		within 20 dd if="$block" bs=64k iflag=direct of=/tmp/read 2>/dev/null
		status=$?
		fault_off
		case $status in
			0) [ "$(sha256sum </tmp/read | cut -d' ' -f1)" = "$SUM" ] && good=$((good + 1)) || wrong=$((wrong + 1)) ;;
			137) hung=$((hung + 1)) ;;
			*) bad=$((bad + 1)); disconnect ;;
		esac
	else
		none=$((none + 1))
	fi
done
fault_count
same "at random: of 12 reads $good were whole, $bad failed, $none had no disk, and no data was wrong" 0 $wrong
same "at random: none hung" 0 $hung
check "at random: $((FAULT_COUNT - before)) allocations failed" test $((FAULT_COUNT - before)) -ge 12
check "at random: some reads were whole" test $good != 0
check "afterwards it works" fresh_disk
same "and the data is whole" "$SUM" "$(dd if="/dev/$(block_of "$(path)")" bs=64k iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
disconnect
available "$disk"
usbip unbind -b "$id" 2>/dev/null
usbip unbind -b "$disk" 2>/dev/null
# usbtest does not free what it could not submit.
forget_leaks unlink1
rmmod usbtest
check "no thread is left" wait_for 10 threads_gone
unload
finish
