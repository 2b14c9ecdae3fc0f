# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --smp 2
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
echo 1 >/sys/module/suspend/parameters/pm_test_delay 2>/dev/null

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
node=$(printf '/dev/bus/usb/%03d/%03d' "$(cat "$path/busnum")" "$(cat "$path/devnum")")
wait_for 20 test -e "$path/${path##*/}:3.0/driver"
check "and works" testusb -D "$node" -t 9 -c 5
rmmod usbtest

# The imported device sleeps by itself when nobody uses it, and wakes when somebody does.
echo 0 >"$path/power/autosuspend_delay_ms"
echo auto >"$path/power/control"
check "an unused imported device falls asleep" wait_for 20 pm "$path" suspended
modprobe usbtest
wait_for 20 test -e "$path/${path##*/}:3.0/driver"
check "it wakes up and works" testusb -D "$node" -t 9 -c 5
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
