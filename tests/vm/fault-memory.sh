# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 900 --mem 128 --qemu "-drive if=none,id=big,driver=null-co,size=201326592,read-zeroes=on,snapshot=on -device virtio-blk-pci,drive=big,romfile="
# kernels: debug
# modules: rust
#
# A machine with little memory writes to a disk that it imports from itself: writing back dirty pages needs both
# sides, which must not need those pages. Then the disk is full, and the one who writes is told.

. /tests/lib.sh
. /tests/fault.sh
ID=0525:a4a5
# What is written must not end up in memory again, so it goes to a disk of the machine.
modprobe -a virtio_pci virtio_blk usb_storage sd_mod vhci-hcd ext4
wait_for 10 test -b /dev/vda || die "no /dev/vda"
load_dummy super
gadget_disk /dev/vda || die "no gadget"
start_usbipd
id=$(busid $ID)
export_local "$id" $ID >/dev/null || die "export"
path=$(devices_on remote $ID | head -n 1)
wait_for 60 disk_ready "$path" || die "no disk"
disk=/dev/$(block_of "$path")
total=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
echo "# $total MiB of memory, disk $disk"

check "a file system" within 120 /usr/sbin/mke2fs -q -t ext4 -F -E lazy_itable_init=1 "$disk"
mount -t ext4 "$disk" /mnt || die "it mounts"
# As much dirty memory as the kernel allows, so that writeback happens under pressure.
echo 60 >/proc/sys/vm/dirty_ratio
echo 50 >/proc/sys/vm/dirty_background_ratio
MIB=$((total * 3 / 2))
! full || MIB=$((total / 2))
# pattern MIB: cheap, and no block is like another
pattern() {
	awk -v blocks=$(($1 * 256)) 'BEGIN {
		for (i = 0; i < blocks; i++) {
			s = sprintf("%015d\n", i)
			for (j = 0; j < 8; j++)
				s = s s
			printf "%s", s
		}
	}'
}
pattern $MIB >/mnt/big &
writer=$!
# Somebody else takes what is left.
head -c $((total / 4 << 20)) /dev/zero >/tmp/hog 2>/dev/null
within 400 sh -c "while kill -0 $writer 2>/dev/null; do sleep 0.2; done"
check "the writer ended" not kill -0 $writer
check "sync comes back" within 300 sync
rm -f /tmp/hog
echo 3 >/proc/sys/vm/drop_caches
check "all of it is there" test "$(wc -c </mnt/big)" = $((MIB << 20))
same "and what was written" "$(pattern $MIB | md5sum)" "$(md5sum </mnt/big)"
rm /mnt/big
sync

echo "# a full disk"
if dd if=/dev/zero of=/mnt/full bs=1M 2>/tmp/error; then
	not_ok "a full disk is an error"
else
	check "a full disk is ENOSPC" grep -q 'No space left' /tmp/error
fi
check "sync comes back" within 300 sync
check "it unmounts" within 120 umount /mnt
check "the file system is whole" within 300 /usr/sbin/e2fsck -f -n "$disk"

echo "# errors of the medium are not lost"
mount -t ext4 "$disk" /mnt
head -c 4194304 /dev/zero >/mnt/late
within 60 usbip detach -p "$(ports_used)" >/dev/null 2>&1
within 120 sync /mnt/late 2>/dev/null && not_ok "fsync after the disk has gone" "succeeded" || ok "fsync after the disk has gone fails"
check "it unmounts" within 120 umount /mnt
wait_for 30 host_is "$id" 1
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
