# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 400 --add @TOP@/tools/testing/selftests/usbip:/root/usbip
#
# The selftests of tools/testing/selftests/usbip, and that they can skip and fail.

. /tests/lib.sh
cd /root/usbip || exit 1

# status WANTED NAME COMMAND..: the exit code, and what the program printed when that is another
status() {
	local wanted=$1 name=$2 got
	shift 2
	"$@" >/tmp/selftest 2>&1
	got=$?
	[ "$got" = "$wanted" ] || sed 's/^/# /' /tmp/selftest
	same "$name" "$wanted" "$got"
}

for program in usbip_*.sh; do
	[ "$program" != usbip_lib.sh ] || continue
	echo "# $program"
	./"$program"
	same "$program exits with" 0 $?
done

# They must be able to fail: with tools that say yes to everything, and with some that say no.
mkdir /tmp/yes /tmp/no
printf '#!/bin/sh\nexit 0\n' >/tmp/yes/usbip
printf '#!/bin/sh\nexit 1\n' >/tmp/no/usbip
for folder in /tmp/yes /tmp/no; do
	ln -s /usr/sbin/usbipd $folder/usbipd
	chmod +x $folder/usbip
	sed -i 's/^WAIT_SECONDS=.*/WAIT_SECONDS=3/' usbip_lib.sh
	for program in usbip_bind.sh usbip_attach.sh usbip_unload.sh; do
		status 1 "$program fails with tools in $folder" ./"$program" -p $folder
		check "$program says what failed" grep -q '^not ok' /tmp/selftest
	done
done
status 4 "without tools: skipped" ./usbip_bind.sh -p /nowhere
status 4 "without a device: skipped" ./usbip_bind.sh -b 99-9
status 4 "without root: skipped" setpriv --reuid 65534 ./usbip_bind.sh
status 1 "with a wrong option: an error" ./usbip_bind.sh -x
rmmod usbip-host vhci-hcd 2>/dev/null
check "nothing is left" not grep -q usbip_host /proc/modules
finish
