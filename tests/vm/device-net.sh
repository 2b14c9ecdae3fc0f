# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 900
# vm: --qemu "-device qemu-xhci,id=xhci -netdev hubport,id=near,hubid=0 -device usb-net,bus=xhci.0,netdev=near,mac=52:54:00:00:01:01"
# vm: --qemu "-netdev hubport,id=far,hubid=0 -device virtio-net-pci,netdev=far,mac=52:54:00:00:01:02,romfile="
#
# A network adapter, imported, with a peer on its wire that can be reached over that wire only: a ping, and a copy
# both ways.

. /tests/lib.sh
. /tests/devices.sh
BYTES=1048576

in_peer() {
	ip netns exec peer "$@"
}

peer_listens() {
	in_peer ss -ltn | grep -q ':5001 '
}

use_net() {
	local near
	wait_for 30 net_of "$1" || return 1
	near=$(net_of "$1")
	ip address add 10.9.0.2/24 dev "$near" && ip link set "$near" up || return 1
	wait_for 30 ping -c 1 -W 5 10.9.0.1 || return 1
	ping -c 5 -i 0.2 -W 10 10.9.0.1 | grep -q ' 0% packet loss' || return 1
	# Down, then up.
	[ "$(timeout 120 socat -u TCP:10.9.0.1:5000 - | sha256sum)" = "$(sha256sum </tmp/blob)" ] || return 1
	rm -f /tmp/uploaded
	in_peer timeout 120 socat -u TCP-LISTEN:5001,reuseaddr CREATE:/tmp/uploaded &
	wait_for 20 peer_listens || return 1
	timeout 120 socat -u OPEN:/tmp/blob TCP:10.9.0.1:5001 || return 1
	wait $! && cmp /tmp/blob /tmp/uploaded
}

devices_start usbnet cdc_ether rndis_host virtio_pci virtio_net
ip netns add peer
wait_for 20 test -e /sys/class/net/eth0 || die "no network card"
for near in /sys/class/net/*; do
	[ "$(cat "$near/address")" = 52:54:00:00:01:02 ] && far=${near##*/}
done
ip link set "${far:?}" netns peer
in_peer ip address add 10.9.0.1/24 dev "$far"
in_peer ip link set "$far" up
head -c $BYTES /dev/urandom >/tmp/blob
in_peer socat -U TCP-LISTEN:5000,reuseaddr,fork OPEN:/tmp/blob,rdonly &
server=$!
wait_for 20 has_local 0525:a4a2 || die "no adapter"
device_rounds usb-net "$(busid 0525:a4a2)" 0525:a4a2 use_net
kill $server
devices_end
