#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/vm gives its caller: the job's output and nothing else, statuses that tell apart what went wrong, and
# a folder for its files wherever the caller has room.

. "$(dirname "$(readlink -f "$0")")/../lib.sh"
cd "$(dirname "$(readlink -f "$0")")/../.." || exit

work=$(mktemp -d)
# A folder in memory, as /tmp is on many machines; it vanishes with this shell's mount namespace.
if [ -z "${USBIP_TEST_NAMESPACE:-}" ]; then
	rmdir "$work"
	USBIP_TEST_NAMESPACE=1 exec unshare --mount --propagation=private bash "$0" "$@"
fi
trap 'umount "$work/memory" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/memory"
mount -t tmpfs -o size=512m tmpfs "$work/memory"

# More than any pipe or serial line holds, no end of line at the end, and bytes that terminals change.
cat >"$work/job" <<'END'
case $VM_MODULES:$(modinfo -n usbip-host) in
	rust:*/updates/* | c:*/kernel/*) ;;
	*) exit 3 ;;
esac
seq 1 20000
printf 'a\r\n\tb\177\377c'
exit "$STATUS"
END
{ seq 1 20000; printf 'a\r\n\tb\177\377c'; } >"$work/wanted"
echo 'echo o >/proc/sysrq-trigger; sleep 100' >"$work/gone"

# run NAME STATUS OPTIONS.. JOB: what it prints goes into $work/out and $work/err
run() {
	local name=$1 wanted=$2
	shift 2
	within 900 scripts/vm "$@" >"$work/out" 2>"$work/err"
	same "$name: status" "$wanted" $?
	sed 's/^/#   /' "$work/err"
}

TMPDIR=$work/memory run "a job that is content, with its files in another file system" 0 --set STATUS=0 "$work/job"
check "its output and nothing else, byte for byte" cmp "$work/wanted" "$work/out"
same "nothing is left of it" "" "$(ls "$work/memory")"

run "a job that fails, on a clock of instructions" 7 --modules c --icount --set STATUS=7 "$work/job"
check "its output first" cmp -n "$(stat -c %s "$work/wanted")" "$work/wanted" "$work/out"
check "then the kernel's log" grep -aq '==== kernel log ====$' "$work/out"
check "which is the kernel's" grep -aq '\] Linux version ' "$work/out"

run "a machine that cannot be started" 2 --modules c --qemu "-device no-such-device" "$work/job"
check "QEMU says why" grep -q 'does not start: .*no-such-device' "$work/err"
refuse "the kernel did not complain of that" grep -aq 'the kernel complains' "$work/out" "$work/err"

run "a machine that is gone before its job has ended" 99 --modules c "$work/gone"
check "this is said" grep -q 'died while the job ran' "$work/err"
finish
