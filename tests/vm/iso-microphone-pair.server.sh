# SPDX-License-Identifier: GPL-2.0
# once: yes
# matrix: rust/c c/rust
# vm: --timeout 400 --server --python --add @TOP@/tests/exporters/microphone.py
# vm: --qemu "-device qemu-xhci,id=xhci -chardev socket,id=redir,path=@SCRATCH@/redir,server=on,wait=off -device usb-redir,chardev=redir,bus=xhci.0"
# vm: --qemu "-chardev socket,id=line,path=@SCRATCH@/redir -device virtio-serial-pci -device virtserialport,chardev=line"
#
# The microphone of iso-microphone over a network, one side with the C modules. This is the side with the microphone.

. /tests/lib.sh
. /tests/iso.sh
microphone_start
start_usbipd || die "usbipd does not start"
id=$(busid $MICROPHONE)
bind "$id" >/dev/null
socat -u TCP-LISTEN:5000,reuseaddr CREATE:/tmp/recorded &
receiver=$!
signal exported >/dev/null
await client-exit 300
wait_for 30 not kill -0 $receiver || kill $receiver
check "the recording is known" wait $receiver
check "every sample recorded as sent" pcm within /tmp/spoken /tmp/recorded
check "the client's end frees the microphone" wait_for 20 host_is "$id" 1
check "unbind" within 20 usbip unbind -b "$id" 2>/dev/null
kill $MICROPHONE_PID
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
check "usbip-host unloads" within 30 rmmod usbip-host
finish
