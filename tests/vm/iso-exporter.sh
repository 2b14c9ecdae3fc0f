# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --python --mem 768 --timeout 600 --add @TOP@/tests/exporters/isochronous.py
#
# A camera and a sound card whose every byte is known, because a program in user space makes them: what v4l2 and
# ALSA get from them through vhci is what was sent, and what ALSA plays arrives there.

. /tests/lib.sh
. /tests/iso.sh
FRAMES=30
SAMPLES=24000

# grab DEVICE FILE
grab() {
	within 200 v4lgrab "$1" $FRAMES >"$2"
}

modprobe -a vhci-hcd snd_usb_audio uvcvideo
for speed in high full; do
	mkdir /tmp/$speed
	python3 /root/isochronous.py /tmp/$speed $speed >/tmp/$speed/log 2>&1 &
	exporter=$!
	wait_for 120 grep -q ready /tmp/$speed/log || { cat /tmp/$speed/log; die "the exporter does not start"; }

	attach 1-1 1209:0101 >/dev/null || die "the camera does not attach"
	path=$(devices_on remote 1209:0101)
	wait_for 60 camera_node "$path" || die "no camera"
	check "$speed speed: $FRAMES frames" grab "$(camera_node "$path")" /tmp/$speed/grabbed
	same "$speed speed: no frame is damaged" "" "$(awk '$2 != 0' /tmp/$speed/grabbed)"
	same "$speed speed: no frame is lost" "$(seq -s ' ' 0 $((FRAMES - 1)))" "$(awk '{ print $1 }' /tmp/$speed/grabbed | tr '\n' ' ' | sed 's/ $//')"
	head -n $FRAMES /tmp/$speed/camera >/tmp/$speed/sent
	check "$speed speed: frames as sent" cmp /tmp/$speed/sent <(awk '{ print $1, $3, $4 }' /tmp/$speed/grabbed)

	attach 1-2 1209:0102 >/dev/null || die "the sound card does not attach"
	path=$(devices_on remote 1209:0102)
	wait_for 60 sound_node "$path" c || die "no microphone"
	check "$speed speed: record" within 200 pcm record "$(sound_node "$path" c)" 1 $SAMPLES /tmp/$speed/recorded
	check "$speed speed: every sample recorded as sent" pcm within /tmp/$speed/microphone /tmp/$speed/recorded
	pcm make /tmp/clip 2 $SAMPLES
	check "$speed speed: play" within 200 pcm play "$(sound_node "$path" p)" 2 /tmp/clip
	check "$speed speed: every sample arrives as played" pcm within /tmp/$speed/speaker /tmp/clip

	detach_all >/dev/null
	check "$speed speed: detached" ports_free
	kill $exporter
	wait $exporter 2>/dev/null
done
check "no thread is left" wait_for 10 threads_gone
check "vhci-hcd unloads" wait_for 30 rmmod vhci-hcd
finish
