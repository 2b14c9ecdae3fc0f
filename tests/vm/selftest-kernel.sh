# SPDX-License-Identifier: GPL-2.0
# once: yes
# kernels: 7.2 7.3 7.2-rt
# vm: --smp 2 --timeout 400
# modules: rust
#
# The kernel's usbip_test.sh, unmodified, with the C tools: on the C modules, then on ours. What it prints is the
# same, line by line. Not on the debug kernel, which would find the faults of the C modules and end there.

. /tests/lib.sh
. /tests/selftest.sh
updates=/lib/modules/$(uname -r)/updates

# whose: whose module modprobe finds
whose() {
	case $(modinfo -F filename usbip_host) in
		*/updates/*) echo ours ;;
		*) echo C ;;
	esac
}

load_dummy high
truncate -s 8M /tmp/disk
gadget_disk /tmp/disk || die "no disk"
id=$(busid 0525:a4a5)
modprobe -a usb_storage sd_mod

mv "$updates" "$updates.away"
depmod
same "first the modules of" C "$(whose)"
selftest_run "$id" >/tmp/c.log
check "the C modules are gone" test ! -e /sys/module/usbip_core
mv "$updates.away" "$updates"
depmod
same "then the modules of" ours "$(whose)"
selftest_run "$id" >/tmp/ours.log

for side in c ours; do
	selftest_normal </tmp/$side.log >/tmp/$side.normal
done
check "C: it comes to its end" grep -q '^End of USB over IP Testing' /tmp/c.log
check "ours: it comes to its end" grep -q '^End of USB over IP Testing' /tmp/ours.log
check "C: the device was imported" grep -q 'Port in Use' /tmp/c.log
check "ours: the device was imported" grep -q 'Port in Use' /tmp/ours.log
lines=$(wc -l </tmp/c.normal)
if diff /tmp/c.normal /tmp/ours.normal >/tmp/diff; then
	ok "all $lines lines are the same"
else
	sed 's/^/# /' /tmp/diff
	not_ok "all $lines lines are the same"
fi
sed 's/^/# /' /tmp/ours.log
finish
