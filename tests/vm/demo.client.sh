# SPDX-License-Identifier: GPL-2.0
#
# The side without any USB device.

. /tests/lib.sh
. /tests/demo.sh
modprobe -a usb_storage sd_mod usbhid hid_generic evdev
await exported 60 || exit 1

same "no USB devices here" "" "$(ls $USB)"
run modprobe vhci-hcd
run modinfo -n vhci-hcd
run usbip list -r server
usbip list -r server >/tmp/list 2>&1
stick=$(listed $STICK) keyboard=$(listed $KEYBOARD)
run usbip attach -r server -b "$stick"
run usbip attach -r server -b "$keyboard"
wait_for 30 has_remote $STICK || die "the stick does not appear"
wait_for 30 has_remote $KEYBOARD || die "the keyboard does not appear"
path=$(devices_on remote $STICK)
wait_for 30 disk_ready "$path" || die "no disk"
run usbip port

disk=$(block_of "$path")
sum=$(disk_sum "$disk")
say_sum "$sum" "$disk"
signal "read-$sum"

# A quarter of the stick, and not at its start.
quarter=$(($(cat "/sys/block/$disk/size") / 2048 / 4)) start=$((quarter * 3 / 2))
dd if=/dev/urandom of=/tmp/new bs=1M count=$quarter status=none
run dd if=/tmp/new of="/dev/$disk" bs=1M seek=$start oflag=direct conv=fsync status=none
same "what was written is read back" "$(sha256sum </tmp/new)" \
	"$(dd if="/dev/$disk" bs=1M skip=$start count=$quarter iflag=direct status=none | sha256sum)"
sum=$(disk_sum "$disk")
say_sum "$sum" "$disk"
signal "wrote-$sum"

event=$(event_of "$(devices_on remote $KEYBOARD)")
check "the keyboard is an input device" test -c "/dev/input/$event"
cat "/dev/input/$event" >/tmp/keys &
reader=$!
sleep 0.5
signal listening
wait_for 30 eval "test \"\$(keys_pressed /tmp/keys)\" = '$KEYS'"
same "keys pressed on the server arrive here: $KEYS" "$KEYS" "$(keys_pressed /tmp/keys)"
kill $reader

for port in $(ports_used); do
	run usbip detach -p "$port"
done
check "no port is in use" wait_for 20 ports_free
check "no USB disk is left" wait_for 20 eval '! ls /sys/block/sd* 2>/dev/null'
check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" within 30 rmmod vhci-hcd
finish
