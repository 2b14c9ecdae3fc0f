# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the jobs in tests/vm share. Runs in the machine: . /tests/lib.sh

VHCI=/sys/devices/platform/vhci_hcd.0
HOST=/sys/bus/usb/drivers/usbip-host
USB=/sys/bus/usb/devices
failures=0
declare -a gadgets=()

# Results: one line each, counted by tests/run.

ok() {
	printf 'ok %s\n' "$1"
}

not_ok() {
	printf 'not ok %s%s\n' "$1" "${2:+ ($2)}"
	failures=$((failures + 1))
}

# same NAME WANTED GOT
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "want '$2', got '$3'"; fi
}

# check NAME COMMAND..
check() {
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi
}

# refuse NAME COMMAND..: the command must fail
refuse() {
	local name=$1
	shift
	if "$@" >/dev/null 2>&1; then not_ok "$name" "succeeded: $*"; else ok "$name"; fi
}

# skip NAME REASON
skip() {
	printf '# skipped %s: %s\n' "$1" "$2"
}

finish() {
	[ "$failures" = 0 ]
	exit
}

die() {
	not_ok "$1"
	exit 1
}

# Limits are for stock kernels; the debug kernel checks every access to memory.
export PATIENCE=1
[ "$VM_KERNEL" != debug ] || PATIENCE=5

# What usbip-hostile is to do without: stock kernels cannot let allocations fail.
FAULTLESS=failslab
[ "$VM_KERNEL" != debug ] || FAULTLESS=

# The debug kernel takes twenty seconds of a processor to make the eight controllers of vhci-hcd and to take them out.
# Two tell as much, but for jobs that set ALL_CONTROLLERS because they need every port.
if [ "$VM_KERNEL" = debug ] && [ -z "${ALL_CONTROLLERS:-}" ]; then
	mkdir -p /etc/modprobe.d
	echo 'options vhci-hcd controllers=2' >/etc/modprobe.d/vhci-hcd.conf
fi

# Starting a program takes an emulated processor longer than most of what is waited for: what is asked again and again
# is asked of the shell itself. Nothing ever comes out of this pipe.
exec {NOTHING}<> <(:)

# wait_for SECONDS COMMAND..: until the command succeeds
wait_for() {
	local end=$((SECONDS + $1 * PATIENCE)) nothing
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.1 -u "$NOTHING" nothing || :
	done
}

not() {
	! "$@"
}

# within SECONDS COMMAND..: run it, but kill it and fail after so long
within() {
	local seconds=$1
	shift
	timeout -s KILL $((seconds * PATIENCE)) "$@"
}

# await NAME [SECONDS]: as the program of the machine
await() {
	command await "$1" $((${2:-60} * PATIENCE))
}

# logged TEXT: the kernel has said it since the last dmesg -c
logged() {
	dmesg | grep -qF "$1"
}

# Files of the modules.

# errno WANTED KIND FILE TEXT [NAME]: what write(2) says; WANTED is an errno's name or "ok"
errno() {
	local got name=${5:-"$(basename "$3"): '${4:0:40}' with ${2}: $1"}
	got=$(fdwrite "$2" "$3" "$4")
	case $1 in
		ok) same "$name" "ok" "${got%% *}" ;;
		*) same "$name" "$1" "$got" ;;
	esac
}

# mode NAME FILE OCTAL
mode() {
	same "mode of $1" "$3" "$(stat -c %a "$2" 2>&1)"
}

# port_state PORT: the third column of status, over all controllers
port_state() {
	cat $VHCI/status* | awk -v port="$(printf %04d "$1")" '$2 == port { print $3 }'
}

# ports_used: numbers of the ports that are not free
ports_used() {
	local file lines line
	for file in $VHCI/status*; do
		mapfile -t lines <"$file"
		for line in "${lines[@]}"; do
			# hub, port and state, in columns of fixed width
			case $line in
				[hs]s\ \ ????\ 004\ *) ;;
				[hs]s\ \ *) echo $((10#${line:4:4})) ;;
			esac
		done
	done
}

ports_free() {
	[ -z "$(ports_used)" ]
}

# Devices.

# devices_on remote|local ID: syspaths of devices with vendor:product ID; `remote` are those on vhci
devices_on() {
	local side=$1 id=$2 path real vendor product
	for path in $USB/*; do
		[ -e "$path/idVendor" ] || continue
		{ read -r vendor <"$path/idVendor" && read -r product <"$path/idProduct"; } 2>/dev/null || continue
		[ "$vendor:$product" = "$id" ] || continue
		real=$(readlink -f "$path")
		case $side:$real in
			remote:*/vhci_hcd.*) echo "$real" ;;
			local:*/vhci_hcd.*) ;;
			# A device that goes meanwhile leads nowhere, and could be of either side.
			local:/sys/devices/*) echo "$real" ;;
		esac
	done
}

# busid ID: of the first local device with that vendor:product
busid() {
	local path
	path=$(devices_on local "$1" | head -n 1)
	[ -n "$path" ] && basename "$path"
}

has_local() {
	[ -n "$(devices_on local "$1")" ]
}

has_remote() {
	[ -n "$(devices_on remote "$1")" ]
}

# driver_is SYSPATH NAME: the driver of a device or an interface
driver_is() {
	local driver
	driver=$(readlink "$1/driver") && [ "${driver##*/}" = "$2" ]
}

