#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The modules load, have their files, and unload.

# shellcheck source=usbip_lib.sh
. "$(dirname "$0")/usbip_lib.sh"
need_root
need_module usbip_host
need_module vhci_hcd
# Nothing is made that had to be cleaned up.
export scratch=

is_loaded() {
	grep -q "^$1 " /proc/modules
}

unloads() {
	modprobe -r "$1" && ! is_loaded "$1"
}

# What somebody uses stays.
if is_loaded vhci_hcd && ! ports_free; then
	skip_all "vhci_hcd is in use"
fi
plan 10
passes "usbip_host loads" modprobe usbip_host
passes "it has match_busid" test -w $HOST/match_busid
passes "it has rebind" test -w $HOST/rebind
passes "vhci_hcd loads" modprobe vhci_hcd
passes "it has attach" test -w $VHCI/attach
passes "it has detach" test -w $VHCI/detach
same "its ports are free" "" "$(ports)"
passes "vhci_hcd unloads" unloads vhci_hcd
passes "usbip_host unloads" unloads usbip_host
passes "and with them their files" test ! -e $HOST -a ! -e $VHCI
finish
