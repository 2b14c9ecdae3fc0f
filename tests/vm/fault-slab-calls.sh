# SPDX-License-Identifier: GPL-2.0
# vm: --timeout 1500
# kernels: debug
# modules: rust
#
# Every allocation below a function of ours fails once in attach, detach, bind, unbind, reads and loading: the call
# is refused or works, never half, and the same call without a failure works afterwards.

. /tests/lib.sh
. /tests/fault.sh
. /tests/vudc.sh
ID=0525:a4a0
load_dummy high
gadget_zero || die "no Gadget Zero"
modprobe -a usbip-core usbip-host vhci-hcd
start_usbipd
id=$(busid $ID)
fault_only usbip-core usbip-host vhci-hcd
bind "$id" >/dev/null || die "bind"

# each NAME AFTER COMMAND..: fail the command's first, second, .. allocation until it has no more of them. AFTER
# gets the command's status and brings everything back; it fails if it cannot.
each() {
	local name=$1 after=$2 n status failed=0 refused=0
	shift 2
	for ((n = 1; n < 400; n++)); do
		failing $n "$@" >/tmp/each.out 2>&1
		status=$?
		[ $status = 0 ] || refused=$((refused + 1))
		if ! $after $status; then
			echo "# $name: allocation $n, status $status: $(cat /tmp/each.out)"
			failed=$((failed + 1))
		fi
		[ -n "$FAULT_HIT" ] || break
	done
	EACH=$((n - 1))
	exhausted "$name" $n 400
	same "$name: $EACH allocations, $refused of them refused it" 0 $failed
	same "$name: without a failure it works" 0 $status
}
# some NAME AFTER COMMAND..: the same of a command that allocates
some() {
	each "$@"
	check "$1: allocations failed" test $EACH != 0
}
# none NAME AFTER COMMAND..: the same of one that cannot fail for want of memory
none() {
	each "$@"
	same "$1: needs no memory" 0 $EACH
}
write() {
	printf '%s' "$1" >"$2"
}

# A peer that takes what comes and says nothing.
socat TCP-LISTEN:9999,fork,reuseaddr 'EXEC:sleep 1000000' 2>/dev/null &
silent=$!
wait_for 10 listening 9999

# Attaching with a peer that is silent, and what is left of it.
attach_silent() {
	local got
	got=$(fdwrite -w 600 unix-stream $VHCI/attach "$1 {} 65538 $2")
	echo "$got"
	[ "${got%% *}" = ok ]
}
# fail-nth is not inherited, so this shell itself writes.
exec 5<>/dev/tcp/127.0.0.1/9999
attach_self() {
	write "0 5 65538 3" $VHCI/attach
}
attached() {
	if [ "$1" = 0 ]; then
		[ "$(port_state 0)" = 005 ] || return 1
		echo 0 >$VHCI/detach || return 1
	fi
	wait_for 20 ports_free
	local result=$?
	# The other side of that connection is gone with it.
	exec 5>&- 5<>/dev/tcp/127.0.0.1/9999
	return $result
}
some attach attached attach_self
exec 5>&-

detached() {
	wait_for 20 ports_free || { detach_all; return 1; }
	attach_silent 0 3 >/dev/null
}
attach_silent 0 3 >/dev/null
none detach detached write 0 $VHCI/detach
detach_all >/dev/null

# The exporting side: what usbip bind and usbip unbind write, one by one.
usbip unbind -b "$id" 2>/dev/null
matched() {
	write "del $id" $HOST/match_busid 2>/dev/null
	# Only this takes a name out whose device is not bound.
	write "$id" $HOST/rebind 2>/dev/null
	! grep -q "$id" $HOST/match_busid
}
none "match_busid add" matched write "add $id" $HOST/match_busid
added() {
	write "add $id" $HOST/match_busid 2>/dev/null
	grep -q "$id" $HOST/match_busid
}
added
none "match_busid del" added write "del $id" $HOST/match_busid
write "$id" /sys/bus/usb/drivers/usb/unbind
bound() {
	if [ "$1" = 0 ]; then
		[ -e "$USB/$id/usbip_status" ] || return 1
		write "$id" $HOST/unbind
	fi
	[ ! -e "$USB/$id/usbip_status" ] || return 1
	[ ! -e "$USB/$id/driver" ]
}
some bind bound write "$id" $HOST/bind
unbound() {
	[ ! -e "$USB/$id/usbip_status" ] || return 1
	write "$id" $HOST/bind
	[ -e "$USB/$id/usbip_status" ]
}
write "$id" $HOST/bind
none unbind unbound write "$id" $HOST/unbind

