# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
#
# What scripts and people see of the modules is as with the stock ones: names, descriptions, parameters,
# dependencies, and that nothing loads them by itself.

. /tests/lib.sh
folder=/lib/modules/$(uname -r)
# parameters FILE: names and types
parameters() {
	modinfo -F parm "$1" | sed 's/:.*(\([a-z]*\))$/ \1/'
}

for module in usbip-core usbip-host vhci-hcd usbip-vudc; do
	ours=$folder/updates/$module.ko
	stock=$(find "$folder/kernel/" -name "$module.ko")
	same "$module is ours" "$ours" "$(modinfo -n $module)"
	for field in name description vermagic intree; do
		want=$(modinfo -F $field "$stock")
		# Ours is not from the kernel's tree, and says so.
		[ $field != intree ] || want=
		same "$field of $module" "$want" "$(modinfo -F $field "$ours")"
	done
	# Ours may have more parameters and describe them better, but the stock ones are there, of the same type.
	same "stock parameters of $module" "" "$(parameters "$stock" | grep -vxF "$(parameters "$ours")")"
	same "$module is GPL" GPL "$(modinfo -F license "$ours" | cut -c1-3)"
	same "$module has no alias" "$(modinfo -F alias "$stock")" "$(modinfo -F alias "$ours")"
	for need in $(modinfo -F depends "$stock" | tr , ' '); do
		[ $module != usbip-core ] || [ "$need" != usb-common ] || continue
		# What usbcore brings along needs no mention of its own.
		[ "$need" != usb-common ] || continue
		# Nor does what usbip-core brings along.
		check "$module depends on $need" grep -qx "$need" \
			<(modinfo -F depends "$ours" "$folder/updates/usbip-core.ko" | tr , '\n')
	done
	modprobe $module || not_ok "$module loads"
	name=${module//-/_}
	check "$name is loaded" grep -q "^$name " /proc/modules
	check "$name is the Rust one" grep -q "_R" <(grep -F "[$name]" /proc/kallsyms)
	case $module in
		usbip-core)
			same "its value" 0 "$(cat /sys/module/$name/parameters/usbip_debug_flag)"
			mode usbip_debug_flag /sys/module/$name/parameters/usbip_debug_flag 644
			;;
		usbip-vudc)
			mode num /sys/module/$name/parameters/num 444
			;;
	esac
done
# There is no stock usbip-ux to compare with.
ours=$folder/updates/usbip-ux.ko
same "usbip-ux is ours" "$ours" "$(modinfo -n usbip-ux)"
same "vermagic of usbip-ux" "$(modinfo -F vermagic $folder/updates/usbip-core.ko)" "$(modinfo -F vermagic "$ours")"
same "usbip-ux is GPL" GPL "$(modinfo -F license "$ours" | cut -c1-3)"
same "usbip-ux has no alias" "" "$(modinfo -F alias "$ours")"
check "usbip-ux says what it is" test -n "$(modinfo -F description "$ours")"
check "usbip-ux loads" modprobe usbip-ux
for module in usbip-ux usbip-vudc usbip-host vhci-hcd usbip-core; do
	check "$module unloads" within 30 rmmod $module
done
check "usbip_debug_flag is taken at load" modprobe usbip-core usbip_debug_flag=21
same "usbip_debug_flag" 21 "$(cat /sys/module/usbip_core/parameters/usbip_debug_flag)"
finish
