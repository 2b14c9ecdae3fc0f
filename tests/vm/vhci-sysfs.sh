# SPDX-License-Identifier: GPL-2.0
#
# Every file of vhci_hcd.0: mode, text to the byte, and the errno of every bad write.

ALL_CONTROLLERS=yes
. /tests/lib.sh
modprobe vhci-hcd

same "nports" 240 "$(cat $VHCI/nports)"
same "eight controllers" 8 "$(ls -d /sys/devices/platform/vhci_hcd.* | wc -l)"
mode nports $VHCI/nports 444
mode attach $VHCI/attach 200
mode detach $VHCI/detach 200
mode usbip_debug $VHCI/usbip_debug 644
same "driver of vhci_hcd.0" vhci_hcd "$(basename "$(readlink $VHCI/driver)")"
same "subsystem of vhci_hcd.0" platform "$(basename "$(readlink $VHCI/subsystem)")"
same "files are on controller 0 only" "" "$(ls /sys/devices/platform/vhci_hcd.1 | grep -xE 'nports|status.*|attach|detach|usbip_debug')"

# The idle table: header, 15 high-speed rows, 15 SuperSpeed rows.
idle() {
	local port
	printf 'hub port sta spd dev      sockfd local_busid\n'
	for ((port = $1 * 30; port < $1 * 30 + 15; port++)); do
		printf 'hs  %04u 004 000 00000000 000000 0-0\n' "$port"
	done
	for (( ; port < $1 * 30 + 30; port++)); do
		printf 'ss  %04u 004 000 00000000 000000 0-0\n' "$port"
	done
}
for n in 0 1 2 3 4 5 6 7; do
	file=$VHCI/status
	[ $n = 0 ] || file=$VHCI/status.$n
	mode "$(basename $file)" $file 444
	same "size of $(basename $file)" 1155 "$(cat $file | wc -c)"
	check "text of $(basename $file)" cmp <(idle $n) $file
done
refuse "no ninth status file" test -e $VHCI/status.8

# attach: port sockfd devid speed
A=$VHCI/attach
errno EINVAL unix-stream $A ''$'\n'
errno EINVAL unix-stream $A 'x'
errno EINVAL unix-stream $A '0'
errno EINVAL unix-stream $A '0 {}'
errno EINVAL unix-stream $A '0 {} 65538'
errno EINVAL unix-stream $A '0 {} 65538 x'
errno EINVAL unix-stream $A '0,{},65538,3'
errno EINVAL unix-stream $A '240 {} 65538 3'
errno EINVAL unix-stream $A '4294967295 {} 65538 3'
for speed in 0 7 8 99 4294967295; do
	errno EINVAL unix-stream $A "0 {} 65538 $speed"
done
for kind in closed file pipe unix-dgram unix-seqpacket udp; do
	errno EINVAL $kind $A '0 {} 65538 3'
done
errno EINVAL none $A '0 4294967295 65538 3'
check "no failed attach took a port" ports_free

# What is taken: any stream socket, whatever follows the numbers, all six speeds, and all of the write counts.
port=0
for kind in unix-stream tcp-connected; do
	text="$port {} 65538 3"
	got=$(fdwrite -w 20 $kind $A "$text")
	# The number of the descriptor is one digit, "{}" two.
	same "attach of $kind counts every byte" "ok $((${#text} - 1))" "$got"
	same "port $port is being initialised" 005 "$(port_state $port)"
	same "its row" "hs  000$port 005 000 00000000 000000 0-0" "$(grep "^hs  000$port" $VHCI/status)"
	errno EBUSY unix-stream $A "$port {} 65538 3"
	errno EINVAL file $A "$port {} 65538 3"
	port=$((port + 1))
