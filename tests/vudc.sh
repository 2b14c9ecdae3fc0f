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
	cat "$VUDC.$1/usbip_status" 2>/dev/null
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

# vudc_zero high-speed|super-speed: Gadget Zero on the first controller
vudc_zero() {
	local folder
	modprobe -a libcomposite usb_f_ss_lb usbip-vudc
	folder=$(gadget zero 0x0525 0xa4a0)
	echo "$1" >"$folder/max_speed"
	mkdir "$folder/functions/SourceSink.0" "$folder/functions/Loopback.0"
	# Pattern 0 with the default of usbtest: its checks know it.
	echo 0 >"$folder/functions/SourceSink.0/pattern"
	mkdir "$folder/configs/source.3" "$folder/configs/loop.2"
	ln -s "$folder/functions/SourceSink.0" "$folder/configs/source.3/"
	ln -s "$folder/functions/Loopback.0" "$folder/configs/loop.2/"
	vudc_bind zero
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
