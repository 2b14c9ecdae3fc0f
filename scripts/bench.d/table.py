# SPDX-License-Identifier: GPL-2.0
"""Make the tables of `make bench` from what its machines printed, and compare them with those in the documentation."""

import argparse
import math
import re
import sys
from typing import NamedTuple

from rounds import TOLERANCE, mean, median, read, spread

BEGIN, END = "<!-- made by scripts/bench: begin -->", "<!-- end -->"
# The same instructions take the same time again within this, however well the rounds of a run agree.
REPEATABILITY = 0.003
# What the geometric mean of the ratios may be.
MEAN = 0.80
# At most so many times what the kernel's own transport takes, for bulk transfers of 16 KiB, 32 at a time.
CARRIED = 1.6
CARRIED_CASES = ("ux bulk in 16 KiB x 32", "ux bulk out 16 KiB x 32")
# A gadget's transfers take at most so much of the time that they take with C.
GADGET = {"bulk": 1 / 20, "control": 1 / 10}
COUNTED = ("sendmsg", "recvmsg", "wakeups", "allocations")
# A row of a table: case, what it is compared with, the case itself.
KNOWN = re.compile(r"^\| ([^|]+?) \| +(\d+) \| +(\d+) \|", re.MULTILINE)


class Failure(NamedTuple):
    """A bar that is missed."""

    text: str
    # What may be measured again, if it is chance.
    case: str | None = None


class Row:
    def __init__(self, case, base, ours):
        self.case, self.base, self.ours = case, median(base), median(ours)
        self.ratio = self.ours / self.base
        self.spread = max(spread(base), spread(ours))

    def __str__(self):
        return f"| {self.case} | {self.base:.0f} | {self.ours:.0f} | {self.ratio:.3f} | {self.spread * 100:.1f} % |"

    def is_above(self, bar):
        return self.ratio > bar * (1 + max(self.spread, REPEATABILITY))


def compared(values, what):
    """Rows of the cases of which that was measured with the modules of C and with ours."""
    found = ((case, whats.get(what, {})) for case, whats in values.items())
    return [Row(case, rounds["c"], rounds["rust"]) for case, rounds in found if len(rounds) == 2]


def time_rows(values):
    rows = compared(values, "ns")
    slow = [row for row in rows if row.is_above(1)]
    return rows, [Failure(f"slower than C: {row.case} ({row.ratio:.3f}, spread {row.spread * 100:.1f} %)", row.case) for row in slow]


def carried_rows(values):
    """Connections that a program carries, beside those of the kernel's own transport."""
    rows = []
    for case, whats in values.items():
        usual = values.get(case.replace("ux ", "vhci ", 1), {})
        if case.startswith("ux ") and "ns" in whats and "ns" in usual:
            rows.append(Row(case, usual["ns"]["rust"], whats["ns"]["rust"]))
    slow = [row for row in rows if row.case in CARRIED_CASES and row.ratio > CARRIED]
    failures = [Failure(f"more than {CARRIED} times the kernel's own transport: {row.case} ({row.ratio:.3f})", row.case) for row in slow]
    return rows, failures


def gadget_rows(values):
    rows = compared(values, "elapsed")
    missed = [row for row in rows if row.ratio > GADGET[row.case.split()[1]]]
    return rows, [Failure(f"less than {1 / GADGET[row.case.split()[1]]:.0f} times as fast as C: {row.case} ({1 / row.ratio:.1f})", row.case) for row in missed]


def memory_rows(values):
    rows = compared(values, "bytes")
    failures = [Failure(f"more memory than C: {row.case} ({row.ratio:.3f})") for row in rows if "idle" in row.case and row.ratio > 1]
    return rows, failures


def table(base, ours, rows):
    return [f"| case | {base} | {ours} | ratio | spread |", "|---|---:|---:|---:|---:|", *map(str, rows), ""]


def count_table(values):
    lines = []
    for case, whats in values.items():
        counts = [whats.get(name, {}) for name in COUNTED]
        if all(len(count) == 2 for count in counts):
            cells = (f"{mean(count['c']):.2f} / {mean(count['rust']):.2f}" for count in counts)
            lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return lines and ["| case | " + " | ".join(COUNTED) + " |", "|---|" + "---:|" * len(COUNTED), *lines, ""]


def changes(timed, memory, known, is_all):
    """What became worse since the documentation was written, and what it does not say or says in vain.

    What memory is taken is a few percent apart from one start of the machine to the next, so C is its only bar.
    """
    measured = [row.case for row in timed + memory]
    failures = [Failure(f"not in the documentation: {case}") for case in measured if case not in known]
    for row in timed:
        if row.case in known and row.ratio > known[row.case] * (1 + TOLERANCE):
            text = f"worse than it was: {row.case} ({row.ratio:.3f}, was {known[row.case]:.3f})"
            failures.append(Failure(text, row.case))
    if is_all:
        failures += [Failure(f"not measured: {case}") for case in known if case not in measured]
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--all", action="store_true", help="all cases were measured")
    parser.add_argument("--suspects", action="store_true", help="only print the cases that are not as they should be")
    parser.add_argument("document")
    parser.add_argument("outputs", nargs="+")
    options = parser.parse_args()

    values = read(options.outputs)
    times, failures = time_rows(values)
    carried, slow_carried = carried_rows(values)
    gadgets, slow_gadgets = gadget_rows(values)
    memory, large = memory_rows(values)
    failures += slow_carried + slow_gadgets + large
    text = []
    if times:
        text += ["Instructions per transfer (per read or write for disks), without idle time:", "", *table("C", "Rust", times)]
    if options.all and times:
        geometric = math.exp(mean([math.log(row.ratio) for row in times]))
        text += [f"Geometric mean of the ratios: **{geometric:.3f}**.", ""]
        if geometric > MEAN:
            failures.append(Failure(f"the geometric mean is above {MEAN:.2f}: {geometric:.3f}"))
    if carried:
        text += ["Connections that a program carries, through `/dev/usbip-ux`; instructions per transfer:", ""]
        text += table("in the kernel", "by a program", carried)
    if gadgets:
        text += ["A gadget on `usbip-vudc`; nanoseconds per transfer, one for each instruction, waiting included:", ""]
        text += table("C", "Rust", gadgets)
    if memory:
        text += ["Bytes of memory for each connected device, with the threads, sockets and buffers of who plays the other side:", ""]
        text += table("C", "Rust", memory)
    counts = count_table(values)
    if counts:
        text += ["Calls, wake-ups and allocations per transfer in the whole machine, C / Rust:", "", *counts]
    if not text:
        sys.exit("bench: nothing was measured")

    with open(options.document) as stream:
        document = stream.read()
    known = {case: int(ours) / int(base) for case, base, ours in KNOWN.findall(document)}
    if options.check or options.suspects:
        failures += changes(times + carried + gadgets, memory, known, options.all)
    if options.suspects:
        print("".join(f"{case}\n" for case in sorted({failure.case for failure in failures if failure.case})), end="")
        return
    print("\n".join(text))
    if options.update:
        before, _, rest = document.partition(BEGIN)
        _, _, after = rest.partition(END)
        with open(options.document, "w") as stream:
            stream.write(before + BEGIN + "\n\n" + "\n".join(text) + "\n" + END + after)
    print("\n".join(failure.text for failure in failures))
    if options.check:
        print("# bench: " + (f"{len(failures)} figures are not as they should be" if failures else "all is as it should be"))
        sys.exit(1 if failures else 0)


main()
