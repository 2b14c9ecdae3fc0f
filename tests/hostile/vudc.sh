# SPDX-License-Identifier: GPL-2.0
# modules: rust
# vm: --smp 2 --timeout 1500
# debug: --smp 2
#
# A client that says whatever it likes, against usbip-vudc: each fault of the C module, and what any exporter must
# stand.

. /tests/lib.sh
. /tests/vudc.sh
vudc_hostile_gadgets
start_usbipd_device || die "usbipd does not start"
devices="disk=usbip-vudc.0 keyboard=usbip-vudc.1 audio=usbip-vudc.2 configfs=/sys/kernel/config/usb_gadget/source"
# shellcheck disable=SC2086
usbip-hostile vudc without=$FAULTLESS $devices || failures=1
# Without what binds the gadget: each time the kernel's own composite driver leaves two small things behind, also
# with the C module.
# shellcheck disable=SC2086
leak_rounds "hostile clients" 2 usbip-hostile vudc $devices s2_ s3_ s11_ s12_ s15_ s16_ s9_negative unlink_ v2_ v4_ v5_unlink
vudc_hostile_end
