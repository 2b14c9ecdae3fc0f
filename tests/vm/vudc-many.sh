# SPDX-License-Identifier: GPL-2.0
# kernels: by-hand
# vm: --smp 2 --timeout 500
# modules: rust
#
# Eight gadgets at once, one of each kind: every one is seen as what it is, and all come and go together.

. /tests/lib.sh
. /tests/vudc.sh
modprobe -a libcomposite usb_f_mass_storage usb_f_acm usb_f_hid usb_f_ncm usb_f_ss_lb vhci-hcd
modprobe usbip-vudc num=8
same "controllers" 8 "$(find /sys/class/udc -name 'usbip-vudc.*' | wc -l)"
same "num" 8 "$(cat /sys/module/usbip_vudc/parameters/num)"
start_usbipd_device || die "usbipd does not start"
head -c 1048576 /dev/urandom >/tmp/image

# simple NAME PRODUCT FUNCTION N: a gadget with one function
simple() {
	local folder
	folder=$(gadget "$1" 0x0525 "0x$2")
	mkdir "$folder/functions/$3" "$folder/configs/c.1"
	[ "${3%%.*}" != hid ] || {
		echo 1 >"$folder/functions/$3/protocol"
		echo 1 >"$folder/functions/$3/subclass"
		echo 8 >"$folder/functions/$3/report_length"
		# A keyboard with the eight modifiers and six keys (HID 1.11 appendix B.1).
		printf '\x05\x01\x09\x06\xa1\x01\x05\x07\x19\xe0\x29\xe7\x15\x00\x25\x01\x75\x01\x95\x08\x81\x02\x95\x01\x75\x08\x81\x03\x95\x06\x75\x08\x15\x00\x25\x65\x05\x07\x19\x00\x29\x65\x81\x00\xc0' \
			>"$folder/functions/$3/report_desc"
	}
	ln -s "$folder/functions/$3" "$folder/configs/c.1/"
	vudc_bind "$1" "$4"
}

vudc_disk /tmp/image 0 disk0
simple serial1 b001 acm.1 1
simple keys2 b002 hid.2 2
simple net3 b003 ncm.3 3
simple serial4 b004 acm.4 4
simple zero5 b005 SourceSink.5 5
simple keys6 b006 hid.6 6
simple net7 b007 ncm.7 7
within 60 usbip attach -r 127.0.0.1 -d usbip-vudc.0
for n in 1 2 3 4 5 6 7; do
	within 60 usbip attach -r 127.0.0.1 -d "usbip-vudc.$n"
	check "gadget $n is there" wait_for 60 has_remote "0525:b00$n"
done
check "gadget 0 is there" wait_for 60 has_remote 0525:a4a5
same "in use" "2 2 2 2 2 2 2 2" "$(cat $VUDC.?/usbip_status | tr '\n' ' ' | sed 's/ $//')"

# A serial line, both ways.
modprobe cdc_acm
wait_for 30 test -c /dev/ttyACM0
for dev in /dev/ttyACM0 /dev/ttyACM1 /dev/ttyGS0 /dev/ttyGS1; do
	[ ! -c $dev ] || stty -F $dev raw -echo 2>/dev/null || socat -u /dev/null "$dev,raw,echo=0"
done
head -c 20000 /dev/urandom | base64 >/tmp/text
local_acm=$(find "$(devices_on remote 0525:b001 | head -n 1)/" -maxdepth 4 -name 'ttyACM*' | grep -o 'ttyACM[0-9]*$' | head -n 1)
local_gs=ttyGS$(cat /sys/kernel/config/usb_gadget/serial1/functions/acm.1/port_num)
talk() {
	timeout 60 socat -u "/dev/$2,raw,echo=0" - >/tmp/heard &
	sleep 1
	within 60 socat -u FILE:/tmp/text "/dev/$1,raw,echo=0"
	wait_for 60 cmp -s /tmp/text /tmp/heard
	same "serial: $1 to $2" "$(sha256sum </tmp/text)" "$(sha256sum </tmp/heard)"
	kill %1 2>/dev/null
	wait
}
talk "$local_acm" "$local_gs"
talk "$local_gs" "$local_acm"

# A key, pressed and let go of.
modprobe -a usbhid hid_generic evdev
input=$(find "$(devices_on remote 0525:b002 | head -n 1)/" -name 'event*' -maxdepth 6 2>/dev/null | head -n 1)
check "keyboard: an input device" wait_for 30 test -c "/dev/input/$(basename "$input")"
timeout 30 dd if="/dev/input/$(basename "$input")" of=/tmp/events bs=24 count=6 2>/dev/null &
sleep 1
printf '\x00\x00\x04\x00\x00\x00\x00\x00' >/dev/hidg0
printf '\x00\x00\x00\x00\x00\x00\x00\x00' >/dev/hidg0
wait
# EV_KEY, KEY_A (30), down and up.
same "keyboard: key down and up" "0100 1e00 01000000 0100 1e00 00000000" \
	"$(od -An -v -tx1 -w24 /tmp/events | tr -d ' ' | cut -c33-48 | grep '^01001e' | sed -E 's/(....)(....)(........)/\1 \2 \3/' | tr '\n' ' ' | sed 's/ $//')"

detach_all >/dev/null
check "all ports are free" ports_free
for n in 0 1 2 3 4 5 6 7; do
	check "gadget $n is available" wait_for 20 vudc_is $n 1
done
check "all go with the module" within 60 rmmod usbip-vudc
stop_usbipd
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
check "usbip-core unloads" within 60 rmmod usbip-core
finish
