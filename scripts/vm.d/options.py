# SPDX-License-Identifier: GPL-2.0
"""The options of a machine, the same for one and for a pair."""

import argparse
import os
import re

DEFAULT_TIMEOUT = 300
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def add_to(parser):
    parser.add_argument("--kernel", default="7.2", help="7.2, 7.3, 7.2-rt or debug (default 7.2)")
    parser.add_argument("--arch", choices=("x86_64", "arm64"), default="x86_64", help="arm64 is emulated (default %(default)s)")
    parser.add_argument("--modules", choices=("rust", "c"), default="rust", help="whose USB/IP modules modprobe finds")
    parser.add_argument("--tools", choices=("c", "rust"), default="c", help="which usbip is first on PATH")
    parser.add_argument("--add", action="append", default=[], metavar="FILE[:PATH]", help="a file (or folder) for the machine, in /root or at PATH; @TOP@ is this checkout")
    parser.add_argument("--python", action="store_true", help="python3 and the packages that scripts/wheels fetches, in the machine")
    parser.add_argument("--file", action="append", default=[], metavar="NAME:MIB", help="an empty file of that size in @SCRATCH@, for a disk")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable for the job")
    parser.add_argument("--icount", action="store_true", help="one instruction is one virtual nanosecond; one processor")
    parser.add_argument("--smp", type=int, default=1, metavar="N", help="processors")
    parser.add_argument("--mem", type=int, metavar="MIB", help="memory (default 512, debug kernel 1536)")
    parser.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT, metavar="SECONDS", help="for the job, not counting the boot (default %(default)s)")
    parser.add_argument("--stick", type=int, metavar="MIB", help="a USB stick full of random bytes on a USB 3 controller, `xhci`")
    parser.add_argument("--qemu", action="append", default=[], metavar="ARGS", help="more arguments for QEMU, split like a shell does; @SCRATCH@ is a folder of this run, VM_SCRATCH in the job")
    parser.add_argument("--append", action="append", default=[], metavar="WORDS", help="more words for the kernel's command line")
    parser.add_argument("--qmp", metavar="SOCKET", help="a QMP socket for programs outside")
    parser.add_argument("--log", metavar="FILE", help="keep the kernel's log here")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the kernel's log even when all is well")


def check(parser, options):
    if not os.path.isfile(options.job):
        parser.error(f"no such job: {options.job}")
    # A job's header does not know where the checkout is.
    options.add = [item.replace("@TOP@", TOP) for item in options.add]
    options.qemu = [item.replace("@TOP@", TOP) for item in options.qemu]
    for item in options.file:
        if not re.fullmatch(r"[a-z0-9.]+:[0-9]+", item):
            parser.error(f"--file: not NAME:MIB: {item}")
    for item in options.set:
        if not re.fullmatch(r"[A-Z_]+=[^']*", item):
            parser.error(f"--set: not NAME=VALUE: {item}")
    for item in options.add:
        if not os.path.exists(item.partition(":")[0]):
            parser.error(f"--add: no such file: {item.partition(':')[0]}")
    if options.icount and options.smp != 1:
        parser.error("--icount has one processor")
    if options.mem is None:
        options.mem = 1536 if options.kernel == "debug" else 512


def parser(program, description):
    return argparse.ArgumentParser(prog=program, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
