# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Devices that QEMU has on real host controllers, shared over the loopback and used. Runs in the machine, after
# lib.sh. ROUNDS says how often each is attached, used and detached: a few by default, 50 in a full run.

ROUNDS=${ROUNDS:-4}

# devices_start MODULE..: both sides are there, and the drivers of the devices
devices_start() {
	modprobe -a xhci_pci ehci_pci vhci-hcd "$@" || die "modprobe $*"
	start_usbipd || die "usbipd does not start"
}

# device_rounds NAME BUSID ID USE: attach, USE the imported device at the path given to it, detach, ROUNDS times.
# In between the device goes back to its local driver twice.
device_rounds() {
	local name=$1 id=$2 product=$3 use=$4 round path good=0 began=$SECONDS
	bind "$id" >/dev/null || { not_ok "$name: bind"; return; }
	for ((round = 1; round <= ROUNDS; round++)); do
		if ! attach "$id" "$product" >/dev/null; then
			not_ok "$name: attach in round $round"
			break
		fi
		path=$(devices_on remote "$product" | head -n 1)
		"$use" "$path" "$round" || { not_ok "$name: $use in round $round"; break; }
		host_is "$id" 2 || { not_ok "$name: in use in round $round" "$(host_status "$id")"; break; }
		detach_all >/dev/null || { not_ok "$name: detach in round $round"; break; }
		wait_for 20 host_is "$id" 1 || { not_ok "$name: available after round $round" "$(host_status "$id")"; break; }
		if ((round == 1 || round == ROUNDS / 2)); then
			within 20 usbip unbind -b "$id" >/dev/null 2>&1 || { not_ok "$name: unbind in round $round"; break; }
			wait_for 10 test ! -e "$USB/$id/usbip_status" || { not_ok "$name: local again in round $round"; break; }
			wait_for 20 local_at_rest "$id" || { not_ok "$name: at rest in round $round"; break; }
			bind "$id" >/dev/null || { not_ok "$name: bind again in round $round"; break; }
		fi
		good=$round
	done
	same "$name: rounds of attach, use, detach" "$ROUNDS" "$good"
	echo "# $name: $good rounds took $((SECONDS - began)) s"
	detach_all >/dev/null
	check "$name: unbind" within 20 usbip unbind -b "$id" 2>/dev/null
	check "$name: no thread is left" wait_for 10 threads_gone
}

# local_at_rest BUSID: its own driver does not talk to the device any more. A driver that is taken away in the middle
# of a command leaves QEMU's UAS disk with an answer that the next one stumbles over; nobody resets it in between.
local_at_rest() {
	[ -z "$(find "$USB/$1/" -maxdepth 2 -name 'host[0-9]*')" ] || disk_ready "$(readlink -f "$USB/$1")"
}

# devices_end: everything goes, which it does only if nothing holds it
devices_end() {
	stop_usbipd
	unload
	finish
}

# busid_of_serial TEXT: the local device with that serial number
busid_of_serial() {
	local path
	for path in "$USB"/*; do
		[ "$(cat "$path/serial" 2>/dev/null)" = "$1" ] || continue
		case $(readlink -f "$path") in
			*/vhci_hcd.*) ;;
			*) basename "$path" && return ;;
		esac
	done
	return 1
}