# A connection is handed to the exporting side by its number.
exec 5<>/dev/tcp/127.0.0.1/9999
given() {
	local result=0
	if [ "$1" = 0 ]; then
		host_is "$id" 2 || result=1
		write -1 "$USB/$id/usbip_sockfd"
	fi
	exec 5>&- 5<>/dev/tcp/127.0.0.1/9999
	wait_for 20 host_is "$id" 1 || result=1
	return $result
}
some usbip_sockfd given write 5 "$USB/$id/usbip_sockfd"
exec 5>&-
ended() {
	wait_for 20 host_is "$id" 1 || return 1
	exec 5>&- 5<>/dev/tcp/127.0.0.1/9999
	write 5 "$USB/$id/usbip_sockfd"
}
exec 5<>/dev/tcp/127.0.0.1/9999
write 5 "$USB/$id/usbip_sockfd"
none "usbip_sockfd -1" ended write -1 "$USB/$id/usbip_sockfd"
write -1 "$USB/$id/usbip_sockfd" 2>/dev/null
exec 5>&-
wait_for 20 host_is "$id" 1

# A connection is taken down by workers of the kernel, who also reset the device, enumerate and disconnect.
# in_workers NAME MOST AFTER COMMAND..: as `some`, but what fails are allocations of workers, up to the MOSTth. If none did,
# it may have been a worker that was not there yet: it is tried once more.
in_workers() {
	local name=$1 most=$2 after=$3 n before failed=0 hit=0 quiet=0 workers
	shift 3
	for ((n = 1; n <= most && quiet < 2; n++)); do
		mapfile -t workers < <(tasks 'kworker/.*')
		fault_count
		before=$FAULT_COUNT
		arm $n "${workers[@]}"
		"$@"
		faults_since "$before"
		disarm "${workers[@]}"
		if [ -n "$FAULT_HIT" ]; then
			hit=$((hit + 1)) quiet=0
		else
			n=$((n - 1)) quiet=$((quiet + 1))
		fi
		$after || { failed=$((failed + 1)); echo "# $name: allocation $n"; }
	done
	IN_WORKERS=$hit
	same "$name: works again after each of $hit failures in workers" 0 $failed
}
to_silent() {
	exec 5>&- 5<>/dev/tcp/127.0.0.1/9999
	write 5 "$USB/$id/usbip_sockfd"
}
ended_at_all() {
	host_is "$id" 1 || host_is "$id" 3 || ! [ -e "$USB/$id/usbip_status" ]
}
end_of_host() {
	write -1 "$USB/$id/usbip_sockfd"
	wait_for 20 ended_at_all
}
host_again() {
	available "$id" && to_silent
}
to_silent
in_workers "the exporting side's end" 400 host_again end_of_host
exhausted "the exporting side's end" $IN_WORKERS 400
check "the reset had failures: $IN_WORKERS" test $IN_WORKERS -gt 5
write -1 "$USB/$id/usbip_sockfd"
exec 5>&-
available "$id"

imported() {
	available "$id" && connect "$id" && wait_for 20 has_remote $ID
}
gone() {
	disconnect && wait_for 20 not has_remote $ID
}
not_imported() {
	gone && available "$id"
}
imported
in_workers "the importing side's end" 400 imported gone
exhausted "the importing side's end" $IN_WORKERS 400
gone
import() {
	connect "$id"
	wait_for 8 has_remote $ID
}
available "$id"
in_workers enumerating 12 not_imported import
same "enumerating: allocations failed" 12 $IN_WORKERS
not_imported

# Whatever it says, only the next reader counts.
readable() {
	return 0
}
read_self() {
	mapfile -t lines <"$1"
}
for file in $VHCI/status $VHCI/nports $VHCI/usbip_debug "$USB/$id/usbip_status" $HOST/match_busid; do
	none "read $(basename $file)" readable read_self $file
done 2>/dev/null

# rebind gives the device to its usual driver, or leaves it without one if what that asks for failed. It can be bound again.
rebound() {
	[ "$1" != 0 ] || [ -n "$FAULT_HIT" ] || driver_is "$USB/$id" usb || return 1
	write "$id" $HOST/bind 2>/dev/null || usbip bind -b "$id" >/dev/null 2>&1
	wait_for 10 test -e "$USB/$id/usbip_status"
}
write "$id" $HOST/unbind
some rebind rebound write "$id" $HOST/rebind

