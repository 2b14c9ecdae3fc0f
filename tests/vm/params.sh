# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
#
# What can be set: taken in range, refused out of it with a line that says what was wrong, and shown in sysfs.

ALL_CONTROLLERS=yes
. /tests/lib.sh

# refused MODULE PARAMETER VALUE RANGE..: the module does not load, and the log says why
refused() {
	local module=$1 name=$2 value=$3 range=$4
	dmesg -c >/dev/null
	refuse "$module $name=$value is refused" modprobe "$module" "$name=$value"
	check "  and the log says what is right" logged "parameter $name of \"${module//-/_}\" takes $range, not \"$value\""
	refuse "  and nothing is loaded" grep -q "^${module//-/_} " /proc/modules
}

for value in 0 16 256 4294967296 18446744073709551616 -1 x ''; do
	refused vhci-hcd ports "$value" "1 to 15"
done
for value in 0 33 288 -8 8x; do
	refused vhci-hcd controllers "$value" "1 to 32"
done
refused usbip-host max_transfer_mib 0 "1 to 2048"
refused usbip-host max_transfer_mib 2049 "1 to 2048"
for value in 0 257 -1 x; do
	refused usbip-vudc num "$value" "1 to 256"
done
refused usbip-vudc max_transfer_mib 0 "1 to 2048"
refused usbip-vudc max_transfer_mib 2049 "1 to 2048"
modprobe -r usbip-core
refused usbip-core link_timeout 3601 "0 to 3600"
refused usbip-core stall_timeout 3601 "0 to 3600"

# rows CONTROLLERS PORTS: number, hub and state of every port
rows() {
	local number=0 controller hub port
	for ((controller = 0; controller < $1; controller++)); do
		for hub in hs ss; do
			for ((port = 0; port < $2; port++)); do
				printf '%s %04u 004\n' $hub $number
				number=$((number + 1))
			done
		done
	done
}
# table CONTROLLERS: the same from the files
table() {
	local controller
	cat $VHCI/status
	for ((controller = 1; controller < $1; controller++)); do
		cat $VHCI/status.$controller
	done
}
shown() {
	table "$1" | awk '$1 != "hub" { print $1, $2, $3 }'
}

# The kernel has 63 buses, of which a controller takes two.
for size in '1 1' '2 4' '31 15'; do
	read -r controllers ports <<<"$size"
	check "$controllers controllers of $ports ports load" modprobe vhci-hcd controllers=$controllers ports=$ports
	same "  nports" $((controllers * ports * 2)) "$(cat $VHCI/nports)"
	same "  controllers" $controllers "$(ls -d /sys/devices/platform/vhci_hcd.* | wc -l)"
	same "  status files" $controllers "$(ls $VHCI/status $VHCI/status.* 2>/dev/null | wc -l)"
	check "  rows" cmp <(rows $controllers $ports) <(shown $controllers)
	same "  ports of the root hubs" "$ports $ports" "$(cat $VHCI/usb*/maxchild | xargs)"
	errno EINVAL unix-stream $VHCI/attach "$((controllers * ports * 2)) {} 65538 3"
	last=$((controllers * ports * 2 - 1))
	got=$(fdwrite -w 60 unix-stream $VHCI/attach "$last {} 65538 5")
	same "  the last port attaches" ok "${got%% *}"
	same "  and it is that one" $last "$(ports_used)"
	for name in ports controllers; do
		mode "$name" /sys/module/vhci_hcd/parameters/$name 444
		same "  $name in sysfs" "${!name}" "$(cat /sys/module/vhci_hcd/parameters/$name)"
	done
	check "  unloads with a device attached" within 60 rmmod vhci-hcd
done

# One more than there are buses for: the others work, and the tools are told.
check "32 controllers load" modprobe vhci-hcd controllers=32
same "  nports" 960 "$(cat $VHCI/nports)"
same "  the first is ready" 004 "$(port_state 0)"
same "  the last is not" 005 "$(port_state 959)"
errno EAGAIN unix-stream $VHCI/attach "959 {} 65538 5"
check "  unloads" within 60 rmmod vhci-hcd

for num in 1 256; do
	check "$num controllers for gadgets load" modprobe usbip-vudc num=$num max_transfer_mib=2048
	same "  and are there" $num "$(find /sys/class/udc -name 'usbip-vudc.*' | wc -l)"
	same "  num in sysfs" $num "$(cat /sys/module/usbip_vudc/parameters/num)"
	check "  unloads" within 60 rmmod usbip-vudc
done

check "usbip-core unloads" within 30 rmmod usbip-core
modprobe usbip-core link_timeout=0 stall_timeout=3600
P=/sys/module/usbip_core/parameters
same "link_timeout" 0 "$(cat $P/link_timeout)"
same "stall_timeout" 3600 "$(cat $P/stall_timeout)"
mode link_timeout $P/link_timeout 644
errno ok none $P/link_timeout '7\n'
same "link_timeout is changed" 7 "$(cat $P/link_timeout)"
errno ERANGE none $P/link_timeout '3601\n'
errno EINVAL none $P/link_timeout 'x\n'
same "link_timeout is as before" 7 "$(cat $P/link_timeout)"

# With the timeout set, the kernel itself guards the socket; with 0 it leaves it alone.
modprobe vhci-hcd
timers() {
	local got
	got=$(fdwrite -w 60 tcp-connected $VHCI/attach '0 {} 65538 3')
	[ "${got%% *}" = ok ] || echo "$got"
	ss -tno state established | grep -c 'timer:(keepalive'
	echo 0 >$VHCI/detach
	wait_for 20 ports_free
}
same "the socket is watched" 1 "$(timers)"
echo 0 >$P/link_timeout
same "the socket is left alone" 0 "$(timers)"
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
check "usbip-core unloads" within 60 rmmod usbip-core
finish
