#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a machine that lacks something is told: one line, that says what to do. Nothing is downloaded.

. "$(dirname "$(readlink -f "$0")")/../lib.sh"
cd "$(dirname "$(readlink -f "$0")")/../.." || exit

work=$(mktemp -d)
# A folder in memory, with hardly any room; it vanishes with this shell's mount namespace.
if [ -z "${USBIP_TEST_NAMESPACE:-}" ]; then
	rmdir "$work"
	USBIP_TEST_NAMESPACE=1 exec unshare --mount --propagation=private bash "$0" "$@"
fi
trap 'umount "$work/tiny" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/tiny" "$work/bin"
mount -t tmpfs -o size=1m tmpfs "$work/tiny"
unset http_proxy https_proxy MAKEFLAGS MFLAGS MAKELEVEL

# told NAME PATTERN COMMAND..: the command fails, with one line that matches, within seconds
told() {
	local name=$1 pattern=$2 output status
	shift 2
	output=$(timeout 60 "$@" 2>&1)
	status=$?
	# Make adds a line of its own.
	output=$(grep -v '^make: \*\*\*' <<<"$output")
	if [ $status = 0 ] || [ $status = 124 ]; then
		not_ok "$name" "status $status"
	elif [ "$(wc -l <<<"$output")" != 1 ]; then
		not_ok "$name" "not one line: $output"
	elif ! grep -qE "$pattern" <<<"$output"; then
		not_ok "$name" "says: $output"
	else
		ok "$name"
		echo "#   $output"
	fi
}

empty=$work/cache
# A user who is not root.
printf '#!/bin/sh\nif [ "$1" = -u ]; then echo 1000; else exec /usr/bin/id "$@"; fi\n' >"$work/bin/id"
chmod +x "$work/bin/id"
as_user=(env PATH="$work/bin:$PATH")
for target in demo modules test lint; do
	told "not root: make $target" 'must run as root' "${as_user[@]}" USBIP_CACHE="$empty" make -s $target
	told "not root, all set up: make $target" 'must run as root' "${as_user[@]}" make -s $target
done
told "not root: make install" 'must run as root.*DESTDIR' "${as_user[@]}" make -s install
told "not root: make uninstall" 'must run as root.*DESTDIR' "${as_user[@]}" make -s uninstall

told "no network" 'no network: cannot resolve mirror\.invalid .*USBIP_MIRROR' \
	env USBIP_CACHE="$empty" USBIP_MIRROR=http://mirror.invalid/debian make -s demo
told "too little disk" 'too little disk: [0-9]+ GB free .* need [0-9]+ GB .*USBIP_CACHE' \
	env USBIP_CACHE="$work/tiny" make -s demo
told "a cache that cannot be" 'cannot create /proc/nowhere .*USBIP_CACHE' env USBIP_CACHE=/proc/nowhere make -s demo
told "a cache with a space in its name" 'no path with a space .*USBIP_CACHE' env USBIP_CACHE="$work/a cache" make -s demo
told "an unknown architecture" "unknown architecture 'mips' .*arm64" make -s modules ARCH=mips
printf '#!/bin/sh\nif [ "$1" = -m ]; then echo riscv64; else exec /usr/bin/uname "$@"; fi\n' >"$work/bin/uname"
chmod +x "$work/bin/uname"
mv "$work/bin/id" "$work/id"
told "a machine of unknown architecture" "unknown architecture 'riscv64' .*arm64" "${as_user[@]}" make -s demo
mv "$work/id" "$work/bin/id"
rm "$work/bin/uname"
told "an unknown kernel" "unknown kernel '6.12' .*7.2" make -s modules KERNEL=6.12
told "a kernel of another architecture" 'no kernel for x86_64' make -s modules KERNEL=7.2.12+deb13-arm64 ARCH=x86_64
told "a KDIR that is none" 'KDIR=.* is no prepared kernel build folder' make -s modules KDIR="$work"

# A build folder whose rust/ is not the kernel's: the modules would not load, or worse.
mkdir "$work/other"
ln -s "$(scripts/kernel 7.2)"/build/{.config,*} "$work/other/"
rm "$work/other/Module.symvers"
sed '/rust_helper_mutex_lock/d' "$(scripts/kernel 7.2)/build/Module.symvers" >"$work/other/Module.symvers"
told "other Rust symbols than the kernel's" 'the Rust symbols of .* differ in 1: modules would not load' \
	make -s modules KDIR="$work/other"

# The modules are built, but there is no room for what a machine boots.
echo true >"$work/job"
told "too little disk for a machine" 'too little disk in .*TMPDIR' \
	sh -c "TMPDIR='$work/tiny' scripts/vm --modules c '$work/job' 2>&1 | sed '/^==== kernel log/,\$d'; false"

# No package of the pinned version: the newest of the series instead, said aloud.
if timeout 15 getent hosts deb.debian.org >/dev/null; then
	chosen=$(USBIP_PIN=7.2.999+deb13 scripts/kernel --which 7.2 2>"$work/said")
	check "no package of the pinned version: another one of the series" grep -qE '^7\.2\.[0-9]+\+deb13-' <<<"$chosen"
	check "it is said" grep -qF "no longer has 7.2.999+deb13" "$work/said"
	sed 's/^/#   /' "$work/said"
	same "a release by its whole name" "$chosen" "$(scripts/kernel --which "$chosen" 2>/dev/null)"
	scripts/kernel --which 7.2.999+deb13-amd64 >/dev/null 2>"$work/said"
	check "nothing else in place of a whole name" grep -qF 'has no 7.2.999+deb13-amd64' "$work/said"
else
	skip "no package of the pinned version" "no network"
fi
finish
