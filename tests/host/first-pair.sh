#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first two machines of all: nothing is compiled yet, nobody knows whether KVM works, and both want to know at
# once. One of them used to find that the other had taken away its half-made files.

. "$(dirname "$(readlink -f "$0")")/../lib.sh"
cd "$(dirname "$(readlink -f "$0")")/../.." || exit

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$(scripts/kernel 7.2)
cache=$(dirname "$kernel")
mkdir "$work/cache"
ln -s "$cache"/{root,kernel,source}-* "$work/cache/"
echo 'echo ok "$VM_NAME runs"' >"$work/job"
# With both processes of a pair as close together as they get, on a busy host too.
USBIP_CACHE=$work/cache USBIP_BIND=$cache within 900 \
	scripts/vm-pair --kernel 7.2 --modules c "$work/job" "$work/job" >"$work/log" 2>&1
same "both machines of a first pair run" 0 $?
same "both say so" "client| ok client runs server| ok server runs" "$(grep '| ok' "$work/log" | sort | xargs)"
refuse "nothing half-made is left" eval "find $work/cache/ -name '*.new*' | grep ."
[ "$failures" = 0 ] || cat "$work/log"
finish
