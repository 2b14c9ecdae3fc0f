# SPDX-License-Identifier: GPL-2.0
# kernels: debug
# vm: --smp 2
# modules: rust
#
# V6: a gadget whose driver has no descriptor to give (raw_gadget asks a program, which keeps silent here). It can be
# bound, is not there for clients, and can be unbound, by its program and by the kernel when that is killed; the
# controller then serves another gadget. (The C module cannot unbind it.) Unloading is left out: raw_gadget uses its
# endpoint after its controller is gone, whoever made that.

. /tests/lib.sh
. /tests/vudc.sh
ID=0525:a4a5
modprobe -a usbip-vudc raw_gadget vhci-hcd
wait_for 10 test -c /dev/raw-gadget || die "no /dev/raw-gadget"
truncate -s 4M /tmp/image

said_bound() {
	grep -q bound /tmp/rawbind
}
# silent: a gadget that answers nothing
silent() {
	# Nobody is to read what the one before has said.
	: >/tmp/rawbind
	rawbind usbip-vudc usbip-vudc.0 >/tmp/rawbind 2>&1 &
	RAWBIND=$!
	check "$1: a gadget without a descriptor is bound" wait_for 20 said_bound
	refuse "$1: it has no descriptor" cat $VUDC.0/dev_desc
	check "$1: which is ENODEV" grep -q "No such device" <(cat $VUDC.0/dev_desc 2>&1)
	same "$1: its controller is not in use" 1 "$(vudc_status 0)"
}
# end: the program goes
end() {
	kill "$@" $RAWBIND
	wait $RAWBIND 2>/dev/null
}
# serves: another gadget can be had
serves() {
	vudc_disk /tmp/image 0 || return 1
	vudc_attach 0 $ID || return 1
	detach_all >/dev/null
	wait_for 20 vudc_is 0 1 && gadget_remove disk
}

silent "alone"
start_usbipd_device || die "usbipd does not start"
refuse "alone: it cannot be attached" within 30 usbip attach -r 127.0.0.1 -d usbip-vudc.0
end -TERM
check "alone: then another gadget is served" serves

silent "killed"
end -KILL
check "killed: then another gadget is served" serves
stop_usbipd

check "no thread is left" wait_for 10 threads_gone
vudc_unload
finish
