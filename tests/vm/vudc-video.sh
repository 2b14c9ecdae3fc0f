# SPDX-License-Identifier: GPL-2.0
# once: yes
# vm: --smp 2 --timeout 400
# modules: rust
#
# A camera made in software (UVC), of which a program is the sensor: its frames arrive whole and in order. Large ones,
# and small ones that leave room in the time they have, for which the function has requests that are shorter than what
# it writes, unless it may use scatter-gather lists.

. /tests/lib.sh
. /tests/iso.sh
. /tests/vudc.sh
ID=0525:b007
FRAMES=20 DIFFERENT=7
modprobe vhci-hcd controllers=1
modprobe -a uvcvideo libcomposite usb_f_uvc usbip-vudc
start_usbipd_device || die "usbipd does not start"

record() {
	within 100 v4lgrab "$(camera_node "$path")" $FRAMES >/tmp/got
}

# camera WHAT WIDTH HEIGHT
camera() {
	local folder video speed link sensor path seen damaged missed width=$2 height=$3
	folder=$(gadget camera 0x0525 0xb007)
	video=$folder/functions/uvc.camera
	mkdir "$video" "$folder/configs/c.1"
	# A packet per millisecond, 34 in the time of a frame.
	echo 4 >"$video/streaming_interval"
	echo 1024 >"$video/streaming_maxpacket"
	mkdir "$video/control/header/h" "$video/streaming/header/h"
	mkdir -p "$video/streaming/uncompressed/u" && mkdir "$video/streaming/uncompressed/u/f"
	echo $width >"$video/streaming/uncompressed/u/f/wWidth"
	echo $height >"$video/streaming/uncompressed/u/f/wHeight"
	echo $((width * height * 2)) >"$video/streaming/uncompressed/u/f/dwMaxVideoFrameBufferSize"
	echo 333333 >"$video/streaming/uncompressed/u/f/dwDefaultFrameInterval"
	echo 333333 >"$video/streaming/uncompressed/u/f/dwFrameInterval"
	ln -s "$video/streaming/uncompressed/u" "$video/streaming/header/h/u"
	for speed in fs hs ss; do
		ln -s "$video/streaming/header/h" "$video/streaming/class/$speed/h"
	done
	for speed in fs ss; do
		ln -s "$video/control/header/h" "$video/control/class/$speed/h"
	done
	ln -s "$video" "$folder/configs/c.1/"
	vudc_bind camera
	check "$1: the sensor's node is there" wait_for 20 camera_node $VUDC.0
	rm -f /tmp/sent
	uvcgadget "$(camera_node $VUDC.0)" $width $height $DIFFERENT >/tmp/sent &
	sensor=$!
	check "$1: the sensor is ready" wait_for 20 grep -qs ready /tmp/sent
	vudc_attach 0 $ID || die "$1: attach failed"
	path=$(devices_on remote $ID | head -n 1)
	check "$1: a camera is there" wait_for 60 camera_node "$path"
	check "$1: it is recorded" record
	same "$1: frames" $FRAMES "$(awk '$2 == 0 && $3 > 0' /tmp/got | wc -l)"
	# All frames in the order in which they are sent, from whichever came first.
	awk 'FILENAME == "/tmp/sent" && /^[0-9a-f]+$/ { at[$1] = count++ }
		FILENAME == "/tmp/got" {
			if (!($4 in at)) damaged++
			else if (seen++ && at[$4] != (last + 1) % count) missed++
			last = at[$4]
		}
		END { print seen + 0, damaged + 0, missed + 0 }' /tmp/sent /tmp/got >/tmp/verdict
	read -r seen damaged missed </tmp/verdict
	echo "# $1: $seen frames as they were sent, $damaged damaged, $missed times not the next one"
	if in_time; then
		same "$1: every frame is the one that was sent" "$FRAMES 0 0" "$seen $damaged $missed"
	else
		check "$1: frames are as they were sent" test "$seen" -gt 0
	fi

	detach_all >/dev/null
	check "$1: available again" wait_for 20 vudc_is 0 1
	kill $sensor
	wait $sensor 2>/dev/null
	vudc_unbind camera
	for link in "$folder"/configs/c.1/* "$video"/streaming/class/*/h "$video"/control/class/*/h "$video"/streaming/header/h/u; do
		[ ! -L "$link" ] || rm "$link"
	done
	rmdir "$video/streaming/uncompressed/u/f" "$video/streaming/uncompressed/u" "$video/streaming/header/h" "$video/control/header/h"
	gadget_remove camera
}
camera "large frames" 160 120
camera "small frames" 64 48
stop_usbipd
check "no thread is left" wait_for 10 threads_gone
vudc_unload
# The kernel's function does not free the list of intervals of its frames.
forget_leaks uvcg_frame_dw_frame_interval_store
finish
