# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: rust
# vm: --add Makefile:/src/Makefile --add scripts:/src/scripts --timeout 900
#
# make install and make uninstall: the modules go in as one set and are what modprobe finds, and once they are
# taken out it finds the distribution's again. The machine starts as an unmodified Debian does.

. /tests/lib.sh
release=$(uname -r)
tree=/lib/modules/$release
# Those that there are stock ones of.
ALL="usbip-core usbip-host vhci-hcd usbip-vudc"
# The machine comes with ours in place, which is how they get here.
mkdir -p /src/built
mv $tree/updates/*.ko /src/built/
# Unit tests are not installed.
set=$(ls -A /src/built | grep -v kunit | xargs)
rm -rf $tree/updates
depmod

# loaded_is rust|c: whose vhci-hcd modprobe loads
loaded_is() {
	modprobe vhci-hcd || return 1
	case $1 in
		rust) grep -F '[vhci_hcd]' /proc/kallsyms | grep -q _R ;;
		c) ! grep -F '[vhci_hcd]' /proc/kallsyms | grep -q _R ;;
	esac
}

# whose FOLDER NAME: every module is found in that folder of the tree
whose() {
	local module path
	for module in $ALL; do
		path=$(modinfo -n $module)
		case $path in
			"$tree/$1"/*) ;;
			*) not_ok "$2" "$module is $path" && return ;;
		esac
	done
	ok "$2"
}

whose kernel/drivers/usb/usbip "at first the stock modules are found"
check "modprobe loads the C vhci-hcd" loaded_is c

cd /src || exit
check "make install" make -s install MODULES=/src/built 2>/tmp/log
cat /tmp/log
check "it says that other modules are loaded" grep -q 'modprobe -r' /tmp/log
whose updates "the new ones are found"
same "exactly one set is there" "$set" "$(ls -A $tree/updates | xargs)"
modprobe -r vhci-hcd
check "modprobe loads the Rust vhci-hcd" loaded_is rust
check "modprobe loads the Rust usbip-host" modprobe usbip-host
check "it has a version" test -s /sys/module/vhci_hcd/version
same "the version that modinfo shows is the one in use" "$(modinfo -F version vhci-hcd)" "$(cat /sys/module/vhci_hcd/version 2>/dev/null)"
check "they unload" modprobe -r vhci-hcd usbip-host
check "installing again is fine" make -s install MODULES=/src/built 2>/dev/null
whose updates "they are still found"

mkdir /src/part
cp /src/built/usbip-core.ko /src/part/
refuse "part of a set is not installed" make -s install MODULES=/src/part
whose updates "and what was there stays"

check "make uninstall" make -s uninstall 2>/tmp/log
cat /tmp/log
whose kernel/drivers/usb/usbip "the stock modules are found again"
check "nothing is left of updates" test ! -e $tree/updates
check "modprobe loads the C vhci-hcd again" loaded_is c
check "uninstalling again is fine" make -s uninstall 2>/dev/null
finish
