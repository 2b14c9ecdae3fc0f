# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the jobs of scripts/bench share. A line of their output: modules, round, case, what, value.

. /tests/lib.sh
. /root/settings

# What TCP has learnt from one connection is not to count for the next one.
echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save

# What is measured, in the order in which they load.
MODULES="usbip-core usbip-host vhci-hcd"
folder=/usr/lib/modules/$(uname -r)
# What the modules need; by path they do not bring it along.
modprobe -a usbcore usb_common

# insert WHOSE: load the modules of c or rust, by path, so that they can be changed in one boot
insert() {
	local path module
	case $1 in
		c) path=$folder/kernel/drivers/usb/usbip ;;
		rust) path=$folder/updates ;;
	esac
	whose=$1
	loaded=
	for module in $MODULES; do
		loaded="$module $loaded"
		insmod "$path/$module.ko" || die "$module of $1 does not load"
	done
}

remove() {
	local module
	wait_for 60 ports_free
	for module in $loaded; do
		within 60 rmmod $module || die "$module of $whose does not unload"
	done
}

# source_sink GADGET NUMBER LENGTH: a configuration that does nothing with the data but count it, and sends LENGTH bytes
# at a time
source_sink() {
	local function=$1/functions/SourceSink.$2
	mkdir "$function" "$1/configs/source.$2"
	echo 2 >"$function/pattern"
	echo "$3" >"$function/bulk_buflen"
	echo 8 >"$function/bulk_qlen"
	ln -s "$function" "$1/configs/source.$2/"
}

# bench SUITE [BUSID..]: run it and say whose modules did it
bench() {
	local line
	/opt/usbip/sbin/usbip-bench ${COUNT:+--count} ${AMONG:+--among "$AMONG"} --only "$ONLY" "$@" >/tmp/out ||
		die "$* with the modules of $whose"
	while IFS= read -r line; do
		printf '%s\t%s\t%s\n' "$whose" "$round" "$line"
	done </tmp/out | tee -a /tmp/measured
}

# alternate COMMAND: with the modules of C and of Rust in turns, then the cases again whose rounds do not agree, then
# once more to count events
alternate() {
	local COUNT AMONG chosen=
	[ ! -s /root/among ] || chosen=/root/among
	AMONG=$chosen
	for ((round = 1; round <= ROUNDS; round++)); do
		both_of "$1"
	done
	AMONG=/tmp/unsettled
	for (( ; round <= MOST_ROUNDS; round++)); do
		python3 /root/rounds.py /tmp/measured >$AMONG || die "rounds.py fails"
		[ -s $AMONG ] || break
		both_of "$1"
	done
	AMONG=$chosen
	[ "$EVENTS" = 0 ] || COUNT=1 both_of "$1"
}

# both_of COMMAND
both_of() {
	local modules
	for modules in c rust; do
		insert $modules
		"$1"
		remove
	done
}
