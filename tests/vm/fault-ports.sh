# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 900 --mem 1024
# debug: --smp 2
# once: yes
# modules: rust
#
# All 240 ports at once, attached and detached a hundred times, with peers that never answer, and four real devices
# ten times. The debug kernel, on which a round takes many times as long, does ten of the hundred.

ALL_CONTROLLERS=yes
. /tests/lib.sh
. /tests/fault.sh
ROUNDS=${ROUNDS:-$(full && echo 10 || echo 100)} TOGETHER=4 DEVICES=10
modprobe vhci-hcd
all_ports() {
	[ "$(ports_used | wc -l)" = 240 ]
}
# Most of the rounds are left to one processor: two that are emulated wait for each other whenever a thread begins or
# ends, and take three to five times as long.
began=$SECONDS
# What the modules say of each port would take the console longer than the ports.
levels=$(cat /proc/sys/kernel/printk)
echo 5 >/proc/sys/kernel/printk
[ "$ROUNDS" -gt $TOGETHER ] || TOGETHER=$ROUNDS
check "$TOGETHER rounds of 240 ports" within 300 fdmany -r $TOGETHER $VHCI 240 15
echo "# $((SECONDS - began)) s"
if [ "$ROUNDS" -gt $TOGETHER ]; then
	echo 0 >/sys/devices/system/cpu/cpu1/online
	check "$((ROUNDS - TOGETHER)) more on one processor" within 600 fdmany -r $((ROUNDS - TOGETHER)) $VHCI 240 15
	echo 1 >/sys/devices/system/cpu/cpu1/online
	echo "# $((SECONDS - began)) s"
fi
echo "$levels" >/proc/sys/kernel/printk
check "no thread is left" wait_for 20 threads_gone

# The peers keep silent, and whoever attached is gone.
fdmany $VHCI 240 15 || not_ok "attach with peers that stay"
check "240 ports are in use" all_ports
for ((port = 0; port < 240; port++)); do
	echo $port >$VHCI/detach || not_ok "detach of port $port"
done
check "240 ports are free" wait_for 60 ports_free

# The peers go, all at once: every port must free itself.
fdmany -c $VHCI 240 15 || not_ok "attach for the last round"
check "240 peers that go free their ports" wait_for 60 ports_free

bad=0
load_dummy high 4
for udc in 0 1 2 3; do
	truncate -s 1M /tmp/image.$udc
	gadget_disk /tmp/image.$udc dummy_udc.$udc disk$udc >/dev/null || not_ok "gadget $udc"
done
start_usbipd
four() {
	[ "$(devices_on "$1" 0525:a4a5 | wc -l)" = 4 ]
}
check "four devices" wait_for 30 four local
ids=$(for path in $(devices_on local 0525:a4a5); do basename "$path"; done)
for id in $ids; do
	bind "$id" >/dev/null || not_ok "bind $id"
done
idle() {
	local id
	for id in $ids; do
		host_is "$id" 1 || return 1
	done
}
for ((round = 0; round < DEVICES; round++)); do
	for id in $ids; do
		within 60 usbip attach -r 127.0.0.1 -b "$id" 2>/dev/null || bad=$((bad + 1))
	done
	[ $((round % 4)) != 0 ] || wait_for 60 four remote || bad=$((bad + 1))
	# Not by the C tool: it fails if a device goes while it lists them, which here all do.
	for port in $(ports_used); do
		within 60 sh -c "echo $port >$VHCI/detach" &
	done
	wait
	wait_for 60 ports_free && wait_for 60 no_imports || bad=$((bad + 1))
	wait_for 60 idle || bad=$((bad + 1))
done
same "$DEVICES rounds of four devices" 0 $bad
for id in $ids; do
	usbip unbind -b "$id" 2>/dev/null
done
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
