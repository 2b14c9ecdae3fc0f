# SPDX-License-Identifier: GPL-2.0
"""scripts/vm-pair: two machines on one wire that leads nowhere else."""

import argparse
import os
import signal
import socket
import sys
import threading

import options
from machine import STATUS_REPORT, STATUS_TIMEOUT, STATUS_UNABLE, Exchange, Machine

DESCRIPTION = """Run two jobs in two virtual machines, `server` (10.0.0.1) and `client` (10.0.0.2), on one virtual wire.

  scripts/vm-pair [OPTIONS] [--server OPTIONS] [--client OPTIONS] SERVER-JOB.sh CLIENT-JOB.sh

Options are those of scripts/vm (see scripts/vm --help); those before --server and --client hold for both sides.
In the machines, besides what scripts/vm gives:
  signal NAME, await NAME [SECONDS]    wait for each other; works while the wire is cut
  link_down, link_up                   pull and plug this machine's network cable
When a job ends, `server-exit` or `client-exit` is signalled; when one fails, an await of the other fails at once.
Exit status: 99 or 124 as scripts/vm if either side has it, else the client's status, else the server's."""

ADDRESSES = {"server": "10.0.0.1", "client": "10.0.0.2"}


def split(words):
    """Common, server and client words of a command line without its two jobs."""
    parts = {"common": [], "server": [], "client": []}
    side = "common"
    for word in words:
        if word in ("--server", "--client"):
            side = word[2:]
        else:
            parts[side].append(word)
    return parts


class Prefixed:
    """Prints whole lines, each with the machine's name in front."""

    _lock = threading.Lock()

    def __init__(self, name):
        self._prefix = f"{name}| ".encode()
        self._rest = b""

    def __call__(self, data):
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        with self._lock:
            for line in lines:
                sys.stdout.buffer.write(self._prefix + line + b"\n")
            sys.stdout.buffer.flush()

    def finish(self):
        if self._rest:
            self(b"\n")


def say(text):
    print(f"vm-pair: {text}", file=sys.stderr, flush=True)


def main():
    words = sys.argv[1:]
    if len(words) < 2 or words[0] in ("-h", "--help"):
        print(DESCRIPTION)
        sys.exit(0 if words and words[0] in ("-h", "--help") else 2)
    parts = split(words[:-2])
    exchange = Exchange()
    exchange.expect(2)
    wires = dict(zip(ADDRESSES, socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)))
    machines, statuses, printers = {}, {}, {}
    for name, job in zip(ADDRESSES, words[-2:]):
        parser = options.parser("scripts/vm-pair", DESCRIPTION)
        options.add_to(parser)
        parser.add_argument("job", help=argparse.SUPPRESS)
        chosen = parser.parse_args([*parts["common"], *parts[name], job])
        options.check(parser, chosen)
        printers[name] = Prefixed(name)
        machines[name] = Machine(chosen, printers[name], say, name, ADDRESSES[name], wires[name], exchange)

    def run(name):
        try:
            statuses[name] = machines[name].run()
        except SystemExit:
            # It has said why.
            statuses[name] = STATUS_UNABLE
        except BaseException as error:
            say(f"{name}: {error!r}")
            statuses[name] = STATUS_UNABLE
        if statuses[name] in (STATUS_REPORT, STATUS_TIMEOUT):
            for other, machine in machines.items():
                if other != name:
                    machine.stop()

    def end(*_):
        for machine in machines.values():
            machine.abandon()
        os._exit(143)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threads = [threading.Thread(target=run, args=(name,)) for name in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for printer in printers.values():
        printer.finish()
    status = verdict(machines, statuses)
    for name, machine in machines.items():
        if machine.complaint:
            print(f"\n==== {name}: the kernel complains ====\n{machine.complaint}")
    for name, machine in machines.items():
        if status != 0 or machine.options.verbose:
            print(f"==== {name}: status {statuses[name]}, kernel log ====\n{machine.log}")
    sys.stdout.flush()
    os._exit(status)


def verdict(machines, statuses):
    # A machine that was stopped because the other one failed says nothing itself.
    judged = {name: status for name, status in statuses.items() if not machines[name].stopping or machines[name].complaint}
    for special in (STATUS_REPORT, STATUS_TIMEOUT):
        if special in judged.values():
            return special
    return statuses["client"] or statuses["server"]


main()
