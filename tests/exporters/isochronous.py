# SPDX-License-Identifier: GPL-2.0
"""Export a camera (1-1) and a sound card (1-2) made of Python, and keep what they send and receive.

    isochronous.py FOLDER [high|full]

FOLDER/camera has a line for each frame that was begun: its number, its length and the CRC-32 of its bytes.
FOLDER/microphone and FOLDER/speaker have the samples that went out and came in.
"""

import os
import sys
import threading
import zlib

import usbip
from usbip.classes.device.uac import UAC
from usbip.classes.device.uvc import UVC
from usbip.core import SPEED_FULL, SPEED_HIGH
from usbip.transport import USBIP

WIDTH, HEIGHT, FRAMES_PER_SECOND = 160, 120, 30
SAMPLE_BYTES = 2


class Device(usbip.USBDevice):
    """A device that never completes a request after it has said that the request is unlinked.

    The package's own (0.7.0) may do so when both happen at once, and a client hangs up on that.
    """

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._answering = threading.Lock()
        self._unlinked = set()

    def _pace_schedule(self, deadline, respond, urb):
        def unless_unlinked(done):
            with self._answering:
                if done.seqnum not in self._unlinked:
                    respond(done)

        super()._pace_schedule(deadline, unless_unlinked, urb)

    def pace_cancel(self, seqnum):
        super().pace_cancel(seqnum)
        with self._answering:
            self._unlinked.add(seqnum)


def device(product, name, speed):
    made = Device(0x1209, product, manufacturer="tests", product=name, serial=name)
    made.set_speed(speed)
    # Without a clock of frames the driver would run as fast as it can.
    made.set_iso_pacing(True)
    return made


def camera(folder, speed):
    log = open(folder + "/camera", "w", buffering=1)

    def frame(_interface, _format, index):
        data = os.urandom(WIDTH * HEIGHT * 2)
        log.write(f"{index} {len(data)} {zlib.crc32(data):08x}\n")
        return data

    made = device(0x0101, "camera", speed)
    made.add(UVC(width=WIDTH, height=HEIGHT, fps=FRAMES_PER_SECOND, source=frame))
    return made


def sound_card(folder, speed):
    sent = open(folder + "/microphone", "wb", buffering=0)
    received = open(folder + "/speaker", "wb", buffering=0)

    def microphone(_interface, frames, _samples):
        data = os.urandom(frames * SAMPLE_BYTES)
        sent.write(data)
        return data

    made = device(0x0102, "sound", speed)
    made.add(UAC(mic_source=microphone, spk_sink=lambda _interface, packet: received.write(packet)))
    return made


def main():
    folder = sys.argv[1]
    speed = SPEED_HIGH if len(sys.argv) < 3 or sys.argv[2] == "high" else SPEED_FULL
    transport = USBIP("127.0.0.1", 3240)
    for made in (camera(folder, speed), sound_card(folder, speed)):
        made.plug(via=transport)
    print("ready", flush=True)
    threading.Event().wait()


main()
