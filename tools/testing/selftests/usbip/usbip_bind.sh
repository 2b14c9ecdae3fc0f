#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device is given to usbip_host and taken back, and the list that others see follows.

# shellcheck source=usbip_lib.sh
. "$(dirname "$0")/usbip_lib.sh"
need_root
need_tools
need_module usbip_host
need_device
modprobe usbip_host || skip_all "usbip_host does not load"
start_daemon || skip_all "usbipd does not start"

plan 18
says "the device is listed here" " $busid " usbip list -l
silent "and not to others" " $busid:" usbip list -r localhost
passes "bind" usbip bind -b "$busid"
passes "usbip_host has it" eventually bound
same "it is available" 1 "$(host_status)"
says "match_busid has it" "$busid" cat $HOST/match_busid
says "bind again: already bound" "already bound" usbip bind -b "$busid"
fails "bind again fails" usbip bind -b "$busid"
passes "usbip_host still has it" bound
says "others see it" " $busid:" usbip list -r localhost
passes "unbind" usbip unbind -b "$busid"
passes "its own driver has it" eventually local_again
silent "match_busid forgets it" "$busid" cat $HOST/match_busid
says "unbind again: not bound" "not bound" usbip unbind -b "$busid"
fails "unbind again fails" usbip unbind -b "$busid"
passes "its own driver still has it" local_again
silent "others do not see it" " $busid:" usbip list -r localhost
fails "a device that does not exist is not bound" usbip bind -b 99-9
finish
