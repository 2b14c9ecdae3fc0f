# SPDX-License-Identifier: GPL-2.0
"""Make the table of `make bench` from what its machines printed, and compare it with the one in the documentation.

A line of a machine's output: modules, round, case, what was measured, value.
"""

import argparse
import math
import re
import sys

BEGIN, END = "<!-- made by scripts/bench: begin -->", "<!-- end -->"
# What a case may become worse by before it counts: several times the usual spread.
TOLERANCE = 1.03
MEAN = 0.80
COUNTED = ("sendmsg", "recvmsg", "wakeups", "allocations")
ROW = re.compile(r"^\| ([^|]+?) \| +[\d.]+ \| +[\d.]+ \| +([\d.]+) \|", re.MULTILINE)


def read(paths):
    """Values by case, what, modules: a list with one value per round; cases in the order in which they came."""
    values = {}
    for path in paths:
        with open(path, errors="replace") as stream:
            for line in stream:
                fields = line.rstrip("\r\n").split("\t")
                if len(fields) == 5 and fields[0] in ("c", "rust"):
                    modules, _, case, what, value = fields
                    values.setdefault(case, {}).setdefault(what, {}).setdefault(modules, []).append(float(value))
    return values


def mean(values):
    return sum(values) / len(values)


def spread(values):
    """How far the rounds are apart, in relation to their mean."""
    return (max(values) - min(values)) / mean(values)


class Row:
    def __init__(self, case, c, rust):
        self.case, self.c, self.rust = case, mean(c), mean(rust)
        self.ratio = self.rust / self.c
        self.spread = max(spread(c), spread(rust))

    @property
    def is_slower(self):
        return self.ratio > 1 + self.spread


def time_table(values):
    rows = [Row(case, what["ns"]["c"], what["ns"]["rust"]) for case, what in values.items() if len(what.get("ns", {})) == 2]
    lines = ["| case | C | Rust | ratio | spread |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        lines.append(f"| {row.case} | {row.c:.0f} | {row.rust:.0f} | {row.ratio:.3f} | {row.spread * 100:.1f} % |")
    return rows, lines


def count_table(values):
    lines = ["| case | " + " | ".join(COUNTED) + " |", "|---|" + "---:|" * len(COUNTED)]
    for case, what in values.items():
        cells = []
        for name in COUNTED:
            if len(what.get(name, {})) == 2:
                cells.append(f"{mean(what[name]['c']):.2f} / {mean(what[name]['rust']):.2f}")
        if cells:
            lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("document")
    parser.add_argument("outputs", nargs="+")
    options = parser.parse_args()

    values = read(options.outputs)
    rows, times = time_table(values)
    if not rows:
        sys.exit("bench: nothing was measured")
    geometric = math.exp(mean([math.log(row.ratio) for row in rows]))
    text = ["Instructions per transfer (per read or write for disks), without idle time:", "", *times, ""]
    text += [f"Geometric mean of the ratios: **{geometric:.3f}**.", ""]
    counts = count_table(values)
    if len(counts) > 2:
        text += ["Calls, wake-ups and allocations per transfer in the whole machine, C / Rust:", "", *counts, ""]
    memory = next((what["bytes"] for what in values.values() if "bytes" in what), None)
    if memory:
        c, rust = mean(memory["c"]), mean(memory["rust"])
        text += [f"Memory per idle imported device, with the threads and sockets that play it: C {c:.0f} bytes, Rust {rust:.0f} bytes.", ""]
    print("\n".join(text))

    with open(options.document) as stream:
        document = stream.read()
    known = {case: float(ratio) for case, ratio in ROW.findall(document)}
    failures = []
    for row in rows:
        if row.is_slower:
            print(f"slower than C: {row.case} ({row.ratio:.3f}, spread {row.spread * 100:.1f} %)")
        if row.case in known and row.ratio > known[row.case] * TOLERANCE:
            failures.append(f"worse than it was: {row.case} ({row.ratio:.3f}, was {known[row.case]:.3f})")
        elif options.check and row.case not in known:
            failures.append(f"not in {options.document}: {row.case}")
    if geometric > MEAN:
        print(f"the geometric mean is above {MEAN:.2f}: {geometric:.3f}")
    if options.update:
        before, _, rest = document.partition(BEGIN)
        _, _, after = rest.partition(END)
        with open(options.document, "w") as stream:
            stream.write(before + BEGIN + "\n\n" + "\n".join(text) + "\n" + END + after)
    print("\n".join(failures))
    if options.check:
        print("# bench: " + (f"{len(failures)} cases are worse" if failures else "no case is worse"))
        sys.exit(1 if failures else 0)


main()
