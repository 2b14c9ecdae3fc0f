# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --smp 2 --qemu "-device usb-ehci,id=ehci -device usb-kbd,bus=ehci.0 -device nec-usb-xhci,id=xhci2 -device usb-tablet,bus=xhci2.0"
#
# A device that sleeps is bound: usbcore had its new driver wake it, who left that to usbcore, so that it was taken for awake
# and slept on. Transfers did not end, or the reset after them failed. And who was offered a device without a driver, and
# refused it, kept it from falling asleep ever after. When the module is unloaded its devices begin to fall asleep, for which
# usbcore looks into a driver that was freed meanwhile.

. /tests/lib.sh
ZERO=0525:a4a0 KEYBOARD=0627:0001

# pm ID STATE
pm() {
	[ "$(cat "$USB/$1/power/runtime_status")" = "$2" ]
}
# lull ID: lets it fall asleep as soon as nobody uses it
lull() {
	echo 0 >"$USB/$1/power/autosuspend_delay_ms"
	echo auto >"$USB/$1/power/control"
}
# bound ID VID:PID INTERFACE: it works when it has been bound, and can be reset
bound() {
	check "  it is awake" pm "$1" active
	check "  it is attached" attach "$1" "$2"
	path=$(devices_on remote "$2" | head -n 1)
	check "  the other side has its interface" wait_for 20 test -e "$path/${path##*/}:$3"
	detach_all >/dev/null
	check "  it is free again, after a reset" wait_for 20 host_is "$1" 1
}
# asleep ID VID:PID INTERFACE: binds a device that sleeps without a driver
asleep() {
	echo "# $2 asleep without a driver"
	lull "$1"
	echo "$1" >/sys/bus/usb/drivers/usb/unbind
	check "it falls asleep" wait_for 20 pm "$1" suspended

	# Nobody wants it: it is asleep again, and nothing keeps it awake later.
	refuse "it is refused" sh -c "echo $1 >$HOST/bind"
	check "  and falls asleep again" wait_for 20 pm "$1" suspended

	printf %s "add $1" >$HOST/match_busid
	check "it is bound" within 30 sh -c "echo $1 >$HOST/bind"
	bound "$@"
	check "it is unbound" within 30 sh -c "echo $1 >$HOST/unbind"
	printf %s "del $1" >$HOST/match_busid
	check "  and goes back to its own driver" within 30 sh -c "printf %s $1 >$HOST/rebind"
	check "  which it has" wait_for 10 driver_is "$USB/$1" usb
	check "  and may fall asleep again" wait_for 20 pm "$1" suspended

	# As users do it: the delay is 0, so it is asleep as soon as its own driver has let go of it.
	echo "# $2 bound by usbip"
	check "usbip binds it" bind "$1"
	bound "$@"
	check "usbip unbinds it" within 30 usbip unbind -b "$1"
	check "  and it may fall asleep again" wait_for 20 pm "$1" suspended
	echo on >"$USB/$1/power/control"
}

load_dummy high
gadget_zero
modprobe -a ehci_pci xhci_pci vhci-hcd
start_usbipd
both() {
	[ "$(devices_on local $KEYBOARD | wc -l)" = 2 ]
}
wait_for 30 both || die "not both keyboards"
for id in $(for path in $(devices_on local $KEYBOARD); do echo "${path##*/}"; done); do
	asleep "$id" $KEYBOARD 1.0
done
asleep "$(busid $ZERO)" $ZERO 3.0

echo "# unloaded while it has a device that may fall asleep"
id=$(busid $ZERO)
lull "$id"
for round in 1 2 3 4 5 6 7 8; do
	bind "$id" >/dev/null || not_ok "round $round: it is bound"
	check "round $round: usbip-host unloads with a device" within 30 rmmod usbip-host
	check "  which goes back to its own driver" wait_for 10 driver_is "$USB/$id" usb
	check "  and falls asleep" wait_for 20 pm "$id" suspended
	modprobe usbip-host
done
echo on >"$USB/$id/power/control"
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
