# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 900 --mem 1024
# once: yes
# modules: rust
#
# All 240 ports at once, attached and detached ten times, with peers that never answer, and four real devices as
# often. ROUNDS=100 is for an evening.

. /tests/lib.sh
ROUNDS=${ROUNDS:-10} DEVICES=10
modprobe vhci-hcd
used() {
	ports_used | wc -l
}
all_ports() {
	[ "$(used)" = 240 ]
}
bad=0
for ((round = 0; round < ROUNDS; round++)); do
	fdmany $VHCI/attach 240 15 || bad=$((bad + 1))
	[ "$(used)" = 240 ] || bad=$((bad + 1))
	for ((port = 0; port < 240; port++)); do
		echo $port >$VHCI/detach || bad=$((bad + 1))
	done
	wait_for 60 ports_free || bad=$((bad + 1))
done
same "$ROUNDS rounds of 240 ports" 0 $bad
check "no thread is left" wait_for 20 threads_gone

# The peers go, all at once: every port must free itself.
fdmany -c $VHCI/attach 240 15 || not_ok "attach for the last round"
check "240 peers that go free their ports" wait_for 60 ports_free

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
	wait_for 60 ports_free || bad=$((bad + 1))
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
