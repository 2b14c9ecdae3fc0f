# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 500
# modules: rust
#
# Eight gadgets at once, one of each kind: every one is seen as what it is, a serial line and a keyboard are used both
# ways, and all come and go together.

. /tests/lib.sh
. /tests/vudc.sh
modprobe usbip-vudc num=8
same "controllers" 8 "$(find /sys/class/udc -name 'usbip-vudc.*' | wc -l)"
same "num" 8 "$(cat /sys/module/usbip_vudc/parameters/num)"
modprobe vhci-hcd controllers=1
modprobe -a cdc_acm usbhid hid_generic evdev
start_usbipd_device || die "usbipd does not start"
head -c 1048576 /dev/urandom >/tmp/image

vudc_disk /tmp/image 0 disk0
vudc_function serial1 b001 acm.1 1
vudc_function keys2 b002 hid.2 2
vudc_function net3 b003 ncm.3 3
vudc_function serial4 b004 acm.4 4
vudc_function zero5 b005 SourceSink.5 5
vudc_function keys6 b006 hid.6 6
vudc_function net7 b007 ncm.7 7
for n in 0 1 2 3 4 5 6 7; do
	within 60 usbip attach -r 127.0.0.1 -d "usbip-vudc.$n"
done
check "gadget 0 is there" wait_for 60 has_remote 0525:a4a5
for n in 1 2 3 4 5 6 7; do
	check "gadget $n is there" wait_for 60 has_remote "0525:b00$n"
done
same "in use" "2 2 2 2 2 2 2 2" "$(cat $VUDC.?/usbip_status | tr '\n' ' ' | sed 's/ $//')"

# A serial line, both ways.
BYTES=12288
carry() {
	head -c $BYTES /dev/urandom >/tmp/sent
	timeout 60 head -c $BYTES <"$2" >/tmp/received &
	timeout 60 cat /tmp/sent >"$1"
	wait $!
	same "serial: $3" "$(sha256sum </tmp/sent)" "$(sha256sum </tmp/received)"
}
path=$(devices_on remote 0525:b001 | head -n 1)
wait_for 30 tty_of "$path"
near=/dev/$(tty_of "$path")
far=/dev/ttyGS$(cat /sys/kernel/config/usb_gadget/serial1/functions/acm.1/port_num)
check "serial: both ends" wait_for 30 test -c "$near" -a -c "$far"
stty -F "$near" raw -echo
stty -F "$far" raw -echo
carry "$near" "$far" "to the device"
carry "$far" "$near" "from the device"

# A key, pressed and let go of, and a lamp.
path=$(devices_on remote 0525:b002 | head -n 1)
check "keyboard: an input device" wait_for 30 event_of "$path"
input=/dev/input/$(event_of "$path")
wait_for 10 test -c "$input"
exec 4<"$input"
printf '\0\0\4\0\0\0\0\0' >/dev/hidg0
printf '\0\0\0\0\0\0\0\0' >/dev/hidg0
# Scan code, key and end of report, twice; of these the keys (1), of which this is A (30).
same "keyboard: a key goes down and up" "30=1 30=0 " "$(timeout 60 dd bs=24 count=6 <&4 2>/dev/null |
	od -An -v -tu2 -w24 | awk '$9 == 1 { printf "%d=%d ", $10, $11 + 65536 * $12 }')"
exec 4<&-
# EV_LED (17), LED_CAPSL (1), on; bit 1 of the report.
printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\21\0\1\0\1\0\0\0' >"$input"
lamp() {
	[ "$(timeout 20 dd if=/dev/hidg0 bs=8 count=1 2>/dev/null | od -An -tx1 | tr -d ' ')" = 02 ]
}
check "keyboard: a lamp is lit" wait_for 60 lamp

detach_all >/dev/null
check "all ports are free" ports_free
for n in 0 1 2 3 4 5 6 7; do
	check "gadget $n is available" wait_for 20 vudc_is $n 1
done
# With all eight bound, and their functions still there.
check "all go with the module" within 60 rmmod usbip-vudc
stop_usbipd
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
check "usbip-core unloads" within 60 rmmod usbip-core
forget_gadget_leaks
finish
