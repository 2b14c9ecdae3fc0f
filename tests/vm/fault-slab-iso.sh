# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 300 --qemu "-device qemu-xhci,id=xhci -audiodev none,id=speaker -device usb-audio,audiodev=speaker,bus=xhci.0"
# debug: --append no_debug_objects
# kernels: debug
# modules: rust
#
# Allocations below functions of ours fail while isochronous packets flow: from and to a Gadget Zero on usbip-vudc, and to
# a sound card behind usbip-host. Packets are lost, or a connection ends; nothing hangs, and the next connection works.

. /tests/lib.sh
. /tests/iso.sh
. /tests/vudc.sh
. /tests/fault.sh
ID=0525:a4a0
CARD=46f4:0002
modprobe -a xhci_pci snd_usb_audio udc-core
# Side by side, so that only these can fail.
modprobe -a usbip-core usbip-host vhci-hcd usbip-vudc
# The second setting of the interface is the one with isochronous endpoints.
modprobe usbtest alt=1
vudc_zero high-speed
fault_only usbip-core usbip-host usbip-vudc vhci-hcd

lost=0
works() {
	local n=$1 status
	shift
	testusb_row "$n" "$NODE" "$@"
	status=$?
	[ -z "$FAULT_LOST" ] || { lost=$((lost + 1)); echo "# lost: $*"; }
	return $status
}
new() {
	wait_for 10 vudc_is 0 1 && connect_to $VUDC.0/usbip_sockfd 65538 3
}
again() {
	disconnect && new && wait_for 10 test_node $ID && NODE=$(test_node $ID)
}
for row in '-t 15 -c 1 -s 4096 -g 2' '-t 16 -c 1 -s 4096 -g 2'; do
	# A connection keeps the memory of its transfers.
	again || die "no connection"
	hits=0 failed=0 misses=0
	for ((n = 1; n < 60; n++)); do
		# shellcheck disable=SC2086
		works $n $row
		worked=$?
		if [ -z "$FAULT_HIT" ]; then
			[ $worked != 0 ] || break
			# The failure before may have cost the connection later.
			[ $((misses += 1)) -lt 5 ] && again || { failed=$((failed + 1)); break; }
			n=$((n - 1))
			continue
		fi
		hits=$((hits + 1))
		# shellcheck disable=SC2086
		[ $worked = 0 ] || works 0 $row || { again && works 0 $row; } || failed=$((failed + 1))
	done
	exhausted "submit ($row)" $n 60
	same "submit ($row): works again after each of $hits failures" 0 $failed
	check "submit ($row): allocations failed" test $hits != 0
done
for name in vhci_rx vhci_tx vudc_rx vudc_tx; do
	in_new_thread $name 6 new
	while read -r row; do
		# shellcheck disable=SC2086
		in_thread $name 12 $row
	done <<-'ROWS'
		-t 15 -c 1 -s 4096 -g 2
		-t 16 -c 1 -s 4096 -g 2
		-t 28 -c 1 -s 65536 -g 2
		-t 11 -c 1 -s 1024
	ROWS
	# Small answers need no memory at all.
	[ $name = vhci_rx ] && least=1 || least=10
	threads_done $name $least
done
same "every request came back" 0 $lost
disconnect
wait_for 10 vudc_is 0 1
gadget_remove zero

# The card.
wait_for 30 has_local $CARD || die "no sound card"
id=$(busid $CARD)
bind "$id" >/dev/null
pcm make /tmp/clip 2 2400
HITS=() ENDS=() FAILS=()
works() {
	within 20 pcm play "$CARD_NODE" 2 /tmp/clip >/dev/null 2>&1
	local status=$?
	[ $status != 137 ] || { not_ok "hangs: pcm"; }
	return $status
}
card() {
	CARD_NODE=$(sound_node "$(devices_on remote $CARD | head -n 1)" p)
}
new() {
	available "$id" && connect "$id"
}
again() {
	disconnect && new && wait_for 20 card
}
again || die "the card does not attach"
check "a clip is played" works 0
for name in stub_rx stub_tx; do
	in_thread $name 8 all
	threads_done $name 8
done
disconnect
available "$id"
usbip unbind -b "$id" 2>/dev/null
rmmod usbtest
check "no thread is left" wait_for 10 threads_gone
check "usbip-vudc unloads" within 60 rmmod usbip-vudc
unload
finish
