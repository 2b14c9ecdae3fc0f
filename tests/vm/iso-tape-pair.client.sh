# SPDX-License-Identifier: GPL-2.0
#
# The side that plays.

. /tests/lib.sh
. /tests/iso.sh
modprobe -a xhci_pci vhci-hcd snd_usb_audio
await exported 60 || exit 1
id=$(usbip list -r 10.0.0.1 | sed -n 's/^ *\([0-9][0-9.-]*\): .*(46f4:0002)$/\1/p')
check "the server lists the sound card" test -n "$id"
attach "$id" 46f4:0002 10.0.0.1 || die "attach failed"
play_clip "$(devices_on remote 46f4:0002)"
check "the clip goes to the server" within 30 socat -u OPEN:/tmp/clip TCP:10.0.0.1:5000
detach_all >/dev/null
check "detached" ports_free
check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" within 30 rmmod vhci-hcd
finish
