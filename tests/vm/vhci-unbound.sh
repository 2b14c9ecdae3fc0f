# SPDX-License-Identifier: GPL-2.0
#
# A controller without a driver: its ports answer EAGAIN and its table says so.

. /tests/lib.sh
modprobe vhci-hcd
echo vhci_hcd.1 >/sys/bus/platform/drivers/vhci_hcd/unbind
errno EAGAIN unix-stream $VHCI/attach '30 {} 65538 3'
errno EAGAIN unix-stream $VHCI/attach '59 {} 65538 5'
errno EAGAIN none $VHCI/detach 30
absent() {
	local port hub
	printf 'hub port sta spd dev      sockfd local_busid\n'
	for ((port = 30; port < 60; port++)); do
		hub=hs
		[ $port -lt 45 ] || hub=ss
		printf '%s  %04u 005 000 00000000 0000000000000000 0-0\n' $hub $port
	done
}
check "the table of a controller without a driver" cmp <(absent) $VHCI/status.1
same "the others are as before" 004 "$(port_state 0)"
got=$(fdwrite -w 60 unix-stream $VHCI/attach '0 {} 65538 3')
same "the others still attach" ok "${got%% *}"
errno ok none $VHCI/detach 0
echo vhci_hcd.1 >/sys/bus/platform/drivers/vhci_hcd/bind
same "after bind the table is back" 004 "$(port_state 30)"
got=$(fdwrite -w 60 unix-stream $VHCI/attach '30 {} 65538 3')
same "after bind it attaches" ok "${got%% *}"
errno ok none $VHCI/detach 30
check "all ports become free" wait_for 30 ports_free
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
finish
