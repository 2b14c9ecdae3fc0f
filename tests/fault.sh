# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Failing allocations on demand, on kernels with fault injection. Runs in the machine, after lib.sh.

SLAB=/sys/kernel/debug/failslab
PAGE=/sys/kernel/debug/fail_page_alloc

# full: whether this is the kernel on which the long forms run
full() {
	[ "$VM_KERNEL" = debug ]
}

# fault_range MODULE..: first and last address of the modules' code
fault_range() {
	local pattern
	pattern=$(printf '%s\n' "$@" | tr - _ | paste -sd'|')
	grep -E "\[($pattern)\]\$" /proc/kallsyms | awk '$2 == "t" || $2 == "T" { print $1 }' | sort | sed -n '1p;$p' | xargs
}

# fault_only MODULE..: from now on only allocations below a function of these modules can fail
fault_only() {
	local first last attr
	read -r first last <<<"$(fault_range "$@")"
	[ -n "$last" ] || { not_ok "code of $*"; return 1; }
	for attr in $SLAB $PAGE; do
		echo 0 >$attr/probability
		echo 0 >$attr/verbose
		echo N >$attr/ignore-gfp-wait
		echo 32 >$attr/stacktrace-depth
		echo "0x$first" >$attr/require-start
		echo "0x$last" >$attr/require-end
	done
	echo N >$PAGE/ignore-gfp-highmem
	echo 0 >$PAGE/min-order
}

# fault_random PERCENT TIMES: so many of them do
fault_random() {
	local attr
	for attr in $SLAB $PAGE; do
		echo "$2" >$attr/times
		echo 1 >$attr/interval
		echo 0 >$attr/space
		echo "$1" >$attr/probability
	done
}

fault_off() {
	local attr
	for attr in $SLAB $PAGE; do
		echo 0 >$attr/probability
	done
}

# failing N COMMAND..: run it with its Nth allocation failing. FAULT_HIT says whether it had so many.
failing() {
	local n=$1 status
	shift
	(
		echo "$n" >/proc/$BASHPID/fail-nth
		"$@"
		status=$?
		read -r left </proc/$BASHPID/fail-nth
		echo 0 >/proc/$BASHPID/fail-nth
		echo "$left" >/tmp/fault.left
		exit $status
	)
	status=$?
	FAULT_HIT=$([ "$(cat /tmp/fault.left)" = 0 ] && echo yes)
	return $status
}
