# SPDX-License-Identifier: GPL-2.0
"""scripts/vm: one machine, one job."""

import os
import signal
import sys

import options
from machine import STATUS_TIMEOUT, Machine

DESCRIPTION = """Boot a virtual machine with a stock Debian kernel, run a shell job as root in it and exit with the job's status;
99 if the kernel printed an oops, BUG, WARNING, sanitizer, lockdep, hung task or leak report, or the machine died before
the job ended; 124 if time ran out; 2 if no machine could be started.

In the machine: bash, busybox, kmod, the C usbip and usbipd, the programs of build/tools, testusb, /tests/lib.sh; and
  qmp JSON      ask QEMU for something and print its reply
  VM_MODULES, VM_TOOLS, VM_KERNEL   what this machine was started with"""


def main():
    parser = options.parser("scripts/vm", DESCRIPTION)
    options.add_to(parser)
    parser.add_argument("job", metavar="JOB.sh", help="run with bash, unless it has a #! line")
    chosen = parser.parse_args()
    options.check(parser, chosen)

    def output(data):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def say(text):
        print(f"vm: {text}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    machine = Machine(chosen, output, say)
    try:
        status = machine.run()
    except KeyboardInterrupt:
        status = 130
    if machine.complaint:
        print(f"\n==== the kernel complains ====\n{machine.complaint}")
    if status != 0 or chosen.verbose:
        print(f"==== kernel log ====\n{machine.log}")
    if machine.complaint:
        say(f"status {status}: the kernel complains")
    elif status == STATUS_TIMEOUT:
        say(f"status {status}: time ran out")
    sys.stdout.flush()
    os._exit(status)


main()
