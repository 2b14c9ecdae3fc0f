# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --smp 2 --qemu "-device usb-ehci,id=ehci -device usb-kbd,bus=ehci.0"
#
# Power: the machine does not go to sleep while something is imported, and does otherwise, after which everything
# works; the buses sleep while nothing hangs on them, and wake up for what is attached.

. /tests/lib.sh
ID=0525:a4a0
load_dummy high
gadget_zero
modprobe vhci-hcd
start_usbipd
id=$(busid $ID)
devid=$(($(cat $USB/$id/busnum) << 16 | $(cat $USB/$id/devnum)))
DELAY=/sys/module/suspend/parameters/pm_test_delay
[ -w $DELAY ] && echo 1 >$DELAY

# sleep_at LEVEL: to sleep and back, as deep as the kernel's own test goes
sleep_at() {
	echo "$1" >/sys/power/pm_test
	within 60 sh -c 'echo freeze >/sys/power/state'
}
# pm SYSPATH STATE
pm() {
	[ "$(cat "$1/power/runtime_status")" = "$2" ]
}
check "the kernel tests suspending" grep -q devices /sys/power/pm_test

# works: the imported Gadget Zero answers; testusb itself is content with a case that fails
works() {
	grep -q 'test 9,.*secs' <(within 60 testusb -D "$node" -t 9 -c 5 2>&1)
}

# Nothing is imported, nothing exported.
dmesg -c >/dev/null
check "asleep and back with idle controllers" sleep_at devices
check "the controllers were told" logged "vhci_hcd.0: suspend vhci_hcd"

# Something is imported.
bind "$id" >/dev/null
attach "$id" $ID || die "attach after sleep"
ok "attaching works after sleep"
dmesg -c >/dev/null
refuse "no sleep while something is imported" sleep_at devices
check "and the log says why" logged "We have 1 active connection. Do not suspend."
same "it is EBUSY" "sh: write error: Device or resource busy" "$(sleep_at devices 2>&1 | sed 's/.*write error/sh: write error/')"
check "the device is still there" has_remote $ID
path=$(devices_on remote $ID | head -n 1)
modprobe usbtest
node=$(usbfs_node "$path")
wait_for 20 test -e "$path/${path##*/}:3.0/driver"
check "and works" works
rmmod usbtest

# The imported device sleeps by itself when nobody uses it, and wakes when somebody does.
echo 0 >"$path/power/autosuspend_delay_ms"
echo auto >"$path/power/control"
check "an unused imported device falls asleep" wait_for 20 pm "$path" suspended
modprobe usbtest
wait_for 20 test -e "$path/${path##*/}:3.0/driver"
check "it wakes up and works" works
same "and is awake" active "$(cat "$path/power/runtime_status")"
rmmod usbtest
echo on >"$path/power/control"
detach_all >/dev/null
wait_for 20 host_is "$id" 1

# Something is exported, and in use: its transfers end when the machine sleeps, so the connection ends.
echo "# asleep while exporting"
got=$(fdwrite -w 100 unix-stream $USB/$id/usbip_sockfd '{}\n')
same "the device is in use" "ok 2" "${got%% *} $(host_status "$id")"
check "asleep and back while exporting" sleep_at devices
check "the connection has ended" wait_for 20 host_is "$id" 1
attach "$id" $ID || not_ok "attach after the exporter slept"
check "and the device is usable" has_remote $ID
detach_all >/dev/null

# Exported, but not in use.
wait_for 20 host_is "$id" 1
check "asleep and back with an idle export" sleep_at devices
same "it is still exported" 1 "$(host_status "$id")"
attach "$id" $ID || not_ok "attach after an idle export slept"
detach_all >/dev/null
wait_for 20 host_is "$id" 1

