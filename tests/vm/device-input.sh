# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 600
# vm: --qemu "-device qemu-xhci,id=xhci -device usb-kbd,bus=xhci.0,port=1 -device usb-tablet,bus=xhci.0,port=2 -device usb-hub,bus=xhci.0,port=3"
#
# A keyboard and a tablet: what is pressed and where it points arrives. A hub is refused by the tools and by the
# module.

. /tests/lib.sh
. /tests/devices.sh

# listen SYSPATH COUNT: record that many events of 24 bytes as lines of type, code, value
listen() {
	timeout 60 dd if="/dev/input/$(event_of "$1")" bs=24 count="$2" 2>/dev/null |
		od -An -v -tu2 -w24 | awk '{ print $9, $10, $11 + 65536 * $12 }' >/tmp/events
}

# input EVENT..: have QEMU produce them
input() {
	qmp "{\"execute\": \"input-send-event\", \"arguments\": {\"events\": [$1]}}" >/dev/null
}

# key NAME DOWN: such an event
key() {
	printf '{"type": "key", "data": {"down": %s, "key": {"type": "qcode", "data": "%s"}}}' "$2" "$1"
}

# A press and a release of A (30) are three events each: scan code, key, end of report.
use_keyboard() {
	local listener
	wait_for 20 event_of "$1" || return 1
	listen "$1" 6 &
	listener=$!
	sleep 1
	# In one breath, or the kernel repeats it.
	input "$(key a true), $(key a false)"
	wait $listener
	[ "$(awk '$1 == 1 { printf "%d=%d ", $2, $3 }' /tmp/events)" = "30=1 30=0 " ] && return 0
	sed 's/^/# event /' /tmp/events
	return 1
}

# X (0) goes somewhere else in each round, and QEMU says where in 32767ths of the width.
use_tablet() {
	local listener x=$((1000 + $2 * 100))
	wait_for 20 event_of "$1" || return 1
	listen "$1" 3 &
	listener=$!
	sleep 1
	input "{\"type\": \"abs\", \"data\": {\"axis\": \"x\", \"value\": $x}}, {\"type\": \"abs\", \"data\": {\"axis\": \"y\", \"value\": $((x + 7))}}"
	wait $listener
	[ "$(awk '$1 == 3 { printf "%d=%d ", $2, $3 }' /tmp/events)" = "0=$x 1=$((x + 7)) " ] && return 0
	sed 's/^/# event /' /tmp/events
	return 1
}

devices_start usbhid hid_generic evdev
wait_for 20 has_local 0627:0001 || die "no input devices"
wait_for 20 has_local 0409:55aa || die "no hub"
for path in "$USB"/*; do
	case $(cat "$path/product" 2>/dev/null) in
		*Keyboard*) keyboard=$(basename "$path") ;;
		*Tablet*) tablet=$(basename "$path") ;;
	esac
done
device_rounds usb-kbd "${keyboard:?}" 0627:0001 use_keyboard
device_rounds usb-tablet "${tablet:?}" 0627:0001 use_tablet

hub=$(busid 0409:55aa)
refuse "the tool does not bind a hub" within 20 usbip bind -b "$hub"
errno ok none "$HOST/match_busid" "add $hub" "a hub may be listed"
refuse "the module does not take a hub" fdwrite none "$HOST/bind" "$hub"
check "the hub keeps its driver" driver_is "$USB/$hub/$hub:1.0" hub
echo "$hub" >"$USB/$hub/driver/unbind"
got=$(fdwrite none "$HOST/bind" "$hub")
same "nor a hub without a driver" ENODEV "${got%% *}"
check "and a hub is not exported" test ! -e "$USB/$hub/usbip_status"
echo "del $hub" >"$HOST/match_busid"
echo "$hub" >/sys/bus/usb/drivers_probe
check "its driver takes it back" wait_for 10 driver_is "$USB/$hub/$hub:1.0" hub
devices_end
