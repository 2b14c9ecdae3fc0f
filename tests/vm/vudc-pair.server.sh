# SPDX-License-Identifier: GPL-2.0
# once: yes
# matrix: rust/c
# vm: --timeout 900
#
# Devices on usbip-vudc, exported to another machine with the C vhci-hcd: ours speak the same language here, too. A disk,
# two Gadget Zeros, a serial line, a keyboard and a network card. This is the side with the devices.

. /tests/lib.sh
. /tests/vudc.sh
modprobe usbip-vudc num=6
head -c 4194304 /dev/urandom >/tmp/image
sum=$(sha256sum </tmp/image | cut -d' ' -f1)
vudc_zero high-speed
vudc_disk /tmp/image 1
vudc_zero super-speed 2 fast
vudc_function serial b001 acm.1 3
vudc_function keys b002 hid.2 4
vudc_function net b003 ncm.3 5
start_usbipd_device || die "usbipd does not start"
signal exported
check "the client reads what is on the disk" await "read-$sum" 200

# What comes on the line goes back.
line=/dev/ttyGS$(cat /sys/kernel/config/usb_gadget/serial/functions/acm.1/port_num)
wait_for 20 test -c "$line"
stty -F "$line" raw -echo
cat "$line" >"$line" &
echo=$!
ip address add 10.9.0.1/24 dev "$(cat /sys/kernel/config/usb_gadget/net/functions/ncm.3/ifname)"
ip link set "$(cat /sys/kernel/config/usb_gadget/net/functions/ncm.3/ifname)" up
head -c 262144 /dev/urandom >/tmp/blob
socat -U TCP-LISTEN:5000,fork OPEN:/tmp/blob,rdonly &
copies=$!
check "somebody looks at the keyboard" await listens 400
printf '\0\0\4\0\0\0\0\0' >/dev/hidg0
printf '\0\0\0\0\0\0\0\0' >/dev/hidg0
check "the client copies over the network" await "copied-$(sha256sum </tmp/blob | cut -d' ' -f1)" 400

await client-exit 800
# The line ends with its device.
kill $copies $echo 2>/dev/null
check "the image holds what the client wrote" await "wrote-$(sha256sum </tmp/image | cut -d' ' -f1)" 1
for n in 0 1 2 3 4 5; do
	check "controller $n is available again" wait_for 20 vudc_is $n 1
done
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
for name in zero disk fast serial keys net; do
	gadget_remove $name
done
check "usbip-vudc unloads" within 60 rmmod usbip-vudc
check "usbip-core unloads" within 60 rmmod usbip-core
finish