check "all still works" attach "$id" $ID
detach_all >/dev/null
wait_for 20 host_is "$id" 1
usbip unbind -b "$id" 2>/dev/null
stop_usbipd
kill $silent
pkill -x sleep
check "no thread is left" wait_for 10 threads_gone
unload

# Loading. A module that is loaded again lies where it lay before, so its place is known.
# fault_loading MODULE: let only what its code asks for fail, the code that is gone after loading too
fault_loading() {
	local first last attr
	read -r first last <<<"$( (
		cat /sys/module/"$1"/sections/.text /sys/module/"$1"/sections/.init.text
		fault_range "$1" | xargs -n 1 | sed 's/^/0x/'
	) | sed 's/^0x//' | sort | sed -n '1p;$p' | xargs)"
	for attr in $SLAB $PAGE; do
		echo "0x$first" >$attr/require-start
		# Initialisation is short.
		printf '0x%x\n' $((0x$last + 0x4000)) >$attr/require-end
	done
}
loaded() {
	case $1 in
		0) grep -q "^$MODULE " /proc/modules && within 60 rmmod "$MODULE" ;;
		*) ! grep -q "^$MODULE " /proc/modules ;;
	esac
}
folder=/lib/modules/$(uname -r)/updates
# What is asked for first is what a module cannot be without. Later, when root hubs are enumerated, most failures are
# survived, and some of them will do, others each time: the seed says which. Of a second controller, whose failure undoes
# the first, too. Each row: up to which one each allocation fails, every how manyeth then in the mean, how many are fatal at
# least, and what is loaded.
modprobe udc-core
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"
for row in '1 1 0 usbip-core' '100 1 11 usbip-host' '100 13 11 vhci-hcd controllers=1 ports=1' \
	'0 29 1 vhci-hcd controllers=2 ports=1' '100 13 11 usbip-vudc num=1' '100 1 4 usbip-ux'; do
	read -r each step least name options <<<"$row"
	MODULE=${name//-/_}
	# shellcheck disable=SC2086
	insmod $folder/$name.ko $options
	fault_loading "$MODULE"
	rmmod "$MODULE"
	failed=0 refused=0 hits=0
	for ((n = 1; n < 3000; n += n < each ? 1 : 1 + RANDOM % (2 * step - 1))); do
		# shellcheck disable=SC2086
		failing $n exec insmod $folder/$name.ko $options 2>/dev/null
		status=$?
		[ $status = 0 ] || refused=$((refused + 1))
		loaded $status || { failed=$((failed + 1)); echo "# $name: allocation $n, status $status"; }
		[ -n "$FAULT_HIT" ] || break
		hits=$((hits + 1))
	done
	exhausted "$name $options" $n 3000
	same "$name $options: without a failure it loads" 0 $status
	same "$name $options: with $hits failures, loading is refused $refused times and leaves nothing" 0 $failed
	case $name in
		usbip-core) same "$name: loading needs no memory" 0 $hits ;;
		*) check "$name: some failures are fatal" test $refused -ge "$least" ;;
	esac
	[ -n "$options" ] || check "$name: loads" modprobe $name
done
check "vhci-hcd: loads" modprobe vhci-hcd

# Binding a gadget. What its functions ask the controller for is asked for below their own code, too.
modprobe usbip-vudc
gadget_remove zero
vudc_zero high-speed
vudc_unbind zero
fault_only usbip-vudc
gadget_bound() {
	[ "$1" != 0 ] || vudc_unbind zero
	[ -z "$(cat /sys/kernel/config/usb_gadget/zero/UDC)" ]
}
some "binding a gadget" gadget_bound vudc_bind zero

# Giving it a connection.
socat TCP-LISTEN:9999,fork,reuseaddr 'EXEC:sleep 1000000' 2>/dev/null &
silent=$!
wait_for 10 listening 9999
vudc_given() {
	[ "$1" != 0 ] || { vudc_is 0 2 || return 1; write -1 $VUDC.0/usbip_sockfd; }
	exec 5>&- 5<>/dev/tcp/127.0.0.1/9999
	wait_for 20 vudc_is 0 1
}
vudc_bind zero
exec 5<>/dev/tcp/127.0.0.1/9999
some "usbip_sockfd of a gadget" vudc_given write 5 $VUDC.0/usbip_sockfd
exec 5>&-
kill $silent
pkill -x sleep
gadget_remove zero
check "usbip-vudc unloads" within 30 rmmod usbip-vudc
unload
forget_gadget_leaks
finish
