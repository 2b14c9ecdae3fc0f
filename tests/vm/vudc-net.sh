# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 400
# debug: --smp 2
# modules: rust
#
# A network card made in software (NCM): its two ends are in network namespaces of their own, so that there is no
# other way from one to the other. A ping, a copy both ways, and the interface of the device down and up.

. /tests/lib.sh
. /tests/vudc.sh
ID=0525:b003
BYTES=1048576
modprobe vhci-hcd controllers=1
modprobe cdc_ncm
start_usbipd_device || die "usbipd does not start"
vudc_function net b003 ncm.net 0
far=$(cat /sys/kernel/config/usb_gadget/net/functions/ncm.net/ifname)
vudc_attach 0 $ID || die "attach failed"
path=$(devices_on remote $ID | head -n 1)
check "a network interface is there" wait_for 30 net_of "$path"
near=$(net_of "$path")

in_device() {
	ip netns exec device "$@"
}
ip netns add device
ip link set "$far" netns device
in_device ip address add 10.9.0.1/24 dev "$far"
in_device ip link set "$far" up
ip address add 10.9.0.2/24 dev "$near"
ip link set "$near" up
check "the other end answers" wait_for 60 ping -c 1 -W 5 10.9.0.1
check "every ping is answered" grep -q ' 0% packet loss' <<<"$(ping -c 5 -i 0.2 -s 1400 -W 20 10.9.0.1)"

head -c $BYTES /dev/urandom >/tmp/blob
listens() {
	in_device ss -ltn | grep -q ":$1 "
}
in_device timeout 120 socat -U TCP-LISTEN:5000 OPEN:/tmp/blob,rdonly &
wait_for 20 listens 5000
same "a copy from the device" "$(sha256sum </tmp/blob)" "$(timeout 120 socat -u TCP:10.9.0.1:5000 - | sha256sum)"
in_device timeout 120 socat -u TCP-LISTEN:5001 CREATE:/tmp/uploaded &
wait_for 20 listens 5001
timeout 120 socat -u OPEN:/tmp/blob TCP:10.9.0.1:5001
wait $!
check "a copy to the device" cmp /tmp/blob /tmp/uploaded

# A network function disables and enables its endpoints in one go when its interface goes down. The host, which queues
# transfers meanwhile, must not notice: an endpoint that is not there counts as halted, and all of it would be taken back.
errors() {
	cat "/sys/class/net/$near/statistics/"[rt]x_errors | xargs
}
sent() {
	cat "/sys/class/net/$near/statistics/tx_packets"
}
before=$(errors)
for _ in 1 2 3 4 5; do
	in_device ip link set "$far" down
	in_device ip link set "$far" up
	check "the other end answers after it was down" wait_for 60 ping -c 1 -W 5 10.9.0.1
done
# flood COMMAND..: UDP to the other end, as fast as it goes
flood() {
	while [ -e /tmp/flooding ]; do
		"$@" socat -u OPEN:/dev/zero,readbytes=1000000 "UDP-SENDTO:$TO:9" 2>/dev/null || sleep 0.01
	done
}
: >/tmp/flooding
calm=$(sent)
TO=10.9.0.1 flood env &
TO=10.9.0.2 flood in_device &
# The debug kernel takes its time for each.
[ "$VM_KERNEL" = debug ] && rounds=10 || rounds=100
for _ in $(seq $rounds); do
	in_device ip link set "$far" down
	in_device ip link set "$far" up
	sleep 0.05
done
rm /tmp/flooding
wait
flooded=$(($(sent) - calm))
check "there was load: $flooded packets" test $flooded -gt 100
check "the other end answers after it went under load" wait_for 60 ping -c 1 -W 5 10.9.0.1
same "errors of the near end meanwhile" "$before" "$(errors)"

detach_all >/dev/null
check "available again" wait_for 20 vudc_is 0 1
gadget_remove net
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
vudc_unload
finish
