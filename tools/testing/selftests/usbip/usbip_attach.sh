#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device is imported over the loopback and given back, and everything that must be refused is.

# shellcheck source=usbip_lib.sh
. "$(dirname "$0")/usbip_lib.sh"
need_root
need_tools
need_module usbip_host
need_module vhci_hcd
need_device
modprobe -a usbip_host vhci_hcd || skip_all "the modules do not load"
ports_free || skip_all "vhci_hcd is in use"
start_daemon || skip_all "usbipd does not start"

plan 23
same "no port is in use" "" "$(ports)"
fails "what nobody shares is not attached" usbip attach -r localhost -b "$busid"
same "no port is in use after that" "" "$(ports)"
passes "bind" usbip bind -b "$busid"
passes "usbip_host has it" eventually bound
passes "attach" usbip attach -r localhost -b "$busid"
passes "the device appears" eventually imported
passes "it is in use" eventually host_is 2
same "one port is in use" 1 "$(ports | wc -w)"
says "port shows it" "$busid" usbip port
fails "what is in use is not attached again" usbip attach -r localhost -b "$busid"
same "it is still in use" 2 "$(host_status)"
same "one port is still in use" 1 "$(ports | wc -w)"
port=$(ports)
passes "detach" usbip detach -p "${port:-0}"
passes "the device goes" eventually not_imported
passes "it is available again" eventually host_is 1
passes "the port is free" eventually ports_free
silent "port shows nothing" "$busid" usbip port
says "detach again: nothing to do" "already detached" usbip detach -p "${port:-0}"
fails "a free port is not detached" timeout 5 sh -c "echo ${port:-0} >$VHCI/detach"
fails "a port that does not exist is not detached" usbip detach -p "$(cat $VHCI/nports)"
passes "unbind" usbip unbind -b "$busid"
passes "its own driver has it" eventually local_again
finish