# block_of SYSPATH: name of the disk of a USB storage device
block_of() {
	local path
	for path in "$1"/*/host*/target*/*/block/sd*; do
		[ -d "$path" ] && echo "${path##*/}" && return
	done
	return 1
}

# disk_ready SYSPATH: the disk is there and has a size
disk_ready() {
	local name size
	name=$(block_of "$1") && [ -b "/dev/$name" ] && read -r size <"/sys/block/$name/size" && [ "$size" -gt 0 ]
}

# has_disk ID: as disk_ready, of the first imported device with that vendor:product
has_disk() {
	disk_ready "$(devices_on remote "$1" | head -n 1)"
}

# What a program opens of a device; each fails as long as it is not there.

# usbfs_node SYSPATH: the file of the device itself
usbfs_node() {
	local bus device
	{ read -r bus <"$1/busnum" && read -r device <"$1/devnum"; } 2>/dev/null || return 1
	printf '/dev/bus/usb/%03d/%03d\n' "$bus" "$device"
}

# event_of SYSPATH: name of an input device's file in /dev/input
event_of() {
	below "$1" -name 'event[0-9]*'
}

# tty_of SYSPATH: name of a serial line's file in /dev
tty_of() {
	below "$1" -name 'ttyUSB*' -o -name 'ttyACM*'
}

# net_of SYSPATH: name of a network interface
net_of() {
	below "$1" -path '*/net/*' -prune
}

# below SYSPATH EXPRESSION: the last part of the path that find finds
below() {
	local found
	[ -n "$1" ] || return 1
	# Some of it may go meanwhile.
	found=$(find "$1/" "${@:2}" 2>/dev/null)
	[ -n "$found" ] || return 1
	found=${found%%$'\n'*}
	echo "${found##*/}"
}

# Gadgets on dummy_hcd.

# load_dummy high|super [NUMBER]
load_dummy() {
	modprobe libcomposite
	case $1 in
		super) modprobe dummy_hcd is_super_speed=1 is_high_speed=1 num="${2:-1}" ;;
		high) modprobe dummy_hcd is_super_speed=0 is_high_speed=1 num="${2:-1}" ;;
	esac
}

# gadget NAME VENDOR PRODUCT: an empty gadget; prints its folder
gadget() {
	local folder=/sys/kernel/config/usb_gadget/$1
	mkdir "$folder"
	echo "$2" >"$folder/idVendor"
	echo "$3" >"$folder/idProduct"
	echo 0x0300 >"$folder/bcdUSB"
	mkdir "$folder/strings/0x409"
	echo "$1" >"$folder/strings/0x409/product"
	echo "serial-$1" >"$folder/strings/0x409/serialnumber"
	echo "$folder"
}

# gadget_zero [UDC] [NAME] [SPEED]: source and sink in configuration 3, loopback in 2, as g_zero has them
gadget_zero() {
	local folder name=${2:-zero}
	modprobe usb_f_ss_lb
	folder=$(gadget "$name" 0x0525 0xa4a0)
	mkdir "$folder/functions/SourceSink.$name" "$folder/functions/Loopback.$name"
	# Pattern 0 with the default of usbtest: its checks know it.
	echo 0 >"$folder/functions/SourceSink.$name/pattern"
	mkdir "$folder/configs/source.3" "$folder/configs/loop.2"
	ln -s "$folder/functions/SourceSink.$name" "$folder/configs/source.3/"
	ln -s "$folder/functions/Loopback.$name" "$folder/configs/loop.2/"
	[ -z "$3" ] || echo "$3" >"$folder/max_speed"
	echo "${1:-dummy_udc.0}" >"$folder/UDC"
	wait_for 20 has_local 0525:a4a0
}

# gadget_echo [UDC] [NAME]: a device that sends back what it is sent
gadget_echo() {
	local folder name=${2:-echo}
	modprobe usb_f_ss_lb
	folder=$(gadget "$name" 0x0525 0xa4a4)
	mkdir "$folder/functions/Loopback.$name" "$folder/configs/echo.1"
	ln -s "$folder/functions/Loopback.$name" "$folder/configs/echo.1/"
	echo "${1:-dummy_udc.0}" >"$folder/UDC"
	wait_for 20 has_local 0525:a4a4
}

