# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 600 --add @TOP@/LICENSES:/root/LICENSES
# vm: --qemu "-device qemu-xhci,id=xhci -device usb-mtp,bus=xhci.0,rootdir=@TOP@/LICENSES,desc=shelf -device usb-ccid,bus=xhci.0"
#
# Devices whose drivers live in user space: a media player, whose files are read, and a card reader, which is asked
# for the state of its slot.

. /tests/lib.sh
. /tests/devices.sh

# le BYTES NUMBER: little endian, in hex
le() {
	local i
	for ((i = 0; i < $1; i++)); do printf '%02x' $((($2 >> (8 * i)) & 255)); done
}

# mtp CODE PARAMETER..: a command of the media transfer protocol, as hex
transaction=0
mtp() {
	local code=$1 text
	shift
	text=$(le 2 1)$(le 2 "$code")$(le 4 $transaction)
	while [ $# -gt 0 ]; do
		text+=$(le 4 "$1")
		shift
	done
	echo "$(le 4 $((${#text} / 2 + 4)))$text"
}

# answered: the last of the lines is a response that says OK
answered() {
	case $(tail -n 1) in
		????????03000120*) return 0 ;;
	esac
	return 1
}

number() {
	echo $((16#${1:6:2}${1:4:2}${1:2:2}${1:0:2}))
}

# fetch NODE HANDLE: the bytes of an object
fetch() {
	usbio "$1" claim:0 "out:0x02:$(mtp 0x1009 "$2")" in:0x81:262144 in:0x81:512 >/tmp/lines || return 1
	answered </tmp/lines || return 1
	head -n 1 /tmp/lines | cut -c 25- | xxd -r -p
}

use_mtp() {
	local node list handle found=0 wanted
	node=$(usbfs_node "$1")
	wanted=$(find /root/LICENSES -type f -exec sha256sum {} + | cut -d' ' -f1 | sort)
	transaction=0
	usbio "$node" claim:0 "out:0x02:$(mtp 0x1002 1)" in:0x81:512 | answered || return 1
	transaction=1
	usbio "$node" claim:0 "out:0x02:$(mtp 0x1007 0xffffffff 0 0)" in:0x81:65536 in:0x81:512 >/tmp/lines || return 1
	answered </tmp/lines || return 1
	list=$(head -n 1 /tmp/lines | cut -c 33-)
	while [ -n "$list" ]; do
		handle=$(number "${list:0:8}")
		list=${list:8}
		transaction=$((transaction + 1))
		fetch "$node" "$handle" >/tmp/object 2>/dev/null || continue
		grep -q "$(sha256sum </tmp/object | cut -d' ' -f1)" <<<"$wanted" && found=$((found + 1))
	done
	[ "$found" -ge 1 ] || { echo "# no file of the player came over"; return 1; }
	usbio "$node" claim:0 "out:0x02:$(mtp 0x1003)" in:0x81:512 | answered
}

use_ccid() {
	local node answer
	node=$(usbfs_node "$1")
	# PC_to_RDR_GetSlotStatus with sequence number 7; RDR_to_PC_SlotStatus says the same number, and "no card".
	answer=$(usbio "$node" claim:0 out:0x03:6500000000000700000000 in:0x82:64 2>&1) ||
		answer=$(usbio "$node" claim:0 out:0x03:65000000000007000000 in:0x82:64 2>&1) || { echo "# $answer"; return 1; }
	case $answer in
		81????????0007??????) return 0 ;;
	esac
	echo "# answer $answer"
	return 1
}

devices_start
wait_for 20 has_local 46f4:0004 || die "no player"
wait_for 20 has_local 08e6:4433 || die "no card reader"
device_rounds usb-mtp "$(busid 46f4:0004)" 46f4:0004 use_mtp
device_rounds usb-ccid "$(busid 08e6:4433)" 08e6:4433 use_ccid
devices_end
