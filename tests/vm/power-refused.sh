# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --smp 2
#
# The machine does not go to sleep while a device is imported, and the device must not notice that it was tried. A serial
# line whose controller had slept for a moment would have lost the transfers that it reads with: it submits each of them
# again when it ends, and once refused never again. (So it is with the C module.)

. /tests/lib.sh
ID=0525:b001
load_dummy high
modprobe -a libcomposite usb_f_acm cdc_acm vhci-hcd
folder=$(gadget serial 0x0525 0xb001)
mkdir "$folder/functions/acm.1" "$folder/configs/c.1"
ln -s "$folder/functions/acm.1" "$folder/configs/c.1/"
echo dummy_udc.0 >"$folder/UDC"
wait_for 20 has_local $ID || die "no serial line"
start_usbipd
id=$(busid $ID)
export_local "$id" $ID || die "attach"
path=$(devices_on remote $ID | head -n 1)
wait_for 30 tty_of "$path" || die "no tty"
near=/dev/$(tty_of "$path") far=/dev/ttyGS$(cat "$folder/functions/acm.1/port_num")
wait_for 30 test -c "$near" -a -c "$far" || die "no files for the line"
stty -F "$near" raw -echo
stty -F "$far" raw -echo

cat "$near" >/tmp/heard &
reader=$!
: >/tmp/speaking
speak() {
	local n=0
	exec 9>"$far"
	while [ -e /tmp/speaking ]; do
		echo "line $((n += 1))" >&9
		sleep 0.01
	done
}
speak &
speaker=$!
# heard_beyond BYTES
heard_beyond() {
	[ "$(stat -c %s /tmp/heard)" -gt "$1" ]
}
check "the line is heard" wait_for 20 heard_beyond 100

DELAY=/sys/module/suspend/parameters/pm_test_delay
[ -w $DELAY ] && echo 1 >$DELAY
echo devices >/sys/power/pm_test
for round in 1 2 3 4; do
	refuse "round $round: no sleep while the line is imported" within 60 sh -c 'echo freeze >/sys/power/state'
	heard=$(($(stat -c %s /tmp/heard) + 200))
	check "round $round: the line is heard on" wait_for 20 heard_beyond $heard
done
rm /tmp/speaking
wait $speaker
kill $reader
same "all that was heard is in order" "" "$(awk '$0 != "line " NR { print NR ": " $0; exit }' <(head -n -1 /tmp/heard))"

detach_all >/dev/null
wait_for 20 host_is "$id" 1
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
gadget_remove serial
unload
forget_gadget_leaks
finish
