# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The part of scripts/bench that needs no device: vhci-hcd and what user space plays. Runs in the machine.

. /root/common.sh

suites() {
	bench vhci
	bench many
}

round=0
[ "$MEMORY" = 0 ] || both_of memory_of
alternate suites
