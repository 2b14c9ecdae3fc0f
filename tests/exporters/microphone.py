# SPDX-License-Identifier: GPL-2.0
"""Be a microphone behind QEMU's usb-redir: a device on a real host controller that sends isochronous packets.

    microphone.py LINE FILE PACKETS

LINE is the file of the other end of usb-redir's line, FILE gets the samples that were sent, PACKETS are sent in a second.
What is spoken there is usbredir 0.7; this is the side with the device. Prints "ready" when QEMU has been told of it.
"""

import os
import select
import struct
import sys
import time

HELLO, CONNECT, RESET, INTERFACES, ENDPOINTS = 0, 1, 3, 4, 5
SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION = 6, 7, 8
SET_SETTING, GET_SETTING, SETTING = 9, 10, 11
START_ISO, STOP_ISO, ISO_STATUS = 12, 13, 14
CONTROL, ISO = 100, 102
# What the device can: versions in `connect`, and what QEMU asks for on xHCI, sizes of packets, long ids and lengths.
CAPABILITIES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6
SUCCESS, STALL = 0, 4
ABSENT = 255
FULL_SPEED = 1

ENDPOINT = 0x81
PACKET_BYTES = 96
# QEMU gives the controller nothing before it has 60 packets, and throws away what is beyond twice as many. The controller
# asks for a thousand in a second; with fewer the time is made up for that a busy machine loses.
MOST_AT_ONCE = 10

DEVICE = bytes.fromhex("1201 1001 000000 40 0912 0301 0001 0000 00 01")
CONTROL_INTERFACE = "0904000000010100 00 0924010001 1e00 01 01 0c24 0201 0102 00 01 0000 00 00 0924 0302 0101 00 01 00"
STREAM_INTERFACE = "090401000001020000 090401010101020000 07240102010100 0b24020101021001 80bb00 0905810560000100 00 07250100000000"
INTERFACES_BYTES = bytes.fromhex(CONTROL_INTERFACE + STREAM_INTERFACE)
CONFIG = struct.pack("<BBHBBBBB", 9, 2, 9 + len(INTERFACES_BYTES), 2, 1, 0, 0x80, 50) + INTERFACES_BYTES
DESCRIPTORS = {1: DEVICE, 2: CONFIG}


class Microphone:
    def __init__(self, line, samples, packets):
        self._line = line
        self._rate = packets
        self._samples = samples
        self._received = b""
        self._greeted = False
        self._setting = {0: 0, 1: 0}
        self._configuration = 0
        self._began = None
        self._sent = 0

    def send(self, kind, body, number=0):
        data = struct.pack("<III" if kind == HELLO else "<IIQ", kind, len(body), number) + body
        while data:
            data = data[os.write(self._line, data) :]

    def run(self):
        self.send(HELLO, b"microphone".ljust(64, b"\0") + struct.pack("<I", CAPABILITIES))
        while True:
            ready, _, _ = select.select([self._line], [], [], None if self._began is None else 0.004)
            if ready:
                self._received += os.read(self._line, 65536)
            while self._take():
                pass
            self._stream()

    def _take(self):
        """Handle a packet, if a whole one was received."""
        header = struct.Struct("<IIQ" if self._greeted else "<III")
        if len(self._received) < header.size:
            return False
        kind, length, number = header.unpack_from(self._received)
        end = header.size + length
        if len(self._received) < end:
            return False
        body, self._received = self._received[header.size : end], self._received[end:]
        self._handle(kind, number, body)
        return True

    def _tell_interfaces(self):
        self.send(INTERFACES, struct.pack("<I32s32s32s32s", 2, bytes([0, 1]), bytes([1, 1]), bytes([1, 2]), b""))
        self._tell_endpoints()

    def _tell_endpoints(self):
        types, intervals, interfaces, sizes = [ABSENT] * 32, [0] * 32, [0] * 32, [0] * 32
        types[0] = types[16] = 0
        sizes[0] = sizes[16] = 64
        if self._setting[1]:
            index = 16 | ENDPOINT & 15
            types[index], intervals[index], interfaces[index], sizes[index] = 1, 1, 1, PACKET_BYTES
        self.send(ENDPOINTS, struct.pack("<32B32B32B32H", *types, *intervals, *interfaces, *sizes))

    def _handle(self, kind, number, body):
        if kind == HELLO:
            self._greeted = True
            self._tell_interfaces()
            self.send(CONNECT, struct.pack("<BBBBHHH", FULL_SPEED, 0, 0, 0, 0x1209, 0x0103, 0x0100))
            print("ready", flush=True)
        elif kind == RESET:
            self._began = None
        elif kind == SET_CONFIGURATION:
            self._configuration = body[0]
            self._tell_interfaces()
            self.send(CONFIGURATION, bytes([SUCCESS, self._configuration]), number)
        elif kind == GET_CONFIGURATION:
            self.send(CONFIGURATION, bytes([SUCCESS, self._configuration]), number)
        elif kind == SET_SETTING:
            interface, self._setting[body[0]] = body
            self._began = None
            self._tell_endpoints()
            self.send(SETTING, bytes([SUCCESS, interface, self._setting[interface]]), number)
        elif kind == GET_SETTING:
            self.send(SETTING, bytes([SUCCESS, body[0], self._setting[body[0]]]), number)
        elif kind == START_ISO:
            self._began, self._sent = time.monotonic(), 0
            self.send(ISO_STATUS, bytes([SUCCESS, body[0]]), number)
        elif kind == STOP_ISO:
            self._began = None
            self.send(ISO_STATUS, bytes([SUCCESS, body[0]]), number)
        elif kind == CONTROL:
            self._control(number, body)

    def _control(self, number, body):
        endpoint, request, requesttype, _, value, index, length = struct.unpack_from("<BBBBHHH", body)
        # GET_DESCRIPTOR is all that there is; the rest has packets of its own.
        data = DESCRIPTORS.get(value >> 8, b"")[:length] if (requesttype, request) == (0x80, 6) else b""
        status = SUCCESS if data else STALL
        self.send(CONTROL, struct.pack("<BBBBHHH", endpoint, request, requesttype, status, value, index, len(data)) + data, number)

    def _stream(self):
        if self._began is None:
            return
        due = int((time.monotonic() - self._began) * self._rate) - self._sent
        if due > MOST_AT_ONCE:
            self._began += (due - MOST_AT_ONCE) / self._rate
            due = MOST_AT_ONCE
        for _ in range(due):
            data = os.urandom(PACKET_BYTES)
            self._samples.write(data)
            self.send(ISO, struct.pack("<BBH", ENDPOINT, SUCCESS, len(data)) + data, self._sent)
            self._sent += 1


line = os.open(sys.argv[1], os.O_RDWR)
with open(sys.argv[2], "ab", buffering=0) as samples:
    Microphone(line, samples, int(sys.argv[3])).run()
