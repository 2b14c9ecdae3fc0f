# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 300
# modules: rust
#
# A gadget that wants to wake its host is told whether it may: while a host that has suspended it wants to be woken, and
# at no other time. What it queues meanwhile arrives when the host resumes it. No peer could be told to wake up, so the
# host does not suspend a device whose driver counts on that.

. /tests/lib.sh
. /tests/vudc.sh
ID=0525:b002
TRACE=/sys/kernel/tracing
modprobe -a vhci-hcd usbhid hid_generic evdev
start_usbipd_device || die "usbipd does not start"
vudc_function keys b002 hid.0 0
vudc_unbind keys
echo high-speed >/sys/kernel/config/usb_gadget/keys/max_speed
# Of USB 2.0 table 9-10: the bit that is always set, and remote wakeup.
echo 0xa0 >/sys/kernel/config/usb_gadget/keys/configs/c.1/bmAttributes
vudc_bind keys
echo 1 >$TRACE/events/gadget/usb_gadget_wakeup/enable || die "the gadget's calls cannot be traced"

# wakes: what the controller says to a gadget that wakes its host
wakes() {
	echo >$TRACE/trace
	echo 1 >/sys/class/udc/usbip-vudc.0/srp
	sed -n 's/.*usb_gadget_wakeup: .*--> \(-\{0,1\}[0-9]*\)$/\1/p' $TRACE/trace
}
power_is() {
	[ "$(cat "$path/power/runtime_status")" = "$1" ]
}

same "without a host" -22 "$(wakes)"
vudc_attach 0 $ID || die "attach failed"
path=$(devices_on remote $ID | head -n 1)
wait_for 20 event_of "$path" || die "no keyboard"
same "a host that has not asked for it" -22 "$(wakes)"

# Without a driver it may sleep at any time; USB 2.0 section 9.4.9: DEVICE_REMOTE_WAKEUP says that the host wants to be woken.
interface=${path##*/}:1.0
ask() {
	usbio "$(usbfs_node "$path")" control:0003010000000000
}
# key CODE: a report, which is taken when the one before has been sent
key() {
	within 20 sh -c "printf '\0\0\\$1\0\0\0\0\0' >/dev/hidg0"
}
echo "$interface" >/sys/bus/usb/drivers/usbhid/unbind
echo 100 >"$path/power/autosuspend_delay_ms"
echo auto >"$path/power/control"
check "the host suspends it" wait_for 20 power_is suspended
same "a host that has not asked for it, but suspends it" -22 "$(wakes)"
check "the host asks for it" ask
check "and suspends it" wait_for 20 power_is suspended
same "a host that has asked for it" 0 "$(wakes)"
check "a key is pressed meanwhile" key 4

# With a driver that wants to be woken. (The console reads every keyboard.)
echo "$interface" >/sys/bus/usb/drivers/usbhid/bind
check "the host resumes it" wait_for 20 power_is active
check "the key is sent, and let go of" key 0
wait_for 20 event_of "$path"
event=/dev/input/$(event_of "$path")
wait_for 20 test -c "$event"
cat "$event" >/tmp/events &
reader=$!
same "a host that is awake" -22 "$(wakes)"
# Longer than the delay.
sleep 2
check "the host does not suspend what it could not be woken by" power_is active
check "a key is pressed" key 5
check "and arrives" wait_for 20 test -s /tmp/events
kill $reader
detach_all >/dev/null
check "available again" wait_for 20 vudc_is 0 1
same "a host that is gone" -22 "$(wakes)"

stop_usbipd
check "no thread is left" wait_for 10 threads_gone
gadget_remove keys
vudc_unload
forget_gadget_leaks
finish
