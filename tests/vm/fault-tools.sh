# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 600
# modules: rust
#
# The tools of either side are stopped or killed at any moment: nothing hangs, nothing is left behind, and the
# next attach works.

. /tests/lib.sh
. /tests/fault.sh
ROUNDS=6
! full || ROUNDS=15
ID=0525:a4a0
load_dummy high
gadget_zero || die "no Gadget Zero"
modprobe vhci-hcd
start_usbipd
id=$(busid $ID)
bind "$id" >/dev/null
bad=0

# settle: whatever came of it, back to where nothing is attached
settle() {
	detach_all >/dev/null || bad=$((bad + 1))
	wait_for 30 host_is "$id" 1 || bad=$((bad + 1))
}

# tool_ends: of itself, or because it is told to. Where the daemon dies after it gave the socket to the kernel and
# before it answered, nobody will answer: the tool waits for ever, and whoever called it must end it.
tool_ends() {
	wait_for 10 not kill -0 $tool || kill $tool
	wait $tool
}

for ((round = 0; round < ROUNDS; round++)); do
	usbip attach -r 127.0.0.1 -b "$id" >/dev/null 2>&1 &
	tool=$!
	sleep 0.0$((round * 10 / ROUNDS))
	kill -9 $tool
	wait $tool
	settle
done 2>/dev/null
same "kill -9 of attach" 0 $bad
for ((round = 0; round < ROUNDS; round++)); do
	usbip attach -r 127.0.0.1 -b "$id" >/dev/null 2>&1 &
	tool=$!
	sleep 0.0$((round * 10 / ROUNDS))
	kill -STOP $tool
	sleep 0.2
	# Meanwhile others can look and, in the end, the tool goes on.
	within 10 cat $VHCI/status "$USB/$id/usbip_status" >/dev/null || bad=$((bad + 1))
	kill -CONT $tool
	wait $tool || bad=$((bad + 1))
	settle
done 2>/dev/null
same "SIGSTOP and SIGCONT of attach" 0 $bad
for ((round = 0; round < ROUNDS / 2; round++)); do
	usbip attach -r 127.0.0.1 -b "$id" >/dev/null 2>&1 &
	tool=$!
	sleep 0.0$((round * 10 / ROUNDS))
	# The daemon forks for each client; both go.
	pkill -9 -x usbipd
	tool_ends
	wait_for 10 not listening 3240 || bad=$((bad + 1))
	start_usbipd || bad=$((bad + 1))
	settle
done 2>/dev/null
same "kill -9 of usbipd" 0 $bad
for ((round = 0; round < ROUNDS / 2; round++)); do
	pkill -STOP -x usbipd
	usbip attach -r 127.0.0.1 -b "$id" >/dev/null 2>&1 &
	tool=$!
	sleep 0.3
	within 10 cat $VHCI/status "$USB/$id/usbip_status" >/dev/null || bad=$((bad + 1))
	pkill -CONT -x usbipd
	wait $tool || bad=$((bad + 1))
	settle
done 2>/dev/null
same "SIGSTOP and SIGCONT of usbipd" 0 $bad
# The writer of a detach dies in the middle of it.
for ((round = 0; round < ROUNDS; round++)); do
	attach "$id" $ID >/dev/null 2>&1 || bad=$((bad + 1))
	sh -c "echo $(ports_used) >$VHCI/detach" &
	tool=$!
	sleep 0.00$((round * 10 / ROUNDS))
	kill -9 $tool
	wait $tool
	settle
done 2>/dev/null
same "kill -9 of detach" 0 $bad

# Half open: the peer has sent its end, or a part of a header, and says no more.
for sent in '' '\x00' '\x00\x00\x00\x03\x00\x00'; do
	exec 6<>/dev/tcp/127.0.0.1/3240
	printf "$sent" >&6
	exec 7<>/dev/tcp/127.0.0.1/3240
	check "attach works beside a client that sent '$sent' and waits" attach "$id" $ID
	settle
	exec 6>&- 7>&-
done
same "half-open clients" 0 $bad
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
