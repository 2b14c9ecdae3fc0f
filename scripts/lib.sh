# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions that every script here shares. Source it, do not run it:
#     . "$(dirname "$(readlink -f "$0")")/lib.sh"
#
# Results go to standard output and nothing else does, so that a caller can write K=$(scripts/kernel 7.2).

set -euo pipefail

TOP=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
USBIP_CACHE=${USBIP_CACHE:-${HOME:-/root}/.cache/usbip-rust}
case $USBIP_CACHE in
	/*) ;;
	*) USBIP_CACHE=$PWD/$USBIP_CACHE ;;
esac
USBIP_MIRROR=${USBIP_MIRROR:-http://deb.debian.org/debian}
export TOP USBIP_CACHE USBIP_MIRROR
case $TOP$USBIP_CACHE in
	*[[:space:]:]*)
		# Kbuild refuses them, after all has been downloaded.
		printf '%s: %s\n' "${0##*/}" "no path with a space or a colon can be built in: $TOP, $USBIP_CACHE (USBIP_CACHE= chooses another place)" >&2
		exit 1
		;;
esac

# Programs of build/tools that measure and test: no system needs them installed.
TEST_PROGRAMS="usbip-bench usbip-hostile ux-pump"

# programs: the others, one path a line
programs() {
	local tool
	for tool in "$TOP"/build/tools/*; do
		case " $TEST_PROGRAMS " in
			*" ${tool##*/} "*) ;;
			*) [ ! -f "$tool" ] || [ ! -x "$tool" ] || echo "$tool" ;;
		esac
	done
}

log() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	log "$*"
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die "must run as root: it makes a file system root with mmdebstrap and enters it with chroot"
}

# need_disk GIGABYTES
need_disk() {
	local free
	mkdir -p "$USBIP_CACHE" 2>/dev/null || die "cannot create $USBIP_CACHE (USBIP_CACHE= chooses another place)"
	free=$(df --output=avail -BG "$USBIP_CACHE" | tr -dc '0-9')
	[ "$free" -ge "$1" ] || die "too little disk: ${free} GB free under $USBIP_CACHE, need $1 GB (USBIP_CACHE= chooses another place)"
}

need_network() {
	local host=${USBIP_MIRROR#*://}
	host=${host%%/*}
	# A proxy may resolve names that this machine cannot.
	[ -z "${http_proxy:-}" ] || return 0
	timeout 15 getent hosts "${host%%:*}" >/dev/null || die "no network: cannot resolve ${host%%:*} (USBIP_MIRROR= names another Debian mirror)"
}

# install_packages NAME..: on this machine, whose lists of packages may be old or missing
install_packages() {
	command -v apt-get >/dev/null || die "missing packages, and no apt-get to install them: $*"
	log "installing $*"
	{ DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" ||
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; }; } \
		>/dev/null 2>"$USBIP_CACHE/apt.log" || die "apt-get could not install $* (see $USBIP_CACHE/apt.log)"
}

# key TEXT..: a short name for "made from exactly this"
key() {
	printf '%s\n' "$@" | sha256sum | cut -c1-12
}

# cached NAME COMMAND..: make $USBIP_CACHE/NAME by running COMMAND with the path of an empty folder as its
# last argument. The folder is renamed at the end, so a NAME that exists is complete, and of two processes
# that ask at once one builds and the other waits.
cached() {
	local name=$1 tmp
	shift
	[ ! -e "$USBIP_CACHE/$name" ] || return 0
	mkdir -p "$USBIP_CACHE/locks"
	(
		flock -n 9 || {
			log "waiting for another process that is making $name"
			flock 9
		}
		[ ! -e "$USBIP_CACHE/$name" ] || exit 0
		# With the lock held, what is left of an earlier attempt belongs to nobody.
		rm -rf "$USBIP_CACHE/.making-$name"
		tmp=$USBIP_CACHE/.making-$name
		mkdir -p "$tmp"
		# Children must not keep the lock when they outlive us.
		"$@" "$tmp" 9>&- >&2
		mv -T "$tmp" "$USBIP_CACHE/$name"
	) 9>"$USBIP_CACHE/locks/$name"
}

# host_arch: this machine, in the kernel's ARCH words that `make` here takes
host_arch() {
	uname -m | sed 's/^aarch64$/arm64/'
}

# deb_arch ARCH: Debian's word for it
deb_arch() {
	case $1 in
		x86_64) echo amd64 ;;
		arm64) echo arm64 ;;
		*) die "unknown architecture '$1' (x86_64, arm64)" ;;
	esac
}

# rust_symbols FILE: the exported symbols that come from rust/, in the one form that all builds share
rust_symbols() {
	awk -F '\t' '$3 ~ /^rust\// || ($2 ~ /^(_R|rust_)/ && $3 == "vmlinux") { print $2 }' "$1" | LC_ALL=C sort -u
}

# check_rust_symbols BUILD SYMVERS RELEASE: rust/ of a prepared build folder exports what the kernel exports
check_rust_symbols() {
	local ours theirs
	# It lists its symbols in the headers that rust/exports.c includes.
	ours=$(sed -n 's/^EXPORT_SYMBOL_RUST_GPL(\(.*\));$/\1/p' "$1"/rust/exports_*_generated.h | LC_ALL=C sort -u)
	theirs=$(rust_symbols "$2")
	[ -n "$ours" ] && [ "$ours" = "$theirs" ] ||
		die "the Rust symbols of $1 ($(wc -l <<<"$ours")) and of the kernel $3 ($(wc -l <<<"$theirs")) differ in $(LC_ALL=C comm -3 <(echo "$ours") <(echo "$theirs") | wc -l): modules would not load (wrong rustc, bindgen or source)"
}
