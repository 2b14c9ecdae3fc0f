# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# matrix: rust/rust
# vm: --timeout 500
#
# A disk on another machine over a pipe: on both, a program between /dev/usbip-ux and its standard input and output
# carries the connection, and socat takes the pipes across. This is the side with the disk.

. /tests/lib.sh
. /tests/ux.sh
ux_disk 4
echo "$(devid "$UX_ID") $UX_SUM" >/tmp/about
socat -u OPEN:/tmp/about TCP-LISTEN:5001 &
socat TCP-LISTEN:5000 EXEC:"ux-pump - $USB/$UX_ID/usbip_sockfd {}",pipes &
signal exported
check "the client reads what is on the disk" await read 300
check "the device is in use" host_is "$UX_ID" 2
check "the client writes" await wrote 300
await detached 400
refuse "the disk is not what it was" test "$(sha256sum </tmp/disk | cut -d' ' -f1)" = "$UX_SUM"
check "the device is available again" wait_for 20 host_is "$UX_ID" 1
check "the program has ended" wait_for 20 not pgrep ux-pump
signal ended
check "no thread is left" wait_for 10 threads_gone
check "nobody uses usbip-ux" wait_for 10 unused usbip-ux
check "usbip-ux unloads" within 20 rmmod usbip-ux
finish
