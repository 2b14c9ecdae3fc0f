# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 900 --qemu "-device qemu-xhci,id=xhci -audiodev none,id=speaker -device usb-audio,audiodev=speaker,bus=xhci.0"
#
# Isochronous transfers: a sound card plays what it is given, and gets every packet of it as it was sent.

. /tests/lib.sh
. /tests/iso.sh
ID=46f4:0002
modprobe -a xhci_pci snd_usb_audio usbmon vhci-hcd
wait_for 30 has_local $ID || die "no sound card"
start_usbipd
id=$(busid $ID)
bind "$id" >/dev/null
check "attached" attach "$id" $ID
path=$(devices_on remote $ID | head -n 1)

# Both buses are watched: what one side sends is what the other gets.
here=$(cat "$path/busnum") there=$(cat "$USB/$id/busnum")
mon=/sys/kernel/debug/usb/usbmon
cat $mon/"$here"u >/tmp/here &
watch=$!
cat $mon/"$there"u >/tmp/there &
watch="$watch $!"
# Random samples do not repeat, so that nothing can be lost or change places unseen.
began=$SECONDS
play_clip "$path"
echo "# $((SECONDS - began)) s"
sleep 1
kill $watch
# data FILE: the first bytes of each transfer that is not silence
data() {
	grep -E ' S Zo:' "$1" | sed -n 's/.* = \(.*\)/\1/p' | grep -v '^00000000 00000000 00000000 00000000'
}
check "there was something to compare" test "$(data /tmp/here | wc -l)" -gt 20
same "each transfer arrives as it was sent, in order" "$(data /tmp/here | sha256sum)" "$(data /tmp/there | sha256sum)"
# Of each: status, interval, first frame, how many packets failed.
awk '/ C Zo:/ { print $5 }' /tmp/here >/tmp/ends
check "there were transfers" test -s /tmp/ends
same "no packet failed" 0 "$(grep -cvE '^0:[0-9]+:[0-9]+:0$' /tmp/ends)"
check "the link is up" host_is "$id" 2
detach_all >/dev/null
check "free again" wait_for 20 host_is "$id" 1
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
