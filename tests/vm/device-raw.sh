# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 600 --add @TOP@/drivers/ux:/root/shelf
# vm: --qemu "-device qemu-xhci,id=xhci -device usb-mtp,bus=xhci.0,rootdir=@TOP@/drivers/ux,desc=shelf -device usb-ccid,bus=xhci.0"
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

# use_mtp SYSPATH: every file of the player comes over as it is
use_mtp() {
	local node list at got= wanted
	local -a steps=() lines
	node=$(usbfs_node "$1")
	wanted=$(for file in /root/shelf/*; do sha256sum <"$file"; done | sort)
	transaction=0
	usbio "$node" claim:0 "out:0x02:$(mtp 0x1002 1)" in:0x81:512 | answered || return 1
	transaction=1
	usbio "$node" claim:0 "out:0x02:$(mtp 0x1007 0xffffffff 0 0)" in:0x81:65536 in:0x81:512 >/tmp/lines || return 1
	answered </tmp/lines || return 1
	list=$(head -n 1 /tmp/lines | cut -c 33-)
	while [ -n "$list" ]; do
		transaction=$((transaction + 1))
		steps+=("out:0x02:$(mtp 0x1009 "$(number "${list:0:8}")")" in:0x81:262144 in:0x81:512)
		list=${list:8}
	done
	usbio "$node" claim:0 "${steps[@]}" >/tmp/lines || return 1
	# An object, and what the player says to that, in turns.
	mapfile -t lines </tmp/lines
	for ((at = 0; at < ${#lines[@]}; at += 2)); do
		answered <<<"${lines[at + 1]}" || { echo "# no object: ${lines[at + 1]:0:80}"; return 1; }
		got+=$(cut -c 25- <<<"${lines[at]}" | xxd -r -p | sha256sum)$'\n'
	done
	[ "$(sort <<<"${got%$'\n'}")" = "$wanted" ] || { echo "# of $(wc -l <<<"$wanted") files $((${#lines[@]} / 2)) came over, and not as they are"; return 1; }
	transaction=$((transaction + 1))
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
