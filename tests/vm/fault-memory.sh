# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 400 --mem 256 --append initramfs_options=size=100% --qemu "-drive if=none,id=big,driver=null-co,size=536870912,read-zeroes=on,snapshot=on -device virtio-blk-pci,drive=big,romfile="
# debug: --mem 384
# once: yes
# modules: rust
#
# A machine with little memory writes more than that to a disk that it imports from itself: writing back dirty pages
# needs both sides, which must not need those pages. Then the disk is full, and the one who writes is told. The debug
# kernel, which is too slow for that much, writes half, while somebody else holds on to memory.

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
free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
echo "# $total MiB of memory, $free of them available, disk $disk"
# As much dirty memory as the kernel allows, so that writeback happens under pressure.
echo 60 >/proc/sys/vm/dirty_ratio
echo 50 >/proc/sys/vm/dirty_background_ratio
MIB=$((total + 16))
! full || MIB=$((total / 2))
HOG=$((free / 4))
check "a file system" within 120 /usr/sbin/mke2fs -q -t ext4 -F -E lazy_itable_init=1 -N 64 -m 0 "$disk" $((MIB * 17 / 16 + 24))M
mount -t ext4 "$disk" /mnt || die "it mounts"
# pattern MIB: cheap, and no block is like another
pattern() {
	awk -v blocks=$(($1 * 256)) 'BEGIN {
		for (i = 0; i < blocks; i++) {
			s = sprintf("%063d\n", i)
			for (j = 0; j < 6; j++)
				s = s s
			printf "%s", s
		}
	}'
}
# counted NAMES: events of the kernel's memory management
counted() {
	awk -v names="^($1)" '$1 ~ names { sum += $2 } END { print sum + 0 }' /proc/vmstat
}
# written: MiB that the imported disk was given
written() {
	awk '{ print int($7 / 2048) }' "/sys/block/${disk#/dev/}/stat"
}
scanned=$(counted 'pgscan_(kswapd|direct)$') stalled=$(counted allocstall_) before=$(written) began=$SECONDS
pattern $MIB >/mnt/big &
writer=$!
# Somebody else takes what is left.
head -c $((HOG << 20)) /dev/zero >/tmp/hog 2>/dev/null
within 400 sh -c "while kill -0 $writer 2>/dev/null; do sleep 0.2; done"
check "the writer ended, and wrote it all" wait $writer
scanned=$(($(counted 'pgscan_(kswapd|direct)$') - scanned)) stalled=$(($(counted allocstall_) - stalled))
before=$(($(written) - before))
echo "# $MIB MiB in $((SECONDS - began)) s: $before written back by then, $scanned pages scanned, $stalled stalls"
check "memory was short" [ $((scanned + stalled)) -gt 0 ]
check "dirty pages were written back meanwhile" [ $before -gt 0 ]
check "sync comes back" within 300 sync
rm -f /tmp/hog
echo 3 >/proc/sys/vm/drop_caches
# compared: what is on the disk, which no cache has now
compared() {
	pattern $MIB | cmp - /mnt/big
}
check "all of it is there as it was written" compared
echo "# $((SECONDS - began)) s"

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
rm /mnt/full
head -c 4194304 /dev/zero >/mnt/late
within 60 usbip detach -p "$(ports_used)" >/dev/null 2>&1
within 120 sync /mnt/late 2>/dev/null
status=$?
check "fsync after the disk has gone fails, and ends: status $status" [ $status != 0 -a $status != 137 ]
check "it unmounts" within 120 umount /mnt
wait_for 30 host_is "$id" 1
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
