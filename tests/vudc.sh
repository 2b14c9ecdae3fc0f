# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Gadgets on usbip-vudc, exported by usbipd -e and imported over the loopback. Runs in the machine, after lib.sh.

VUDC=/sys/devices/platform/usbip-vudc

# start_usbipd_device: the daemon for devices made in software
start_usbipd_device() {
	modprobe usbip-vudc
	usbipd -D -4 -e -P/run/usbipd.pid || return 1
	wait_for 10 listening 3240
}

# vudc_status N: 1 available, 2 used, 3 error
vudc_status() {
	local status
	{ read -r status <"$VUDC.$1/usbip_status"; } 2>/dev/null && echo "$status"
}

vudc_is() {
	[ "$(vudc_status "$1")" = "$2" ]
}

# vudc_bind NAME [N]: bind a gadget that was made by `gadget` to a controller
vudc_bind() {
	echo "usbip-vudc.${2:-0}" >"/sys/kernel/config/usb_gadget/$1/UDC"
}

vudc_unbind() {
	echo "" >"/sys/kernel/config/usb_gadget/$1/UDC"
}

# vudc_attach N ID: attach and wait until the device is there
vudc_attach() {
	within 60 usbip attach -r 127.0.0.1 -d "usbip-vudc.$1" && wait_for 60 has_remote "$2"
}

# vudc_zero high-speed|super-speed [N] [NAME]: Gadget Zero on a controller
vudc_zero() {
	local folder name=${3:-zero}
	modprobe -a libcomposite usb_f_ss_lb usbip-vudc
	folder=$(gadget "$name" 0x0525 0xa4a0)
	echo "$1" >"$folder/max_speed"
	mkdir "$folder/functions/SourceSink.0" "$folder/functions/Loopback.0"
	# Pattern 0 with the default of usbtest: its checks know it.
	echo 0 >"$folder/functions/SourceSink.0/pattern"
	mkdir "$folder/configs/source.3" "$folder/configs/loop.2"
	ln -s "$folder/functions/SourceSink.0" "$folder/configs/source.3/"
	ln -s "$folder/functions/Loopback.0" "$folder/configs/loop.2/"
	vudc_bind "$name" "${2:-0}"
}

# vudc_disk FILE [N] [NAME]: a mass storage device backed by FILE
vudc_disk() {
	local folder name=${3:-disk}
	modprobe -a libcomposite usb_f_mass_storage usbip-vudc
	folder=$(gadget "$name" 0x0525 0xa4a5)
	mkdir "$folder/functions/mass_storage.0"
	echo 1 >"$folder/functions/mass_storage.0/lun.0/removable"
	echo "$1" >"$folder/functions/mass_storage.0/lun.0/file"
	mkdir "$folder/configs/disk.1"
	ln -s "$folder/functions/mass_storage.0" "$folder/configs/disk.1/"
	vudc_bind "$name" "${2:-0}"
}

# A keyboard with eight modifiers, five LEDs and six keys (HID 1.11 appendix B.1).
KEYBOARD='\x05\x01\x09\x06\xa1\x01\x05\x07\x19\xe0\x29\xe7\x15\x00\x25\x01\x75\x01\x95\x08\x81\x02\x95\x01\x75\x08'
KEYBOARD+='\x81\x03\x95\x05\x75\x01\x05\x08\x19\x01\x29\x05\x91\x02\x95\x01\x75\x03\x91\x03\x95\x06\x75\x08\x15\x00'
KEYBOARD+='\x25\x65\x05\x07\x19\x00\x29\x65\x81\x00\xc0'

# vudc_function NAME PRODUCT FUNCTION N [FILE=VALUE ..]: a gadget 0525:PRODUCT with one function, in whose files the
# values are written before it is bound
vudc_function() {
	local folder function value
	modprobe -a libcomposite usbip-vudc "usb_f_$(sed s/SourceSink/ss_lb/ <<<"${3%%.*}")"
	folder=$(gadget "$1" 0x0525 "0x$2")
	function=$folder/functions/$3
	mkdir "$function" "$folder/configs/c.1"
	[ "${3%%.*}" != hid ] || {
		echo 1 >"$function/protocol"
		echo 1 >"$function/subclass"
		echo 8 >"$function/report_length"
		# shellcheck disable=SC2059
		printf "$KEYBOARD" >"$function/report_desc"
	}
	for value in "${@:5}"; do
		echo "${value#*=}" >"$function/${value%%=*}"
	done
	ln -s "$function" "$folder/configs/c.1/"
	vudc_bind "$1" "$4"
}

# vudc_hostile_gadgets: a disk, a keyboard, and a source and sink with isochronous endpoints, on three controllers
vudc_hostile_gadgets() {
	modprobe usbip-vudc num=3
	truncate -s 16M /tmp/image
	vudc_disk /tmp/image 0
	vudc_function keys b002 hid.0 1
	vudc_function source a4a0 SourceSink.0 2 pattern=0
}

# vudc_hostile_end: nothing of them and of their clients is left
vudc_hostile_end() {
	local name
	stop_usbipd
	check "no thread is left" wait_for 20 threads_gone
	for name in disk keys source; do
		gadget_remove $name
	done
	check "usbip-vudc unloads" within 60 rmmod usbip-vudc
	forget_gadget_leaks
	finish
}

# gadget_remove NAME: the gadget and all that is in it
gadget_remove() {
	local folder=/sys/kernel/config/usb_gadget/$1 link
	[ -z "$(cat "$folder/UDC")" ] || echo "" >"$folder/UDC"
	for link in "$folder"/configs/*/*; do
		[ ! -L "$link" ] || rm "$link"
	done
	rmdir "$folder"/configs/* "$folder"/functions/* "$folder"/strings/* "$folder"
}

# vudc_unload: every module goes, which it does only if nothing holds it
vudc_unload() {
	check "vhci-hcd unloads" within 60 rmmod vhci-hcd
	check "usbip-vudc unloads" within 60 rmmod usbip-vudc
	check "usbip-core unloads" within 60 rmmod usbip-core
}

# vudc_usbtest high-speed|super-speed SPEED: the kernel's own USB test driver
vudc_usbtest() {
	vudc_zero "$1"
	modprobe vhci-hcd
	start_usbipd_device || die "usbipd does not start"
	vudc_attach 0 0525:a4a0 || die "attach failed"
	usbtest_cases "$2"
	same "the device is still in use" 2 "$(vudc_status 0)"
	rmmod usbtest
	detach_all >/dev/null
	check "detached" ports_free
	check "available again" wait_for 20 vudc_is 0 1
	stop_usbipd
	check "no thread is left" wait_for 10 threads_gone
	check "the gadget goes" vudc_unbind zero
	gadget_remove zero
	vudc_unload
	finish
}
