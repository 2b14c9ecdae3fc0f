# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --smp 2 --mem 1024 --timeout 1200
#
# 64 devices at once, each on a connection of its own that programs carry, on the importing side of all and on both
# sides of every other one. Each is seen as what it is, all are used at the same time, and all of them go at once.

ALL_CONTROLLERS=yes
. /tests/lib.sh
. /tests/vudc.sh
. /tests/ux.sh
# The debug kernel takes its time for each.
[ "$VM_KERNEL" = debug ] && COUNT=16 || COUNT=64
modprobe usbip-vudc num=$COUNT
modprobe -a vhci-hcd usbip-ux
wait_for 10 test -c /dev/usbip-ux || die "no /dev/usbip-ux"

# The ports of SuperSpeed, over all controllers.
mapfile -t ports < <(cat $VHCI/status* | awk '$1 == "ss" { print $2 + 0 }')
product() {
	printf 'c0%02x' "$1"
}
pumps=()
linked=0
for ((n = 0; n < COUNT; n++)); do
	vudc_function "many$n" "$(product $n)" SourceSink.$n $n || die "no gadget $n"
	((n % 2)) && host=ux-pump || host=kernel
	line=$(uxlink pair $host "$VUDC.$n/usbip_sockfd" '{}' ux-pump $VHCI/attach "${ports[n]} {} $((65538 + n)) 5") || continue
	read -r first second <<<"$line"
	pumps+=("$first" "$second")
	linked=$((linked + 1))
done
same "connections" $COUNT $linked

all_here() {
	local n
	for ((n = 0; n < COUNT; n++)); do
		has_remote "0525:$(product $n)" || return 1
	done
}
check "all devices are there" wait_for 300 all_here
same "ports in use" $COUNT "$(ports_used | wc -l)"
same "nodes in use" $((COUNT + COUNT / 2)) "$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c 'usbip-ux$')"
same "each in use on its side" $COUNT "$(cat $VUDC.*/usbip_status | grep -cx 2)"

# What the source sends, of all at the same time.
for ((n = 0; n < COUNT; n++)); do
	(
		path=$(devices_on remote "0525:$(product $n)")
		[ -n "$path" ] || exit 1
		node=$(usbfs_node "$path")
		usbio "$node" claim:0 in:0x81:16384 in:0x81:16384 in:0x81:16384 in:0x81:16384 >"/tmp/data.$n" 2>&1
	) &
	readers[n]=$!
done
read_well=0
for ((n = 0; n < COUNT; n++)); do
	wait "${readers[n]}" && [ "$(sort -u "/tmp/data.$n" | grep -c '^0*$')" = 1 ] &&
		[ "$(tr -d '\n' <"/tmp/data.$n" | wc -c)" = 131072 ] && read_well=$((read_well + 1))
done
same "64 KiB were read from each" $COUNT $read_well

detach_all >/dev/null
check "all ports are free" wait_for 60 ports_free
all_gone() {
	local group
	for group in "${pumps[@]}"; do
		group_gone "$group" || return 1
	done
}
check "the programs end" wait_for 60 all_gone
check "nobody uses usbip-ux" wait_for 20 unused usbip-ux
check "no thread is left" wait_for 20 threads_gone
check "usbip-ux unloads" within 20 rmmod usbip-ux
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
check "usbip-vudc unloads with all its gadgets" within 120 rmmod usbip-vudc
check "usbip-core unloads" within 60 rmmod usbip-core
forget_gadget_leaks
finish
