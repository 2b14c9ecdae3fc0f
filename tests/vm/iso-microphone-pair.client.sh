# SPDX-License-Identifier: GPL-2.0
#
# The side that records.

. /tests/lib.sh
. /tests/iso.sh
modprobe -a vhci-hcd snd_usb_audio
await exported 100 || exit 1
id=$(usbip list -r 10.0.0.1 | sed -n "s/^ *\([0-9][0-9.-]*\): .*($MICROPHONE)\$/\1/p")
check "the server lists the microphone" test -n "$id"
attach "$id" $MICROPHONE 10.0.0.1 || die "attach failed"
microphone_record "imported" "$(devices_on remote $MICROPHONE)"
check "the recording goes to the server" within 30 socat -u OPEN:/tmp/recorded TCP:10.0.0.1:5000
detach_all >/dev/null
check "detached" ports_free
check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" within 30 rmmod vhci-hcd
finish
