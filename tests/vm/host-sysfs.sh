# SPDX-License-Identifier: GPL-2.0
#
# The files of the usbip-host driver and of a bound device: mode, text, and the errno of every bad write.

. /tests/lib.sh
modprobe usbip-host
M=$HOST/match_busid R=$HOST/rebind
mode match_busid $M 644
mode rebind $R 200
same "the driver core's own files" "bind module uevent unbind" "$(ls $HOST | grep -xE 'bind|unbind|module|uevent' | xargs)"
long31=$(printf '%031d' 0)
long32=$(printf '%032d' 0)

# table WANTED: text of match_busid, to the byte
table() {
	check "table is '$1'" cmp <(printf '%s\n' "$1") $M
}

table ""
for text in 'add' 'add ' 'del ' 'a' '\n' 'xxx 1-1' 'addd1-1' 'ADD 1-1' "add $long32" "del $long32"; do
	errno EINVAL none $M "$text"
done
errno ENODEV none $M 'del 1-1'
table ""
errno ok none $M 'add 1-1'
errno ok none $M 'add 5-5'
table "1-1 5-5 "
errno ok none $M 'add 1-1' "adding a name again changes nothing"
table "1-1 5-5 "
errno ENODEV none $M 'del 1-'
errno ENODEV none $M 'del 1-11'
errno ok none $M "add $long31" "add of 31 characters"
table "1-1 5-5 $long31 "
for n in 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	[ "$(fdwrite none $M "add 7-$n")" ] || true
done
same "16 names fit" 16 "$(wc -w <$M)"
errno ENOMEM none $M 'add 8-1'
errno ok none $M 'add 7-4' "an old name is still taken when the table is full"
same "a name that waits for its device stays after del" "ok" "$(fdwrite none $M 'del 7-4' | cut -d' ' -f1)"
same "  and is listed" 16 "$(wc -w <$M)"

errno EINVAL none $R "$long32"
errno ENODEV none $R '9-9'
errno ENODEV none $R '1-'

check "usbip-host unloads with names in its table" within 30 rmmod usbip-host
modprobe usbip-host
table ""
if [ "$VM_MODULES" = rust ]; then
	# C keeps the newline in the name, which then matches nothing.
	errno ok none $M 'add 5-5\n'
	table "5-5 "
	# C oopses here: the name has no device yet.
	fdwrite none $R '5-5' >/dev/null
	ok "rebind of a name without a device returns"
	rmmod usbip-host
	modprobe usbip-host
fi

# A device.
load_dummy high
gadget_zero
id=$(busid 0525:a4a0)
D=$USB/$id
dmesg -c >/dev/null
echo "$id" >/sys/bus/usb/drivers/usb/unbind
(echo -n "$id" >$HOST/bind) 2>/dev/null && not_ok "bind of a device that is not in the table" || ok "bind of a device that is not in the table is refused"
check "and the kernel says why" wait_for 5 logged "$id is not in match_busid table... skip!"
refuse "no files before it is bound" test -e $D/usbip_status
bind "$id" >/dev/null
mode usbip_status $D/usbip_status 444
mode usbip_sockfd $D/usbip_sockfd 200
mode "device's usbip_debug" $D/usbip_debug 644
check "usbip_status is 1" cmp <(echo 1) $D/usbip_status
S=$D/usbip_sockfd
for text in 'x' '\n' '-1' '-1\n' '-2' '99999'; do
	errno EINVAL none $S "$text"
done
for kind in closed file pipe unix-dgram unix-seqpacket udp; do
	errno EINVAL $kind $S '{}\n'
done
same "failures change nothing" 1 "$(host_status "$id")"
got=$(fdwrite -w 30 unix-stream $S '{}\n')
same "a stream socket is taken" "ok 2" "$got"
same "usbip_status of a used device" 2 "$(host_status "$id")"
errno EINVAL unix-stream $S '{}\n' "a used device takes no second socket: EINVAL"
errno ok none $S '-1\n'
check "the device becomes available" wait_for 20 host_is "$id" 1
errno EINVAL none $S '-1\n' "nothing to disconnect: EINVAL"
errno ok unix-stream $S ' {} junk' "a socket whose other end closes at once, and what follows the number"
check "the device becomes available again" wait_for 20 host_is "$id" 1
errno ok none $D/usbip_debug '10\n'
same "usbip_debug of a device is the one flag" 16 "$(cat /sys/module/usbip_core/parameters/usbip_debug_flag)"
errno ok none $D/usbip_debug '0\n'

same "a bound name is listed" "$id " "$(cat $M)"
errno ok none $M "add $id" "adding a bound name changes nothing"
same "  it is still one" "$id " "$(cat $M)"

# By hand, as usbip unbind does it.
errno ok none $HOST/unbind "$id" "unbind in the driver's file"
same "  the name stays" "$id " "$(cat $M)"
refuse "  the driver is off" test -e $D/driver
errno ok none $R "$id" "rebind gives it back"
table ""
same "  to the usual driver" usb "$(basename "$(readlink $D/driver)")"
bind "$id" >/dev/null
usbip unbind -b "$id" 2>/dev/null
refuse "no files after unbind" test -e $D/usbip_status
table ""
same "the usual driver has it again" usb "$(basename "$(readlink $D/driver)")"
same "and it is configured again" yes "$([ -e "$D:"*/bInterfaceNumber ] && echo yes)"
check "no thread is left" wait_for 10 threads_gone
check "usbip-host unloads" within 30 rmmod usbip-host
check "usbip-core unloads" within 30 rmmod usbip-core
finish
