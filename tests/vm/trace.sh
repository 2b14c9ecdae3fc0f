# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
#
# What developers see: the four events of both sides, and the debug messages behind usbip_debug.

. /tests/lib.sh
T=/sys/kernel/tracing
mountpoint -q $T || mount -t tracefs none $T
load_dummy high
gadget_zero
modprobe vhci-hcd
start_usbipd
id=$(busid 0525:a4a0)

same "events" "usbip_return usbip_session_state usbip_submit usbip_unlink" "$(ls -d $T/events/usbip/usbip_* | xargs -n 1 basename | sort | xargs)"
echo 1 >$T/events/usbip/enable
bind "$id" >/dev/null
attach "$id" 0525:a4a0
# Case 11 unlinks.
modprobe usbtest
path=$(devices_on remote 0525:a4a0 | head -n 1)
node=$(usbfs_node "$path")
wait_for 20 test -e "$path/${path##*/}:3.0/driver"
# On a busy machine it may be so quick that a request never left, or so slow that it is over.
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	testusb -D "$node" -t 11 -c 20 -s 1024 >/dev/null 2>&1
	! grep -q usbip_unlink $T/trace || break
done
echo "# unlinked something after $round rounds"
testusb -D "$node" -t 1 -c 5 -s 512 >/dev/null 2>&1
rmmod usbtest
detach_all >/dev/null
wait_for 20 host_is "$id" 1
echo 0 >$T/events/usbip/enable
cat $T/trace >/tmp/trace
devid=$(printf '%08x' $(($(cat $USB/$id/busnum) << 16 | $(cat $USB/$id/devnum))))

# events NAME REGEX: how many
events() {
	grep -cE "$1: $2\$" /tmp/trace
}
# fires NAME EVENT REGEX
fires() {
	check "$1" test "$(events "$2" "$3")" -gt 0
}
for role in host vhci; do
	same "all of $role's events name the device" 0 "$(grep "role=$role" /tmp/trace | grep -cv "devid=$devid")"
	fires "$role: submit of a control request" usbip_submit "role=$role devid=$devid seqnum=[0-9]+ ep=0 dir=in length=18"
	fires "$role: submit of a bulk request" usbip_submit "role=$role devid=$devid seqnum=[0-9]+ ep=[1-9] dir=out length=512"
	fires "$role: return" usbip_return "role=$role devid=$devid seqnum=[0-9]+ ep=[1-9] dir=out length=512 status=0"
	fires "$role: unlink" usbip_unlink "role=$role devid=$devid seqnum=[0-9]+ victim=[0-9]+ status=-?[0-9]+"
	same "$role: session" "idle>connected connected>closing closing>idle" \
		"$(sed -nE "s/.*usbip_session_state: role=$role devid=$devid from=([a-z]+) to=([a-z]+)\$/\1>\2/p" /tmp/trace | xargs)"
	# Every request that was passed on has ended, one way or the other.
	submits=$(events usbip_submit "role=$role .*")
	returns=$(events usbip_return "role=$role .*")
	check "$role: $returns of $submits requests came back" test $((submits - returns)) -ge 0 -a $((submits - returns)) -le 40
done
same "what one side sends, the other gets" \
	"$(sed -nE 's/.*usbip_submit: role=vhci (.*)/\1/p' /tmp/trace | sort | sha256sum)" \
	"$(sed -nE 's/.*usbip_submit: role=host (.*)/\1/p' /tmp/trace | sort | sha256sum)"

# Debug messages: none without a bit, some with each of them.
dmesg -n 1
round() {
	attach "$id" 0525:a4a0
	detach_all >/dev/null
	wait_for 20 host_is "$id" 1
}
# said: which lines of the kernel's log are debug messages of the modules
said() {
	dmesg -r | grep -cE '^<7>.* (usbip_core|usbip_host|vhci_hcd): '
}
dmesg -c >/dev/null
round
same "without a bit nothing is said" 0 "$(said)"
for bit in 0 1 2 3 8 9 10 11; do
	printf '%x' $((1 << bit)) >$VHCI/usbip_debug
	dmesg -c >/dev/null
	round
	check "bit $bit says something" test "$(said)" -gt 0
done
echo 0 >$USB/$id/usbip_debug
dmesg -c >/dev/null
round
same "and nothing any more" 0 "$(said)"

stop_usbipd
usbip unbind -b "$id" 2>/dev/null
check "no thread is left" wait_for 10 threads_gone
unload
finish
