# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 600
# debug: --smp 2
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

# pause MICROSECONDS: by the shell itself, as a program would take longer to start than what is waited for
pause() {
	local nothing seconds
	printf -v seconds '%d.%06d' $(($1 / 1000000)) $(($1 % 1000000))
	[ "$1" = 0 ] || read -rt "$seconds" -u "$NOTHING" nothing || :
}

# killed NAME PREPARE TOOL WANTED: measure how long the tool takes, then kill it in each round after another part of
# that, up to twice as long: at some moments it must have been at work, and at others done. WANTED is how many ports
# are in use when it has done what it does.
SWEEP=9
killed() {
	local name=$1 prepare=$2 run=$3 wanted=$4 round length began comm early=0 before=0 after=0 ended=0
	for round in 1 2 3; do
		$prepare
		began=${EPOCHREALTIME/[.,]/}
		$run &
		wait $! || bad=$((bad + 1))
		length=$((${EPOCHREALTIME/[.,]/} - began))
		settle
	done
	for ((round = 0; round < SWEEP; round++)); do
		$prepare
		$run &
		tool=$!
		pause $((2 * length * round / (SWEEP - 1)))
		read -r comm </proc/$tool/comm
		kill -9 $tool
		wait $tool
		if [ $? != 137 ]; then
			ended=$((ended + 1))
		elif [ "$comm" != usbip ]; then
			early=$((early + 1))
		elif [ "$(ports_used | wc -l)" = "$wanted" ]; then
			after=$((after + 1))
		else
			before=$((before + 1))
		fi
		settle
	done
	echo "# $name, which takes $((length / 1000)) ms: $early times before it began, $before before and $after after it was done, $ended ended"
	same "$name: nothing stays behind" 0 $bad
	check "$name: in the middle" [ $((before + after)) -gt 0 ]
	check "$name: too late" [ $ended -gt 0 ]
}

attach_tool() {
	exec usbip attach -r 127.0.0.1 -b "$id" >/dev/null
}
attached() {
	attach "$id" $ID >/dev/null || bad=$((bad + 1))
	port=$(ports_used)
}
detach_tool() {
	exec usbip detach -p "$port" >/dev/null
}
killed "kill -9 of attach" true attach_tool 1 2>/dev/null
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
killed "kill -9 of detach" attached detach_tool 0 2>/dev/null

# Half open: the peer has sent nothing, or a part of a header, and says no more.
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
