# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What both sides of tests/vm/demo share. Runs in the machine, after lib.sh.

STICK=46f4:0001
KEYBOARD=0627:0001
KEYS="u s b i p"

# run COMMAND..: show what is typed and what comes of it; the demo ends here if it fails
run() {
	local output status
	printf '$ %s\n' "$*"
	output=$("$@" 2>&1)
	status=$?
	# The tools print empty lines for spacing.
	[ -z "$output" ] || grep -v '^ *$' <<<"$output"
	[ $status = 0 ] || die "'$*' ends with status $status"
}

# disk_sum DISK: of all that is on it, past the page cache
disk_sum() {
	dd if="/dev/$1" bs=1M iflag=direct status=none | sha256sum | cut -d' ' -f1
}

# say_sum SUM DISK
say_sum() {
	echo "sha256 of all $(($(cat "/sys/block/$2/size") / 2048)) MiB: $1"
}

# listed ID: bus id of a device in the list of `usbip list -r` in /tmp/list
listed() {
	sed -n "s/^ *\([0-9][0-9.-]*\): .*($1)\$/\1/p" /tmp/list
}

# type_keys LETTER..: press and release keys of the machine's keyboard
type_keys() {
	local key
	for key; do
		qmp "{\"execute\": \"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", \"data\": \"$key\"}], \"hold-time\": 40}}" >/dev/null
		sleep 0.3
	done
}

# keys_pressed FILE: letters of the key-down events in what an event device gave
keys_pressed() {
	# struct input_event in words of 16 bits: 8 of time, then type (1 is a key), code and value (1 is down).
	hexdump -v -e '12/2 "%u " "\n"' "$1" | awk '
		BEGIN { name[22] = "u"; name[31] = "s"; name[48] = "b"; name[23] = "i"; name[25] = "p" }
		$9 == 1 && $11 == 1 { printf "%s%s", separator, ($10 in name) ? name[$10] : "?"; separator = " " }'
}
