# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 900 --file stick:16 --file disk:16
# vm: --qemu "-device qemu-xhci,id=xhci -drive if=none,id=stick,format=raw,cache=unsafe,file=@SCRATCH@/stick -device usb-storage,bus=xhci.0,drive=stick"
# vm: --qemu "-device usb-ehci,id=ehci -drive if=none,id=disk,format=raw,cache=unsafe,file=@SCRATCH@/disk -device usb-uas,id=uas,bus=ehci.0 -device scsi-hd,bus=uas.0,scsi-id=0,lun=0,drive=disk"
#
# A stick at SuperSpeed and a UAS disk at high speed: what is written is read, by blocks and through a file system, and
# on the stick with memory that begins amid a page.

. /tests/lib.sh
. /tests/devices.sh

# Blocks of random bytes, somewhere else in each round, past the page cache.
use_disk() {
	local path=$1 round=$2 disk want got
	wait_for 60 disk_ready "$path" || return 1
	disk=/dev/$(block_of "$path")
	head -c 1048576 /dev/urandom >/tmp/block
	want=$(sha256sum </tmp/block)
	dd if=/tmp/block of="$disk" bs=64k seek=$((round % 7)) oflag=direct 2>/dev/null || return 1
	got=$(dd if="$disk" bs=64k skip=$((round % 7)) count=16 iflag=direct 2>/dev/null | sha256sum)
	[ "$want" = "$got" ] || return 1
	((round % 10 == 1)) || return 0
	mkfs.ext4 -q -F "$disk" && mount "$disk" /mnt || return 1
	cp /tmp/block /mnt/block && umount /mnt && fsck.ext4 -f -n "$disk" >/dev/null 2>&1 || return 1
	mount -o ro "$disk" /mnt && got=$(sha256sum </mnt/block)
	umount /mnt && [ "$want" = "$got" ]
}

# What is read into or written from memory that begins 512 bytes into a page: the first entry of the scatter-gather
# list is no multiple of the endpoint's packets.
ODD=512
use_stick() {
	local disk position size=262144
	use_disk "$@" || return 1
	disk=$(block_of "$1")
	# If the kernel copied such memory, or split requests there, this would show nothing.
	[ "$(cat "/sys/block/$disk/queue/dma_alignment")" -lt $ODD ] && [ "$(cat "/sys/block/$disk/queue/virt_boundary_mask")" = 0 ] ||
		{ echo "# the kernel does not let such memory through"; return 1; }
	position=$((8 << 20))
	head -c $size /dev/urandom >/tmp/odd
	direct write "/dev/$disk" $position $size $ODD </tmp/odd || return 1
	direct read "/dev/$disk" $position $size 0 | cmp - /tmp/odd || return 1
	direct read "/dev/$disk" $position $size $ODD | cmp - /tmp/odd
}

use_uas() {
	wait_for 20 test -e "$1/${1##*/}:1.0/driver" || return 1
	driver_is "$1/${1##*/}:1.0" uas && use_disk "$@"
}

devices_start usb_storage uas sd_mod ext4
wait_for 20 has_local 46f4:0001 || die "no stick"
wait_for 20 has_local 46f4:0003 || die "no UAS disk"
same "speed of the stick" 5000 "$(cat "$USB/$(busid 46f4:0001)/speed")"
device_rounds usb-storage "$(busid 46f4:0001)" 46f4:0001 use_stick
device_rounds usb-uas "$(busid 46f4:0003)" 46f4:0003 use_uas
devices_end
