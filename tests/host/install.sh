#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make install and make uninstall with DESTDIR, as a packager uses them: nothing outside of it is touched, and
# depmod, where the folder holds a module tree, prefers ours.

. "$(dirname "$(readlink -f "$0")")/../lib.sh"
cd "$(dirname "$(readlink -f "$0")")/../.." || exit

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KERNEL=${KERNEL:-7.2}
kernel=$(scripts/kernel "$KERNEL")
release=$(cat "$kernel/release")
tree=lib/modules/$release

# found FOLDER MODULE: the path of the module that depmod's index in FOLDER names first, relative to the tree
found() {
	sed -n "s|^\([^:]*/$2\.ko[^:]*\):.*|\1|p" "$1/$tree/modules.dep" | head -n 1
}

bare=$work/bare
check "make install DESTDIR=" make -s install DESTDIR="$bare" 2>"$work/log"
modules="usbip-core usbip-host vhci-hcd usbip-vudc usbip-ux"
for module in $modules; do
	check "$module is in updates" cmp -s "build/$release/modules/$module.ko" "$bare/$tree/updates/$module.ko"
done
same "nothing else is under lib" "$(wc -w <<<"$modules")" "$(find "$bare/lib" -type f | wc -l)"
same "no test program is installed" "" "$(find "$bare" -name 'usbip-bench' -o -name 'usbip-hostile' -o -name 'ux-pump')"
check "make uninstall DESTDIR=" make -s uninstall DESTDIR="$bare" 2>>"$work/log"
same "nothing is left" "" "$(find "$bare" -type f)"

# From here on what is installed is what was built above.
export MODULES=$PWD/build/$release/modules
# A relative path is one of the caller's.
check "make install with a relative DESTDIR" make -s install DESTDIR=build/destdir.test 2>>"$work/log"
check "it is relative to where make runs" test -e "build/destdir.test/$tree/updates/vhci-hcd.ko"
rm -rf build/destdir.test

# A machine that only builds has no depmod of its own.
if ! command -v depmod >/dev/null; then
	mkdir "$work/bin"
	printf '#!/bin/sh\nexec "%s/scripts/in-root" depmod "$@"\n' "$PWD" >"$work/bin/depmod"
	chmod +x "$work/bin/depmod"
	export PATH=$work/bin:$PATH USBIP_BIND=$work
fi
whole=$work/whole
mkdir -p "$whole/$tree/kernel/drivers"
cp -a "$kernel/root/$tree/kernel/drivers/usb" "$whole/$tree/kernel/drivers/"
cp "$kernel/root/$tree"/modules.{order,builtin,builtin.modinfo} "$whole/$tree/"
scripts/in-root depmod -b "$whole" "$release"
stock=$(found "$whole" vhci-hcd)
check "a module tree starts with the stock module" test "${stock#kernel/}" != "$stock"
check "make install into it" make -s install DESTDIR="$whole" 2>>"$work/log"
same "depmod ran there and names ours" updates/vhci-hcd.ko "$(found "$whole" vhci-hcd)"
check "make uninstall from it" make -s uninstall DESTDIR="$whole" 2>>"$work/log"
same "depmod names the stock one again" "$stock" "$(found "$whole" vhci-hcd)"
[ "$failures" = 0 ] || cat "$work/log"
finish
