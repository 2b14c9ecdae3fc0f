# SPDX-License-Identifier: GPL-2.0
#
# The side that uses the devices.

. /tests/lib.sh
. /tests/usbtest.sh
# One of each kind: control, bulk both ways, scatter lists, unlinks, halts, unaligned.
USBTEST_ROWS='
1 -c 100 -s 1024
2 -c 100 -s 1024
4 -c 100 -s 4096 -v 1024
7 -c 50 -s 1024 -g 8 -v 131
9 -c 50
10 -c 50 -g 8
11 -c 50 -s 1024
12 -c 50 -s 1024
13 -c 50
14 -c 50 -s 256 -v 17
17 -c 50 -s 1024
24 -c 50 -g 8 -s 1024
29 -c 50
'
modprobe -a vhci-hcd usb_storage sd_mod
await exported 60 || exit 1

# one NUMBER ID: attach the device of that controller
one() {
	within 60 usbip attach -r 10.0.0.1 -d "usbip-vudc.$1" && wait_for 60 has_remote "$2"
}
one 1 0525:a4a5 || die "the disk does not attach"
path=$(devices_on remote 0525:a4a5 | head -n 1)
wait_for 60 disk_ready "$path" || die "no disk"
disk=/dev/$(block_of "$path")
signal "read-$(dd if="$disk" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
head -c 1048576 /dev/urandom >/tmp/new
dd if=/tmp/new of="$disk" bs=256k seek=3 oflag=direct conv=fsync 2>/dev/null
signal "wrote-$(dd if="$disk" bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"
check "what was written is read back" cmp /tmp/new <(dd if="$disk" bs=256k skip=3 count=4 iflag=direct 2>/dev/null)

ROWS=$USBTEST_ROWS
# zero NUMBER SPEED: the cases of usbtest
zero() {
	one "$1" 0525:a4a0 || die "the zero of $2 Mbit/s does not attach"
	USBTEST_ROWS=$ROWS
	usbtest_cases "$2"
	rmmod usbtest
	# A packet per millisecond, on the setting of the interface that has isochronous endpoints.
	modprobe usbtest alt=1
	USBTEST_ROWS='
15 -c 15 -s 8192 -g 8
16 -c 15 -s 8192 -g 8
22 -c 15 -s 7168 -g 8
23 -c 15 -s 7168 -g 8
'
	dmesg -c >/dev/null
	usbtest_cases "$2"
	check "the cases ran on isochronous endpoints" test "$(dmesg -c | grep -c 'usbtest.*: iso period')" = 4
	rmmod usbtest
	detach_all >/dev/null
}
zero 0 480
zero 2 5000

modprobe -a cdc_acm usbhid hid_generic evdev cdc_ncm
one 3 0525:b001 || die "the serial line does not attach"
path=$(devices_on remote 0525:b001 | head -n 1)
check "there is a terminal" wait_for 30 tty_of "$path"
line=/dev/$(tty_of "$path")
stty -F "$line" raw -echo
head -c 4096 /dev/urandom >/tmp/sent
timeout 60 head -c 4096 <"$line" >/tmp/received &
timeout 60 cat /tmp/sent >"$line"
wait $!
check "what is sent on the line comes back" cmp /tmp/sent /tmp/received

one 4 0525:b002 || die "the keyboard does not attach"
path=$(devices_on remote 0525:b002 | head -n 1)
check "there is an input device" wait_for 30 event_of "$path"
cat "/dev/input/$(event_of "$path")" >/tmp/events &
reader=$!
signal listens
# Scan code, key and end of report, twice.
keyed() {
	[ "$(stat -c %s /tmp/events)" = 144 ]
}
check "a key goes down and up" wait_for 60 keyed
kill $reader

one 5 0525:b003 || die "the network card does not attach"
path=$(devices_on remote 0525:b003 | head -n 1)
check "there is an interface" wait_for 30 net_of "$path"
ip address add 10.9.0.2/24 dev "$(net_of "$path")"
ip link set "$(net_of "$path")" up
check "the other end answers" wait_for 60 ping -c 1 -W 5 10.9.0.1
signal "copied-$(timeout 120 socat -u TCP:10.9.0.1:5000 - | sha256sum | cut -d' ' -f1)"
detach_all >/dev/null
check "detached" ports_free
check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
finish