done
errno ok tcp $A '9 {} 65538 3'
errno EBUSY unix-stream $A " 0	{}  65538	3x" "any space between the numbers, anything behind: EBUSY"
for row in '2 1 2' '3 2 3' '4 4 4' '5 3 5' '23 3 8' '6 5 21' '7 6 22' '30 3 30' '31 5 46'; do
	read -r port speed used <<<"$row"
	got=$(fdwrite -w 20 unix-stream $A "$port {} 65538 $speed junk
")
	same "attach to $port at speed $speed" "ok" "${got%% *}"
	same "  is on port $used" 005 "$(port_state "$used")"
done

# detach
D=$VHCI/detach
for text in 'x' '0x' '1.5' '240' '-1' '-240' '4294967296' '99999999999' '239' '0 0' '\n'; do
	errno EINVAL none $D "$text"
done
same "ports 0 and 1 are still there" "005 005" "$(port_state 0) $(port_state 1)"
errno ok none $D '+0' "a sign is taken"
errno ok none $D '1\n'
for port in 2 3 4 5 8 21 22 30 46; do
	errno ok none $D $port
done
check "all ports become free" wait_for 40 ports_free
errno EINVAL none $D 0 "detach of a free port: EINVAL"

# Devices: their rows to the byte, with the number that the descriptor had.
load_dummy super 2
gadget_zero dummy_udc.0 zero
gadget_zero dummy_udc.1 slower high-speed
two_local() {
	[ "$(devices_on local 0525:a4a0 | wc -l)" = 2 ]
}
wait_for 20 two_local
modprobe usbip-host
in_use() {
	[ "$(port_state "$1")" = 006 ]
}
# import SPEED PORT NUMBER HUB: attach the gadget of that speed; the row that it should have is left in $row
import() {
	local path devid port=$2 remote
	for path in $(devices_on local 0525:a4a0); do
		[ "$(cat "$path/speed")" != "$1" ] || break
	done
	bind "$(basename "$path")" >/dev/null
	devid=$(printf '%04x%04x' "$(cat "$path/busnum")" "$(cat "$path/devnum")")
	# Without what this shell has as its third, the descriptors are 3 and 4.
	same "$1: both sides take a socket" "ok ok" "$(fdwrite unix-stream $A "$port {} $((0x$devid)) $3" "$path/usbip_sockfd" '{}\n' 3<&- | cut -d' ' -f1 | xargs)"
	check "$1: it is in use" wait_for 20 in_use "$port"
	wait_for 20 has_remote 0525:a4a0
	remote=$(devices_on remote 0525:a4a0 | tail -n 1)
	row=$(printf '%s  %04u 006 %03u %s 000003 %s' "$4" "$port" "$3" "$devid" "$(basename "$remote")")
}
import 480 0 3 hs
check "the table with a high-speed device" cmp <(idle 0 | sed "s/^hs  0000.*/$row/") $VHCI/status
echo 0 >$D
wait_for 20 ports_free && wait_for 20 no_imports
import 5000 18 5 ss
check "the table with a SuperSpeed device" cmp <(idle 0 | sed "s/^ss  0018.*/$row/") $VHCI/status
echo 18 >$D
check "and back to the idle one" wait_for 20 cmp <(idle 0) $VHCI/status
check "the other tables never changed" cmp <(idle 1) $VHCI/status.1

# One flag, two files.
flag=/sys/module/usbip_core/parameters/usbip_debug_flag
mode usbip_debug_flag $flag 644
same "usbip_debug_flag at first" 0 "$(cat $flag)"
same "usbip_debug at first" 0 "$(cat $VHCI/usbip_debug)"
errno ok none $VHCI/usbip_debug 'ff\n'
same "hex in usbip_debug" ff "$(cat $VHCI/usbip_debug)"
same "decimal in usbip_debug_flag" 255 "$(cat $flag)"
echo 16 >$flag
same "the parameter shows in usbip_debug" 10 "$(cat $VHCI/usbip_debug)"
errno EINVAL none $VHCI/usbip_debug 'zz'
errno EINVAL none $VHCI/usbip_debug '\n'
errno ok none $VHCI/usbip_debug '0x1f'
same "a prefix is taken" 1f "$(cat $VHCI/usbip_debug)"
errno ok none $VHCI/usbip_debug ' eg'
same "what follows the number is not looked at" e "$(cat $VHCI/usbip_debug)"
errno ok none $VHCI/usbip_debug '0'

check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
refuse "the platform devices are gone" test -e $VHCI
check "vhci-hcd loads again" modprobe vhci-hcd
same "nports again" 240 "$(cat $VHCI/nports)"
finish
