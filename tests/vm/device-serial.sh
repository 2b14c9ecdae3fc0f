# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 600
# vm: --qemu "-device qemu-xhci,id=xhci -chardev socket,id=near,path=@SCRATCH@/cable,server=on,wait=off -chardev socket,id=far,path=@SCRATCH@/cable"
# vm: --qemu "-device usb-serial,bus=xhci.0,port=1,chardev=near,serial=near -device usb-serial,bus=xhci.0,port=2,chardev=far,serial=far"
#
# Two serial adapters on one cable, one of them imported: bytes arrive both ways.

. /tests/lib.sh
. /tests/devices.sh
BYTES=12288

# carry FROM TO
carry() {
	local reader status
	head -c $BYTES /dev/urandom >/tmp/sent
	: >/tmp/received
	timeout 60 head -c $BYTES <"$2" >/tmp/received &
	reader=$!
	timeout 60 cat /tmp/sent >"$1"
	wait $reader
	status=$?
	[ $status = 0 ] && cmp /tmp/sent /tmp/received
}

use_serial() {
	local near far
	wait_for 20 tty_of "$1" || return 1
	near=/dev/$(tty_of "$1")
	far=/dev/$(tty_of "$(readlink -f "$USB/$far_id")")
	stty -F "$near" raw -echo 115200 && stty -F "$far" raw -echo 115200 || return 1
	carry "$near" "$far" && carry "$far" "$near"
}

devices_start ftdi_sio
wait_for 20 has_local 0403:6001 || die "no adapter"
wait_for 10 busid_of_serial far >/dev/null || die "no second adapter"
far_id=$(busid_of_serial far)
device_rounds usb-serial "$(busid_of_serial near)" 0403:6001 use_serial
devices_end
