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
