#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usbip_host is removed while it has a device: the device goes back to its own driver, and nothing is left.

# shellcheck source=usbip_lib.sh
. "$(dirname "$0")/usbip_lib.sh"
need_root
need_tools
need_module usbip_host
need_device
modprobe usbip_host || skip_all "usbip_host does not load"

plan 12
passes "bind" usbip bind -b "$busid"
passes "usbip_host has it" eventually bound
passes "usbip_host unloads with a device" rmmod usbip_host
passes "its own driver has it" eventually local_again
same "its files are gone" "" "$(find "$USB/$busid/" -maxdepth 1 -name 'usbip_*')"
fails "bind without usbip_host fails" usbip bind -b "$busid"
# The tool takes the device from its driver before it notices; nobody else brings it back.
echo "$busid" >/sys/bus/usb/drivers_probe 2>/dev/null
passes "the device has a driver" eventually local_again
passes "usbip_host loads again" modprobe usbip_host
same "it has forgotten the device" "" "$(tr -d ' \n' <$HOST/match_busid)"
passes "the device stays with its driver" local_again
passes "bind works again" usbip bind -b "$busid"
passes "usbip_host has it again" eventually bound
finish
