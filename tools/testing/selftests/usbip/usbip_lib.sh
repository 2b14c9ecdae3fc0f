# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the USB/IP selftests share: results in KTAP, exit codes 0 (all passed), 1 (something failed) and 4 (skipped),
# and a device to share. Each program takes
#
#     -b BUSID   the device to share; without it, a Gadget Zero on dummy_hcd is made
#     -p FOLDER  where usbip and usbipd are; without it, PATH says
#
# The device must not be in use: it changes drivers.

KSFT_SKIP=4
USB=/sys/bus/usb/devices
HOST=/sys/bus/usb/drivers/usbip-host
VHCI=/sys/devices/platform/vhci_hcd.0
GADGET=/sys/kernel/config/usb_gadget/usbip-selftest
WAIT_SECONDS=30

busid=
tools=
while getopts "b:p:h" option; do
	case $option in
		b) busid=$OPTARG ;;
		p) tools=$OPTARG/ ;;
		*)
			echo "usage: $0 [-b BUSID] [-p FOLDER OF THE TOOLS]" >&2
			exit 1
			;;
	esac
done

ktap_count=0
ktap_failed=0
gadget_made=
daemon_started=

# Results.

# plan COUNT
plan() {
	ktap_plan=$1
	echo "TAP version 13"
	echo "1..$1"
}

skip_all() {
	echo "TAP version 13"
	echo "1..0 # SKIP $1"
	exit $KSFT_SKIP
}

# result STATUS NAME [DETAIL]
result() {
	ktap_count=$((ktap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $ktap_count $2"
	else
		ktap_failed=$((ktap_failed + 1))
		[ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/# /'
		echo "not ok $ktap_count $2"
	fi
}

# passes NAME COMMAND..
passes() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then result 0 "$name"; else result 1 "$name" "$* failed: $output"; fi
}

# fails NAME COMMAND..
fails() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then result 1 "$name" "$* succeeded: $output"; else result 0 "$name"; fi
}

# same NAME WANTED GOT
same() {
	if [ "$2" = "$3" ]; then result 0 "$1"; else result 1 "$1" "want '$2', got '$3'"; fi
}

# says NAME WORDS COMMAND..: its output has these words
says() {
	local name=$1 words=$2 output
	shift 2
	output=$("$@" 2>&1)
	if printf '%s\n' "$output" | grep -qF -- "$words"; then
		result 0 "$name"
	else
		result 1 "$name" "$*: no '$words' in: $output"
	fi
}

# silent NAME WORDS COMMAND..: its output does not have them
silent() {
	local name=$1 words=$2 output
	shift 2
	output=$("$@" 2>&1)
	if printf '%s\n' "$output" | grep -qF -- "$words"; then
		result 1 "$name" "$*: '$words' in: $output"
	else
		result 0 "$name"
	fi
}

# finish: the last line of a program
finish() {
	clean_up
	trap - EXIT
	echo "# Totals: pass:$((ktap_count - ktap_failed)) fail:$ktap_failed skip:0"
	[ "$ktap_failed" = 0 ] && [ "$ktap_count" = "$ktap_plan" ]
	exit
}

# Waiting.

# eventually COMMAND..
eventually() {
	local end=$((SECONDS + WAIT_SECONDS))
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# The two sides.

usbip() {
	timeout "$WAIT_SECONDS" "${tools}usbip" "$@"
}

driver_of() {
	basename "$(readlink "$USB/$1/driver")" 2>/dev/null
}

bound() {
	[ "$(driver_of "$busid")" = usbip-host ]
}

local_again() {
	[ "$(driver_of "$busid")" = usb ]
}

host_status() {
	cat "$USB/$busid/usbip_status"
}

host_is() {
	[ "$(host_status)" = "$1" ]
}

# ports: numbers of the ports in use
ports() {
	cat $VHCI/status $VHCI/status.* 2>/dev/null | awk '($1 == "hs" || $1 == "ss") && $3 != "004" { print $2 + 0 }'
}

ports_free() {
	[ -z "$(ports)" ]
}

# imported: a device on vhci has the numbers of ours
imported() {
	local path
	for path in "$USB"/*; do
		case $(readlink -f "$path") in
			*/vhci_hcd.*) ;;
			*) continue ;;
		esac
		[ "$(cat "$path/idVendor" "$path/idProduct" 2>/dev/null)" = "$identity" ] && return 0
	done
	return 1
}

