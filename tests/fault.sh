# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Failing allocations on demand, on kernels with fault injection. Runs in the machine, after lib.sh.

SLAB=/sys/kernel/debug/failslab
PAGE=/sys/kernel/debug/fail_page_alloc

# The kernel counts down from this with each failure, however it was asked for.
FAULTS_MOST=100000000

# full: whether this is the kernel on which the long forms run
full() {
	[ "$VM_KERNEL" = debug ]
}

# fault_range MODULE..: first and last address of the modules' code
fault_range() {
	# Fixed strings: busybox takes ten seconds for an expression.
	printf '[%s]\n' "${@//-/_}" | grep -F -f - /proc/kallsyms | awk '$2 == "t" || $2 == "T" { print $1 }' |
		sort | sed -n '1p;$p' | xargs
}

# fault_only MODULE..: from now on only allocations below a function of these modules can fail. They must have been loaded
# one after the other: there is one range of addresses.
fault_only() {
	local first last attr path module start
	read -r first last <<<"$(fault_range "$@")"
	[ -n "$last" ] || { not_ok "code of $*"; return 1; }
	for path in /sys/module/*/sections/.text; do
		module=${path#/sys/module/}
		module=${module%%/*}
		[[ " ${*//-/_} " != *" $module "* ]] || continue
		read -r start <"$path"
		[[ ${start#0x} < $first || ${start#0x} > $last ]] || not_ok "only $* fail" "$module lies among them"
	done
	for attr in $SLAB $PAGE; do
		echo 0 >$attr/probability
		echo 0 >$attr/verbose
		echo N >$attr/ignore-gfp-wait
		echo 32 >$attr/stacktrace-depth
		echo "0x$first" >$attr/require-start
		echo "0x$last" >$attr/require-end
		echo $FAULTS_MOST >$attr/times
		echo 1 >$attr/interval
		echo 0 >$attr/space
	done
	echo N >$PAGE/ignore-gfp-highmem
	echo 0 >$PAGE/min-order
}

# fault_count: FAULT_COUNT is how many allocations have failed since fault_only
fault_count() {
	local slab page
	read -r slab <$SLAB/times
	read -r page <$PAGE/times
	FAULT_COUNT=$((2 * FAULTS_MOST - slab - page))
}

# faults_since COUNT: FAULT_HIT says whether any has failed since FAULT_COUNT was that
faults_since() {
	fault_count
	FAULT_HIT=$([ "$FAULT_COUNT" = "$1" ] || echo yes)
}

# fault_random PERCENT: so many of them do
fault_random() {
	echo "$1" >$SLAB/probability
	echo "$1" >$PAGE/probability
}

fault_off() {
	fault_random 0
}

# failing N COMMAND..: run it with its Nth allocation failing. FAULT_HIT says whether it had so many. What the command
# starts has none of it; a program has it if the command is `exec`.
failing() {
	local n=$1 before status
	shift
	fault_count
	before=$FAULT_COUNT
	(
		echo "$n" >/proc/$BASHPID/fail-nth
		"$@"
		status=$?
		echo 0 >/proc/$BASHPID/fail-nth
		exit $status
	)
	status=$?
	faults_since "$before"
	return $status
}

# exhausted NAME N LIMIT: the loop that failed one allocation after the other ended because there were no more of them
exhausted() {
	check "$1: each of its allocations was failed" test "$2" -lt "$3"
}

# tasks NAME: the numbers of the processes and threads of that name, which is a pattern; fails if there is none
tasks() {
	local files
	files=$(grep -lxE "$1" /proc/[0-9]*/comm 2>/dev/null)
	[ -n "$files" ] && cut -d/ -f3 <<<"$files"
}

# arm N TASK..: the Nth allocation from now on fails in each of these. Fails if none of them is there.
arm() {
	local n=$1 task armed=1
	shift
	for task; do
		{ echo "$n" >"/proc/$task/fail-nth"; } 2>/dev/null && armed=0
	done
	return $armed
}

# disarm TASK..: those that are still there have no failure ahead
disarm() {
	arm 0 "$@" || :
}

# Connections without the tools, which take an emulated processor long to start.

# connect_to FILE DEVID SPEED: import what has that file for its socket, at port 0. With GO=FILE the second end gets its socket
# when FILE is there; FIRST=vhci makes that the exporting one.
connect_to() {
	local device=("$1" '{}') vhci=("$VHCI/attach" "0 {} $2 $3")
	if [ "$FIRST" = vhci ]; then
		fdwrite ${GO:+-p "$GO"} tcp-connected "${vhci[@]}" "${device[@]}"
	else
		fdwrite ${GO:+-p "$GO"} tcp-connected "${device[@]}" "${vhci[@]}"
	fi >/dev/null
}

# connect BUSID: import a device that is bound
connect() {
	local path=$USB/$1 speed=3
	[ "$(<"$path/speed")" != 12 ] || speed=2
	connect_to "$path/usbip_sockfd" $((($(<"$path/busnum") << 16) + $(<"$path/devnum"))) $speed
}

# disconnect: the importing side ends all connections; fails if they or their devices stay
disconnect() {
	local port
	for port in $(ports_used); do
		echo "$port" >$VHCI/detach
	done 2>/dev/null
	wait_for 20 ports_free && wait_for 20 no_imports
}

# available BUSID: the device waits for a connection. A reset that has no memory makes a device unusable, or come back
# as a new one that may not be bound: then it is bound again.
available() {
	wait_for 10 not host_is "$1" 2
	if ! host_is "$1" 3; then
		wait_for 4 host_is "$1" 1 && return
	fi
	{ echo "$1" >$HOST/unbind; } 2>/dev/null
	bind "$1" >/dev/null
	wait_for 4 host_is "$1" 1
}

# test_node ID: the file of the imported Gadget Zero, for testusb; fails as long as usbtest does not have it
test_node() {
	local path
	path=$(devices_on remote "$1" | head -n 1)
	[ -e "$path/${path##*/}:3.0/driver" ] && usbfs_node "$path"
}

# testusb_row N NODE ROW..: a case of usbtest, in which the Nth allocation of who submits fails. Fails if the case does;
# FAULT_LOST says whether a request has never come back, which the case waits ten seconds for.
testusb_row() {
	local n=$1 node=$2
	shift 2
	FAULT_LOST=
	failing "$n" exec testusb -D "$node" "$@" >/tmp/testusb.out 2>&1
	! grep -q -e '--> 110 ' /tmp/testusb.out || FAULT_LOST=yes
	grep -q 'test .*secs' /tmp/testusb.out
}

# What jobs about threads share. They have `again`, which makes a new connection, and `works N ROW..`, which uses it while
# the Nth allocation of who does fails.

declare -A HITS=() ENDS=() FAILS=()

# thread_failed NAME WHY: counts
thread_failed() {
	FAILS[$1]=$((FAILS[$1] + 1))
	echo "# $1: $2"
}

# in_thread NAME MOST ROW..: fail the thread's first, second, .. allocation of what works, until it has no more of them,
# or MOST were failed. What works without one of them is no end if it does not work: the failure before may have cost the
# connection later.
in_thread() {
	local name=$1 most=$2 n task before worked misses=0
	shift 2
	for ((n = 1; n <= most; n++)); do
		tasks "$name" >/dev/null || again || { thread_failed "$name" "allocation $n of $*: no connection"; continue; }
		task=$(tasks "$name")
		fault_count
		before=$FAULT_COUNT
		arm $n "$task"
		works 0 "$@"
		worked=$?
		faults_since "$before"
		disarm "$task"
		if [ -z "$FAULT_HIT" ]; then
			[ $worked != 0 ] || break
			[ $((misses += 1)) -lt 5 ] && again || { thread_failed "$name" "$*: does not work without a failure"; break; }
			n=$((n - 1))
			continue
		fi
		HITS[$name]=$((HITS[$name] + 1))
		[ -e "/proc/$task" ] || ENDS[$name]=$((ENDS[$name] + 1))
		# What failed may have cost the connection; the next one works.
		[ $worked = 0 ] || works 0 "$@" || { again && works 0 "$@"; } ||
			thread_failed "$name" "allocation $n of $*"
	done
	[ $n -le "$most" ] || echo "# $name: $* has more than $most allocations"
}

# in_new_thread NAME MOST COMMAND..: the first allocations in the life of a thread, whose buffers and tables have yet to
# grow. The command makes a connection, with GO and FIRST.
in_new_thread() {
	local name=$1 most=$2 n before connecting
	local FIRST=device GO=/tmp/go
	shift 2
	[ "$name" = "${name#vhci}" ] || FIRST=vhci
	for ((n = 1; n <= most; n++)); do
		rm -f $GO
		disconnect || { thread_failed "$name" "the connection before does not end"; continue; }
		fault_count
		before=$FAULT_COUNT
		"$@" &
		connecting=$!
		# shellcheck disable=SC2046
		wait_for 10 tasks "$name" && arm $n $(tasks "$name") || thread_failed "$name" "there is no new one"
		: >$GO
		wait $connecting
		wait_for 4 settled
		faults_since "$before"
		[ -n "$FAULT_HIT" ] || break
		HITS[$name]=$((HITS[$name] + 1))
		tasks "$name" >/dev/null || ENDS[$name]=$((ENDS[$name] + 1))
	done
	unset GO FIRST
	[ $n -le "$most" ] || echo "# $name: a new one has more than $most allocations"
	again || thread_failed "$name" "no connection after new ones"
}

# settled: there is a device, or the connection has ended
settled() {
	ports_free || ! no_imports
}

# threads_done NAME LEAST: what came of it
threads_done() {
	same "$1: ${HITS[$1]:-0} failures, ${ENDS[$1]:-0} connections ended, and it works again" 0 "${FAILS[$1]:-0}"
	check "$1: allocations failed" test "${HITS[$1]:-0}" -ge "$2"
}
