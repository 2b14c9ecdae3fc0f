# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --add @TOP@/Documentation/vudc.md:/root/vudc.md
# modules: rust
#
# The example of Documentation/vudc.md, as it is written there: a file becomes a disk, on both machines' behalf.

. /tests/lib.sh
. /tests/vudc.sh
# example N: the Nth block of commands
example() {
	awk -v want="$1" '/^```/ { inside = !inside; if (inside) count++; next } inside && count == want' /root/vudc.md
}
modprobe -a usb_storage sd_mod
mkdir -p /var/tmp
example 1 >/tmp/server
check "the first machine's commands" bash -e /tmp/server
check "usbipd listens" wait_for 10 listening 3240
# What is there to look at is not on this machine.
example 2 | sed 's/SERVER/127.0.0.1/; /^lsblk/d' >/tmp/client
check "they name the device" grep -q "usbip attach -r 127.0.0.1 -d usbip-vudc.0" /tmp/client
check "the second machine's commands" bash -e /tmp/client
check "the disk is there" wait_for 30 has_remote 0525:a4a5
path=$(devices_on remote 0525:a4a5 | head -n 1)
check "and ready" wait_for 30 disk_ready "$path"
same "with as many sectors as the file" 131072 "$(cat "/sys/block/$(block_of "$path")/size")"
echo "" >/sys/kernel/config/usb_gadget/disk/UDC
check "it goes with its gadget" wait_for 30 ports_free
gadget_remove disk
pkill -x usbipd
check "no thread is left" wait_for 10 threads_gone
vudc_unload
finish