# gadget_disk FILE [UDC] [NAME]: a mass storage device backed by FILE
gadget_disk() {
	local folder name=${3:-disk}
	modprobe usb_f_mass_storage
	folder=$(gadget "$name" 0x0525 0xa4a5)
	mkdir "$folder/functions/mass_storage.0"
	echo 1 >"$folder/functions/mass_storage.0/lun.0/removable"
	echo "$1" >"$folder/functions/mass_storage.0/lun.0/file"
	mkdir "$folder/configs/disk.1"
	ln -s "$folder/functions/mass_storage.0" "$folder/configs/disk.1/"
	echo "${2:-dummy_udc.0}" >"$folder/UDC"
	wait_for 20 has_local 0525:a4a5
}

# gadget_unplug NAME / gadget_plug NAME [UDC]
gadget_unplug() {
	echo "" >"/sys/kernel/config/usb_gadget/$1/UDC"
}

gadget_plug() {
	echo "${2:-dummy_udc.0}" >"/sys/kernel/config/usb_gadget/$1/UDC"
}

# The two sides.

start_usbipd() {
	modprobe usbip-host
	usbipd -D -4 -P/run/usbipd.pid || return 1
	wait_for 10 listening 3240
}

listening() {
	awk -v port="$(printf ':%04X$' "$1")" '$2 ~ port && $4 == "0A" { found = 1 } END { exit !found }' /proc/net/tcp /proc/net/tcp6
}

stop_usbipd() {
	[ ! -s /run/usbipd.pid ] || kill "$(cat /run/usbipd.pid)"
	wait_for 10 not listening 3240
	rm -f /run/usbipd.pid
}

# host_status BUSID: 1 available, 2 used, 3 error
host_status() {
	local status
	{ read -r status <"$USB/$1/usbip_status"; } 2>/dev/null && echo "$status"
}

host_is() {
	[ "$(host_status "$1")" = "$2" ]
}

# bind BUSID
bind() {
	within 30 usbip bind -b "$1" 2>&1 && wait_for 10 test -e "$USB/$1/usbip_status"
}

# attach BUSID ID [HOST]: attach and wait until the device is there
attach() {
	within 30 usbip attach -r "${3:-127.0.0.1}" -b "$1" && wait_for 30 has_remote "$2"
}

# export_local BUSID ID: bind and attach over the loopback
export_local() {
	bind "$1" && attach "$1" "$2"
}

# detach_all: detach every port that is in use. A device may be there for a moment after its port is free: whoever attaches
# it again would take it for the new one.
detach_all() {
	local port
	for port in $(ports_used); do
		within 30 usbip detach -p "$port" 2>&1
	done
	wait_for 20 ports_free && wait_for 20 no_imports
}

no_imports() {
	local path
	for path in $VHCI/usb*/*-*/idVendor; do
		[ ! -e "$path" ] || return 1
	done
}

# Leaks: what a round of use must give back. Slab counts of a live kernel are noisy, so a round is run many
# times and only growth of about one object per round counts. Large buffers are pages, which no slab has: for these
# there is the memory that is free, which is noisier still.

LEAK_KIB=192 # a round's loss of memory that counts: three buffers of 64 KiB

