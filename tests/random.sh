# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How many sequences at random a job sends. Runs in the machine, after lib.sh.
#
# SEQUENCES=n, SEED=n, FIRST=n and SOAK_SECONDS=n are what a user asked for. Otherwise a few hundred on a stock
# kernel, and on the debug kernel, where they find more, as many as the job says: 20000 with all three modules.

# random_options SEQUENCES_ON_DEBUG
random_options() {
	local options=("seed=${SEED:-$((RANDOM * 32768 + RANDOM))}" "first=${FIRST:-0}")
	if [ -n "${SOAK_SECONDS:-}" ]; then
		options+=("seconds=$SOAK_SECONDS")
	elif [ -n "${SEQUENCES:-}" ]; then
		options+=("sequences=$SEQUENCES")
	elif [ "$VM_KERNEL" = debug ]; then
		options+=("sequences=$1")
	else
		options+=("sequences=300")
	fi
	printf '%s\n' "${options[@]}"
}

# Memory that may be gone after any number of sequences: one lost buffer for each of the fewest would be more.
RANDOM_KIB=8192

# random_sequences MODULE SEQUENCES_ON_DEBUG DEVICE..: send them, after some for warming up; what they took is free again.
# The debug kernel has kmemleak, and keeps what was freed for a while.
random_sequences() {
	local module=$1 before after
	local -a options
	mapfile -t options < <(random_options "$2")
	shift 2
	if [ "$VM_KERNEL" = debug ]; then
		usbip-hostile random "$module" "$@" "${options[@]}" || failures=1
		return
	fi
	usbip-hostile random "$module" "$@" "${options[0]}" first=1000000 sequences=20 >/tmp/warm || { cat /tmp/warm; failures=1; }
	slab_counts >/dev/null
	before=$(memory_free)
	usbip-hostile random "$module" "$@" "${options[@]}" || failures=1
	slab_counts >/dev/null
	after=$(memory_free)
	check "memory is where it was: $before KiB free, then $after" [ $((before - after)) -lt $RANDOM_KIB ]
}
