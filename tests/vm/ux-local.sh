# SPDX-License-Identifier: GPL-2.0
# vm: --timeout 600
# modules: rust
#
# A disk over connections that programs carry, on either or both ends, over socketpairs and TCP.

. /tests/lib.sh
. /tests/ux.sh
ux_disk 8

for kind in pair tcp; do
	for ends in "ux-example kernel" "kernel ux-example" "ux-example ux-example"; do
		read -r host vhci <<<"$ends"
		name="$kind, host by $host, vhci by $vhci"
		ux_link $kind "$host" "$UX_ID" "$vhci" 0 3 || { not_ok "$name: link"; continue; }
		ux_read_all "$name" 0525:a4a5 "$UX_SUM"
		detach_all >/dev/null
		check "$name: the device is available again" wait_for 20 host_is "$UX_ID" 1
		check "$name: the programs end" wait_for 10 pumps_gone
	done
done

check "nobody uses usbip-ux" wait_for 10 unused usbip-ux
check "no thread is left" wait_for 10 threads_gone
check "unbind" within 20 usbip unbind -b "$UX_ID" 2>/dev/null
check "usbip-ux unloads" within 20 rmmod usbip-ux
check "its node is gone" wait_for 10 test ! -e /dev/usbip-ux
unload
finish
