# SPDX-License-Identifier: GPL-2.0
# once: yes
# matrix: rust/c c/rust
# vm: --timeout 500
# vm: --qemu "-device qemu-xhci,id=xhci -audiodev wav,id=tape,path=@SCRATCH@/tape.wav,out.mixing-engine=off -device usb-audio,id=card,bus=xhci.0,port=1,audiodev=tape,buffer=1048576"
#
# A sound card shared over a network, one side of it with the C modules. This is the side with the card, and with
# the tape.

. /tests/lib.sh
. /tests/iso.sh
modprobe -a xhci_pci usb_storage sd_mod
wait_for 20 has_local 46f4:0002 || die "no sound card"
start_usbipd || die "usbipd does not start"
id=$(busid 46f4:0002)
bind "$id" >/dev/null
socat -u TCP-LISTEN:5000,reuseaddr CREATE:/tmp/clip &
receiver=$!
signal exported >/dev/null
await client-exit 400
wait_for 30 not kill -0 $receiver || kill $receiver
check "the clip is known" wait $receiver
check "the client's end frees the card" wait_for 20 host_is "$id" 1
check "unbind" within 20 usbip unbind -b "$id" 2>/dev/null
compare_tape
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
check "usbip-host unloads" within 30 rmmod usbip-host
finish
