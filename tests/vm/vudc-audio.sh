# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 400
# modules: rust
#
# A sound card made in software (UAC2), whose other side is a sound card, too: what is played on one is recorded on the
# other, sample by sample, both ways.

. /tests/lib.sh
. /tests/iso.sh
. /tests/vudc.sh
ID=0525:b005
# Rings of a gadget take 16384 frames at most; the clip, and the silence that `pcm play` puts after it, fit.
CLIP=6000
modprobe vhci-hcd controllers=1
modprobe snd_usb_audio
start_usbipd_device || die "usbipd does not start"
vudc_function sound b005 uac2.sound 0 p_srate=48000 c_srate=48000
vudc_attach 0 $ID || die "attach failed"
path=$(devices_on remote $ID | head -n 1)
gadget=/sys/devices/platform/usbip-vudc.0
for side in p c; do
	check "the host has such a node ($side)" wait_for 60 sound_node "$path" $side
	check "the device has such a node ($side)" wait_for 20 sound_node $gadget $side
done
same "speed" 5000 "$(cat "$path/speed")"

# runs NODE: the stream of this node has begun
runs() {
	local node=${1##*/}
	grep -qE "RUNNING|DRAINING" "/proc/asound/card${node:4:1}/pcm0${node: -1}/sub0/status"
}
# carried NAME PLAYER RECORDER FIRST FRAMES: the clip arrives; FIRST is the node that has to run before the other one
# begins, FRAMES are recorded
carried() {
	local name=$1 player recorder first second hung=0
	player=$2 recorder=$3
	pcm make /tmp/clip 2 $CLIP
	rm -f /tmp/record
	if [ "$4" = record ]; then
		within 100 pcm record "$recorder" 2 "$5" /tmp/record &
		first=$!
		wait_for 30 runs "$recorder"
		within 100 pcm play "$player" 2 /tmp/clip &
		second=$!
	else
		within 100 pcm play "$player" 2 /tmp/clip &
		first=$!
		wait_for 30 runs "$player"
		within 100 pcm record "$recorder" 2 "$5" /tmp/record &
		second=$!
	fi
	wait $first || hung=$((hung + $? / 137))
	wait $second || hung=$((hung + $? / 137))
	same "$name: neither program hangs" 0 $hung
	! in_time || check "$name: every sample" pcm within /tmp/record /tmp/clip
}
# The device's side has no clock of its own: it begins first, and moves while the host does. So the host records until
# all is played, and of what it plays the device records less.
carried "from the host to the device" "$(sound_node "$path" p)" "$(sound_node $gadget c)" record 9000
carried "from the device to the host" "$(sound_node $gadget p)" "$(sound_node "$path" c)" play 14000

detach_all >/dev/null
check "available again" wait_for 20 vudc_is 0 1
gadget_remove sound
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
vudc_unload
finish
