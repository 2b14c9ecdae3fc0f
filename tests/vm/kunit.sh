# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2
# debug: --smp 2
# kernels: debug
# modules: rust
#
# The unit tests of the crates between the kernel and the drivers. KUnit runs them when the module is loaded.

. /tests/lib.sh
load_dummy high
gadget_zero || die "no Gadget Zero"
modprobe vhci-hcd
# It has no controller yet: the tests make one.
modprobe g_zero
same "the gadget is where the tests look for it" 1-1 "$(busid 0525:a4a0)"
check "the suites load" within 240 modprobe usbip-kunit
K=/sys/kernel/debug/kunit
same "suites" 15 "$(ls -d $K/usbip_* | wc -l)"
for results in $K/usbip_*/results; do
	suite=$(basename "$(dirname "$results")")
	# Cases are indented, the plan says how many there are.
	planned=$(sed -n 's/^ *1\.\.\([0-9]*\)$/\1/p' "$results" | tail -n 1)
	sed -nE "s/^ {4}(not )?ok [0-9]+ /\1ok $suite: /p" "$results"
	failures=$((failures + $(grep -cE '^ {4}not ok ' "$results")))
	grep -qE '^ {4}not ok ' "$results" && sed 's/^/# /' "$results"
	same "$suite: all $planned ran" "$planned" "$(grep -cE '^ {4}ok [0-9]+ ' "$results")"
done
# A test that fails ends where it is, and what it had made stays: there is no way out of the machine for the module then.
[ "$failures" = 0 ] || finish
check "the suites unload" within 60 rmmod usbip-kunit
check "the gadget driver has let go of all" within 60 rmmod g_zero
finish