# On a bus that keeps its power, which dummy_hcd does not, usbcore has nothing to mend, and its transfers end all the same.
modprobe ehci_pci
wait_for 30 has_local 0627:0001 || not_ok "the keyboard is there"
keyboard=$(busid 0627:0001)
bind "$keyboard" >/dev/null
# A client sets the configuration, and asks for 8 bytes of endpoint 1, which come when a key is pressed.
devid=$(($(cat $USB/$keyboard/busnum) << 16 | $(cat $USB/$keyboard/devnum)))
{
	printf %08x 1 1 $devid 0 0 0 0 0 0 0 0x00090100 0
	printf %08x 1 2 $devid 1 1 0 8 0 0 4 0 0
} | sed 's/../\\x&/g' >/tmp/escaped
printf "$(cat /tmp/escaped)" >/tmp/submit
(cat /tmp/submit && sleep 1000) | socat - TCP-LISTEN:9999 >/dev/null &
wait_for 10 listening 9999
exec 5<>/dev/tcp/127.0.0.1/9999
echo 1 >/sys/kernel/tracing/events/usbip/enable
echo 5 >$USB/$keyboard/usbip_sockfd
exec 5>&-
check "a device on a bus with power is asked for data" wait_for 10 grep -q "usbip_submit: .*ep=1" /sys/kernel/tracing/trace
refuse "  and has none" grep -q "usbip_return: .*ep=1" /sys/kernel/tracing/trace
dmesg -c >/dev/null
check "asleep and back while exporting it" sleep_at devices
refuse "its bus has kept its power" logged "root hub lost power"
check "its connection has ended" wait_for 20 host_is "$keyboard" 1
pkill -x socat
pkill -x sleep
attach "$keyboard" 0627:0001 || not_ok "attach after it slept"
detach_all >/dev/null
wait_for 20 host_is "$keyboard" 1

# As before, but the device is asked when it sleeps already, by a peer that is four seconds away.
mkfifo /tmp/asked
socat - TCP-LISTEN:9999 </tmp/asked >/dev/null &
exec 6>/tmp/asked
wait_for 10 listening 9999
exec 5<>/dev/tcp/127.0.0.1/9999
echo 5 >$USB/$keyboard/usbip_sockfd
exec 5>&-
echo >/sys/kernel/tracing/trace
tc qdisc add dev lo root netem delay 4s
[ -w $DELAY ] && echo 10 >$DELAY
dmesg -c >/dev/null
printf "$(cat /tmp/escaped)" >&6
check "asleep and back while it is asked" sleep_at devices
tc qdisc del dev lo root
[ -w $DELAY ] && echo 1 >$DELAY
refuse "its bus has kept its power" logged "root hub lost power"
check "it was asked" grep -q "usbip_submit: " /sys/kernel/tracing/trace
check "its connection has ended" wait_for 20 host_is "$keyboard" 1
check "and the log says why" logged "$keyboard: the device went to sleep"
exec 6>&-
pkill -x socat
attach "$keyboard" 0627:0001 || not_ok "attach after it was asked"
detach_all >/dev/null
wait_for 20 host_is "$keyboard" 1
usbip unbind -b "$keyboard" 2>/dev/null
echo none >/sys/power/pm_test

# An exported device does not go to sleep by itself.
echo 0 >$USB/$id/power/autosuspend_delay_ms
echo auto >$USB/$id/power/control
sleep 3
same "an exported device stays awake" active "$(cat $USB/$id/power/runtime_status)"

# The buses.
for hub in $VHCI/usb*; do break; done
same "a bus may sleep" auto "$(cat "$hub/power/control")"
check "an idle bus falls asleep" wait_for 20 pm "$hub" suspended
check "attaching wakes it" attach "$id" $ID
same "it is awake" active "$(cat "$hub/power/runtime_status")"
detach_all >/dev/null
check "and falls asleep again" wait_for 20 pm "$hub" suspended
wait_for 20 host_is "$id" 1

stop_usbipd
usbip unbind -b "$id" 2>/dev/null
check "no thread is left" wait_for 10 threads_gone
unload
finish