slab_counts() {
	local cache
	# Names that were looked up are not leaked. What was used of late is spared once.
	for cache in 1 2 3; do
		echo 3 >/proc/sys/vm/drop_caches
	done
	for cache in /sys/kernel/slab/*/shrink; do
		echo 1 >"$cache" 2>/dev/null
	done
	# The kernel frees the addresses of stacks and modules by and by, when there are enough of them, and keeps up
	# to 256 bios of a disk's for each processor, wherever they were made. It remembers connections of TCP for a minute
	# after their end, which is as long as some rounds. What checks for leaks takes note of all this.
	awk 'NR > 2 && $1 != "vmap_area" && $1 !~ /^(tw_sock_TCP|tcp_bind2?_bucket)$/ && $1 !~ /^(bio-|kmemleak_)/ { print $1, $2 }' /proc/slabinfo |
		sort
}

# memory_free: KiB, with those pages that each processor keeps at hand; after slab_counts, which gives back what can be
memory_free() {
	awk '$1 == "nr_free_pages" || $1 == "count:" { pages += $2 } END { print pages * 4 }' /proc/zoneinfo
}

# leak_rounds NAME ROUNDS COMMAND..: run the command three times so often, after one for warming up, and judge:
# what leaks grows with every round of all three parts, what the kernel keeps for itself does not
leak_rounds() {
	local name=$1 rounds=$2 bad round part shrank=0
	local -a free=()
	shift 2
	# The debug kernel has kmemleak, which finds what one round loses. What was freed it keeps for a while, and for ever
	# who did it: growth says nothing there.
	if [ "$VM_KERNEL" = debug ]; then
		if "$@" >/tmp/round; then ok "$name: a round"; else round_failed "$name" "the round" "$@"; fi
		return
	fi
	# The kernel watches how memory is used, and needs more of it for that the more is going on.
	echo N 2>/dev/null >/sys/module/damon_stat/parameters/enabled
	"$@" >/tmp/round || { round_failed "$name" "first round" "$@"; return; }
	sleep 1
	slab_counts >/tmp/slab.0
	free[0]=$(memory_free)
	awk '/^TCP:/ { print $3 }' /proc/net/sockstat >/tmp/sock.0
	for part in 1 2 3; do
		for ((round = 0; round < rounds; round++)); do
			"$@" >/tmp/round || { round_failed "$name" "round $part.$round" "$@"; return; }
		done
		sleep 1
		slab_counts >/tmp/slab.$part
		free[part]=$(memory_free)
		[ $((free[part - 1] - free[part])) -lt $((LEAK_KIB * rounds)) ] || shrank=$((shrank + 1))
	done
	bad=$(awk -v rounds="$rounds" '
		FILENAME != file { file = FILENAME; part++ }
		part > 1 && ($1 in last) && $2 - last[$1] >= rounds { grew[$1]++; by[$1] += $2 - last[$1] }
		{ last[$1] = $2 }
		END { for (name in grew) if (grew[name] == 3) printf "%s +%d ", name, by[name] }
	' /tmp/slab.0 /tmp/slab.1 /tmp/slab.2 /tmp/slab.3)
	same "$name: no slab grows with every one of $((3 * rounds)) rounds" "" "$bad"
	echo "# KiB of free memory before and after each third: ${free[*]}"
	check "$name: free memory does not shrink with every one of $((3 * rounds)) rounds" [ $shrank -lt 3 ]
	same "$name: no socket stays" "$(cat /tmp/sock.0)" "$(awk '/^TCP:/ { print $3 }' /proc/net/sockstat)"
}

# The last thing that the round said goes with the failure: who runs the tests is told no more.
round_failed() {
	local name=$1 which=$2
	shift 2
	sed 's/^/# /' /tmp/round
	not_ok "$name" "$which failed: $*: $(tail -n 1 /tmp/round)"
}

# forget_leaks FUNCTION..: what these functions of the kernel itself lose is not to be reported, on a kernel that looks
# for leaks. Anything else that is lost fails the job here, what our modules have asked for below these functions too, but
# for requests of gadgets, which are their functions' to free: the last scan does not count it again.
forget_leaks() {
	local file=/sys/kernel/debug/kmemleak levels
	[ -e $file ] || return 0
	# What was allocated within the last five seconds is not looked at.
	sleep 6
	# Whoever reads the console is not to take these scans for the last one: what they say is of level 6.
	levels=$(cat /proc/sys/kernel/printk)
	echo 6 >/proc/sys/kernel/printk
	echo scan >$file
	echo scan >$file
	echo "$levels" >/proc/sys/kernel/printk
	awk -v known="$*" '
		BEGIN { RS = "unreferenced object"; count = split(known, names, " ") }
		NR > 1 {
			found = 0
			for (i = 1; i <= count; i++) if (index($0, names[i] "+")) found = 1
			if (/\[(usbip_[a-z]+|vhci_hcd)\]/ && !index($0, "usb_ep_alloc_request+")) found = 0
			if (!found) printf "unreferenced object%s", $0
		}
	' $file >/tmp/leaks
	sed 's/^/# /' /tmp/leaks
	check "nothing is lost but by $*" test ! -s /tmp/leaks
	echo clear >$file
}

# forget_gadget_leaks: a keyboard's request is not freed when it is unbound, and the descriptors of a source or a loopback
# only when it is removed, however often it was bound; on any controller
forget_gadget_leaks() {
	forget_leaks hidg_bind sourcesink_bind loopback_bind
}

# users MODULE: its reference count
users() {
	awk -v name="${1//-/_}" '$1 == name { print $3 }' /proc/modules
}

unused() {
	[ "$(users "$1")" = 0 ]
}

# threads_gone: no worker thread of a connection is left
threads_gone() {
	! grep -qxE '(vhci|stub|vudc)_(rx|tx)' /proc/[0-9]*/comm 2>/dev/null
}

# unload: the modules and the core go, which they do only if nothing holds them
unload() {
	[ ! -e /sys/module/usbip_ux ] || check "usbip-ux unloads" within 60 rmmod usbip-ux
	check "vhci-hcd unloads" within 60 rmmod vhci-hcd
	check "usbip-host unloads" within 60 rmmod usbip-host
	check "usbip-core unloads" within 60 rmmod usbip-core
}
