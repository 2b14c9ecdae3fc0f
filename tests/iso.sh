# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Isochronous devices. Runs in the machine, after lib.sh.

# in_time: whether this machine keeps up with a packet each millisecond. Isochronous packets do not wait: what comes too
# late is lost, and that is nobody's fault.
in_time() {
	[ "$VM_KERNEL" != debug ]
}

# sound_node SYSPATH p|c: the file of the sound card's playback or capture
sound_node() {
	local name
	name=$(find "$1/" -name "pcmC*D0$2" 2>/dev/null | head -n 1)
	[ -n "$name" ] && [ -c "/dev/snd/${name##*/}" ] && echo "/dev/snd/${name##*/}"
}

# camera_node SYSPATH: the file of the camera
camera_node() {
	local name
	name=$(find "$1/" -path '*/video4linux/video*' -name 'video[0-9]*' 2>/dev/null | sort | head -n 1)
	[ -n "$name" ] && [ -c "/dev/${name##*/}" ] && echo "/dev/${name##*/}"
}

# play_clip SYSPATH: a second of random samples to the imported sound card of QEMU
CLIP_FRAMES=48000
play_clip() {
	wait_for 60 sound_node "$1" p || { not_ok "the sound card has a playback device"; return; }
	[ -e /tmp/clip ] || pcm make /tmp/clip 2 $CLIP_FRAMES
	check "a clip is played" within 200 pcm play "$(sound_node "$1" p)" 2 /tmp/clip
}

# compare_tape: unplug the card, which ends QEMU's tape, and have QEMU show it as a disk
compare_tape() {
	local path
	qmp '{"execute": "device_del", "arguments": {"id": "card"}}' >/dev/null
	check "the sound card is unplugged" wait_for 20 not has_local 46f4:0002
	sleep 1
	qmp "{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": \"raw\", \"node-name\": \"tape\", \"read-only\": true, \"file\": {\"driver\": \"file\", \"filename\": \"$VM_SCRATCH/tape.wav\"}}}" >/dev/null
	qmp '{"execute": "device_add", "arguments": {"driver": "usb-storage", "id": "deck", "drive": "tape", "bus": "xhci.0", "port": "2"}}' >/dev/null
	wait_for 30 has_local 46f4:0001 || { not_ok "the tape is there"; return; }
	path=$(devices_on local 46f4:0001)
	wait_for 30 disk_ready "$path" || { not_ok "the tape can be read"; return; }
	dd if="/dev/$(block_of "$path")" of=/tmp/tape bs=64k 2>/dev/null
	check "every sample is on the tape as it was played" pcm heard /tmp/tape /tmp/clip
}

# serial_port: the file of the only virtual serial port
serial_port() {
	local port=(/dev/vport*)
	[ -c "${port[0]}" ] && echo "${port[0]}"
}

# microphone_start: be the microphone of QEMU's usb-redir, whose line is the virtual serial port
MICROPHONE=1209:0103
microphone_start() {
	modprobe -a virtio_pci virtio_console xhci_pci snd_usb_audio
	wait_for 20 serial_port || die "no line to usb-redir"
	python3 /root/microphone.py "$(serial_port)" /tmp/spoken $((500 / PATIENCE)) >/tmp/microphone.log 2>&1 &
	MICROPHONE_PID=$!
	wait_for 60 has_local $MICROPHONE || { cat /tmp/microphone.log; die "no microphone"; }
}

# microphone_record NAME SYSPATH: half a second of its samples
microphone_record() {
	wait_for 60 sound_node "$2" c || { not_ok "$1: there is a microphone"; return; }
	check "$1: record" within 100 pcm record "$(sound_node "$2" c)" 1 24000 /tmp/recorded
}
