# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 400
# modules: rust
#
# A mass storage gadget: its files, a file system through it, and all of its bytes, at high speed and SuperSpeed.

. /tests/lib.sh
. /tests/vudc.sh
ID=0525:a4a5
modprobe vhci-hcd
start_usbipd_device || die "usbipd does not start"

# Without a gadget.
mode dev_desc $VUDC.0/dev_desc 444
mode usbip_status $VUDC.0/usbip_status 444
mode usbip_sockfd $VUDC.0/usbip_sockfd 200
same "status without a gadget" 1 "$(vudc_status 0)"
same "size of dev_desc" 18 "$(stat -c %s $VUDC.0/dev_desc)"
refuse "dev_desc without a gadget" cat $VUDC.0/dev_desc
errno ENODEV tcp $VUDC.0/usbip_sockfd '{}'
errno ENODEV none $VUDC.0/usbip_sockfd -1
errno EINVAL none $VUDC.0/usbip_sockfd "1 x"

head -c 16777216 /dev/urandom >/tmp/image
SUM=$(sha256sum </tmp/image | cut -d' ' -f1)
vudc_disk /tmp/image
same "vendor and product in dev_desc" 2505a5a4 "$(od -An -tx1 -j8 -N4 $VUDC.0/dev_desc | tr -d ' \n')"
errno EINVAL udp $VUDC.0/usbip_sockfd '{}'
errno EINVAL closed $VUDC.0/usbip_sockfd '{}'
errno EINVAL none $VUDC.0/usbip_sockfd -1

# round SPEED NAME: read all, then make a file system, fill it and check it
round() {
	local path disk sum
	vudc_attach 0 $ID || die "$2: attach failed"
	path=$(devices_on remote $ID | head -n 1)
	same "$2: speed" "$1" "$(cat "$path/speed")"
	same "$2: in use" 2 "$(vudc_status 0)"
	errno EBUSY tcp $VUDC.0/usbip_sockfd '{}'
	modprobe -a usb_storage sd_mod ext4
	wait_for 60 disk_ready "$path" || die "$2: no disk"
	disk=/dev/$(block_of "$path")
	sum=$(dd if="$disk" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)
	same "$2: all bytes" "$(sha256sum </tmp/image | cut -d' ' -f1)" "$sum"
	check "$2: mkfs" within 120 mkfs.ext4 -q -F "$disk"
	mkdir -p /mnt/disk
	check "$2: mount" mount "$disk" /mnt/disk
	head -c 6000000 /dev/urandom >/tmp/file
	cp /tmp/file /mnt/disk/file
	check "$2: umount" within 120 umount /mnt/disk
	check "$2: fsck" within 120 e2fsck -fn "$disk"
	mount -o ro "$disk" /mnt/disk
	same "$2: the file" "$(sha256sum </tmp/file | cut -d' ' -f1)" "$(sha256sum </mnt/disk/file | cut -d' ' -f1)"
	umount /mnt/disk
	detach_all >/dev/null
	# Else the next round may find this one.
	check "$2: the disk is gone" wait_for 20 not has_remote $ID
	check "$2: available again" wait_for 20 vudc_is 0 1
}

check "the image is as it was" test "$SUM" = "$(sha256sum </tmp/image | cut -d' ' -f1)"
round 5000 super
vudc_unbind disk
refuse "dev_desc after the gadget" cat $VUDC.0/dev_desc
echo high-speed >/sys/kernel/config/usb_gadget/disk/max_speed
vudc_bind disk
round 480 high
gadget_remove disk
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
vudc_unload
finish
