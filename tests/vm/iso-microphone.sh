# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --python --timeout 400 --add @TOP@/tests/exporters/microphone.py
# vm: --qemu "-device qemu-xhci,id=xhci -chardev socket,id=redir,path=@SCRATCH@/redir,server=on,wait=off -device usb-redir,chardev=redir,bus=xhci.0"
# vm: --qemu "-chardev socket,id=line,path=@SCRATCH@/redir -device virtio-serial-pci -device virtserialport,chardev=line"
#
# A microphone on a real host controller, shared over the loopback: what ALSA records from the imported one is what it
# sent. QEMU has no device that sends isochronous packets, but it has one that a program can be.

. /tests/lib.sh
. /tests/iso.sh
modprobe vhci-hcd
microphone_start
record() {
	microphone_record "$@"
	check "$1: every sample recorded as sent" pcm within /tmp/spoken /tmp/recorded
}
record "local" "$(devices_on local $MICROPHONE)"
start_usbipd
id=$(busid $MICROPHONE)
bind "$id" >/dev/null
for round in 1 2 3; do
	attach "$id" $MICROPHONE >/dev/null || die "attach failed"
	record "imported, round $round" "$(devices_on remote $MICROPHONE)"
	detach_all >/dev/null
	check "round $round: available again" wait_for 20 host_is "$id" 1
done
check "unbind" within 20 usbip unbind -b "$id" 2>/dev/null
kill $MICROPHONE_PID
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