not_imported() {
	! imported
}

listening() {
	grep -qE ':0CA8 [0-9A-F]+:0000 0A' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

not_listening() {
	! listening
}

start_daemon() {
	! listening || skip_all "somebody serves port 3240 already"
	"${tools}usbipd" -D -P"$scratch/usbipd.pid" >/dev/null 2>&1
	daemon_started=1
	eventually listening
}

# Set up and clean up.

need_root() {
	[ "$(id -u)" = 0 ] || skip_all "needs root"
}

need_tools() {
	command -v "${tools}usbip" >/dev/null && command -v "${tools}usbipd" >/dev/null || skip_all "no usbip tools"
}

need_module() {
	modprobe -q -n "$1" || skip_all "no module $1"
}

need_device() {
	local path
	scratch=$(mktemp -d)
	trap clean_up EXIT
	if [ -z "$busid" ]; then
		make_gadget || skip_all "no device (-b BUSID), and no Gadget Zero on dummy_hcd"
		for path in "$USB"/*; do
			case $(readlink -f "$path") in
				*/dummy_hcd.*) [ "$(cat "$path/idVendor" 2>/dev/null)" != 0525 ] || busid=${path##*/} ;;
			esac
		done
	fi
	[ -e "$USB/$busid/idVendor" ] || skip_all "no device $busid"
	# It must be ours alone.
	! bound || skip_all "$busid is shared already"
	identity=$(cat "$USB/$busid/idVendor" "$USB/$busid/idProduct")
}

gadget_there() {
	cat /sys/devices/platform/dummy_hcd.*/usb*/*-1/idVendor 2>/dev/null | grep -q 0525
}

# make_gadget: a device of our own
make_gadget() {
	modprobe -a -q dummy_hcd libcomposite usb_f_ss_lb || return 1
	[ -d /sys/kernel/config/usb_gadget ] || mount -t configfs configfs /sys/kernel/config || return 1
	[ -e /sys/class/udc/dummy_udc.0 ] && [ ! -e $GADGET ] && mkdir $GADGET || return 1
	gadget_made=1
	echo 0x0525 >$GADGET/idVendor
	echo 0xa4a0 >$GADGET/idProduct
	mkdir $GADGET/configs/c.1 $GADGET/functions/SourceSink.0 &&
		ln -s $GADGET/functions/SourceSink.0 $GADGET/configs/c.1/ &&
		echo dummy_udc.0 >$GADGET/UDC && eventually gadget_there
}

remove_gadget() {
	echo "" >$GADGET/UDC
	rm -f $GADGET/configs/c.1/SourceSink.0
	rmdir $GADGET/configs/c.1 $GADGET/functions/SourceSink.0 $GADGET
	modprobe -q -r dummy_hcd
}

# clean_up: as found, whatever happened
clean_up() {
	local port
	for port in $(ports); do
		[ -z "$daemon_started" ] || usbip detach -p "$port" >/dev/null 2>&1
	done
	[ ! -s "$scratch/usbipd.pid" ] || kill "$(cat "$scratch/usbipd.pid")" 2>/dev/null
	[ -z "$daemon_started" ] || eventually not_listening
	! bound || usbip unbind -b "$busid" >/dev/null 2>&1
	[ -z "$gadget_made" ] || remove_gadget >/dev/null 2>&1
	rm -rf "$scratch"
}
