# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 400
# vm: --qemu "-device qemu-xhci,id=xhci -audiodev wav,id=tape,path=@SCRATCH@/tape.wav,out.mixing-engine=off -device usb-audio,id=card,bus=xhci.0,port=1,audiodev=tape,buffer=1048576"
#
# A sound card on a real host controller, shared over the loopback: what ALSA plays on the imported one is on the
# tape that QEMU wrote, to the sample.

. /tests/lib.sh
. /tests/iso.sh
modprobe -a xhci_pci vhci-hcd snd_usb_audio usb_storage sd_mod
wait_for 20 has_local 46f4:0002 || die "no sound card"
start_usbipd
id=$(busid 46f4:0002)
bind "$id" >/dev/null
attach "$id" 46f4:0002 >/dev/null || die "attach failed"
play_clip "$(devices_on remote 46f4:0002)"
detach_all >/dev/null
check "available again" wait_for 20 host_is "$id" 1
check "unbind" within 20 usbip unbind -b "$id" 2>/dev/null
compare_tape
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
unload
finish
