# SPDX-License-Identifier: GPL-2.0
# vm: --timeout 400
# matrix: rust/rust rust/c
#
# The cable is pulled in the middle of a transfer and stays out: the server must notice by itself that the client
# is gone and free the device within 60 seconds; then the client comes back. The C server waits for ever.

. /tests/lib.sh
ID=0525:a4a5
head -c 8388608 /dev/urandom >/tmp/image
load_dummy super
modprobe -a usb_storage sd_mod
gadget_disk /tmp/image || die "no gadget"
start_usbipd
id=$(busid $ID)
bind "$id" >/dev/null
signal exported
await streaming 100 || exit 1
same "in use" 2 "$(host_status "$id")"
link_down >/dev/null
began=$SECONDS
signal cut
check "the server frees the device within 60 s" wait_for 60 host_is "$id" 1
echo "# freed after $((SECONDS - began)) s"
check "no thread is left" wait_for 5 threads_gone
await given-up 120
link_up >/dev/null
signal mended
await client-exit 120
check "free again" wait_for 20 host_is "$id" 1

stop_usbipd
check "usbip-host unloads" within 30 rmmod usbip-host
finish
