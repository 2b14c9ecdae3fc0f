# SPDX-License-Identifier: GPL-2.0
# vm: --timeout 600
# modules: rust
#
# A disk over connections that programs carry, on either or both ends, over socketpairs and TCP.

. /tests/lib.sh
. /tests/ux.sh
. /tests/vudc.sh
ux_disk 8

for kind in pair tcp; do
	for ends in "ux-example kernel" "kernel ux-example" "ux-example ux-example" "ux-pump ux-example" "kernel ux-pump" \
		"ux-pump kernel"; do
		read -r host vhci <<<"$ends"
		name="$kind, host by $host, vhci by $vhci"
		ux_link $kind "$host" "$UX_ID" "$vhci" 0 3 || { not_ok "$name: link"; continue; }
		ux_read_all "$name" 0525:a4a5 "$UX_SUM"
		detach_all >/dev/null
		check "$name: the device is available again" wait_for 20 host_is "$UX_ID" 1
		check "$name: the programs end" wait_for 10 pumps_gone
	done
done

# Beside a connection that programs carry, the tools and their sockets are as ever.
head -c 1048576 /dev/urandom >/tmp/other
start_usbipd_device || die "usbipd does not start"
vudc_function other b001 mass_storage.0 0 lun.0/removable=1 lun.0/file=/tmp/other
ux_link pair ux-pump "$UX_ID" ux-pump 0 3 || not_ok "f7: link"
check "f7: usbip attach, while a node is linked" vudc_attach 0 0525:b001
same "f7: its connection is the kernel's" 1 "$(ss -tnH state established '( sport = :3240 )' | wc -l)"
ux_read_all "f7: over the kernel" 0525:b001 "$(sha256sum </tmp/other | cut -d' ' -f1)"
ux_read_all "f7: over the programs" 0525:a4a5 "$UX_SUM"
detach_all >/dev/null
check "f7: all is available again" wait_for 20 host_is "$UX_ID" 1
check "f7: the gadget, too" wait_for 20 vudc_is 0 1
check "f7: the programs end" wait_for 10 pumps_gone
stop_usbipd
gadget_remove other

check "nobody uses usbip-ux" wait_for 10 unused usbip-ux
check "no thread is left" wait_for 10 threads_gone
check "unbind" within 20 usbip unbind -b "$UX_ID" 2>/dev/null
check "usbip-ux unloads" within 20 rmmod usbip-ux
check "its node is gone" wait_for 10 test ! -e /dev/usbip-ux
check "usbip-vudc unloads" within 60 rmmod usbip-vudc
unload
finish
