# SPDX-License-Identifier: GPL-2.0
"""Make the table of `make bench` from what its machines printed, and compare it with the one in the documentation.

A line of a machine's output: modules, round, case, what was measured, value.
"""

import argparse
import math
import re
import sys

BEGIN, END = "<!-- made by scripts/bench: begin -->", "<!-- end -->"
# What a case may become worse by before it counts: several times the usual spread. If its own is larger, that.
TOLERANCE = 0.03
MEAN = 0.80
# At most so many times what the kernel's own transport takes, for bulk transfers of 16 KiB, 32 at a time.
CARRIED = 1.6
CARRIED_CASES = ("ux bulk in 16 KiB x 32", "ux bulk out 16 KiB x 32")
# A gadget's transfers take at most so much of the time that they take with C.
GADGET = {"bulk": 1 / 20, "control": 1 / 10}
COUNTED = ("sendmsg", "recvmsg", "wakeups", "allocations")
ROW = re.compile(r"^\| ([^|]+?) \| +[\d.]+ \| +[\d.]+ \| +([\d.]+) \| +([\d.]+) % \|", re.MULTILINE)


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
        self.best = min(rust) / self.c
        self.spread = max(spread(c), spread(rust))

    @property
    def is_slower(self):
        return self.ratio > 1 + self.spread

    def is_worse_than(self, ratio, spread_then):
        """Than what was measured before, in all rounds, and by more than rounds are apart, then or now.

        Where threads take turns, how many transfers share a call is chance, and all rounds of a run may be unlucky.
        """
        return self.best > ratio * (1 + max(TOLERANCE, spread_then, self.spread))


def time_table(values):
    rows = [Row(case, what["ns"]["c"], what["ns"]["rust"]) for case, what in values.items() if len(what.get("ns", {})) == 2]
    lines = ["| case | C | Rust | ratio | spread |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        lines.append(f"| {row.case} | {row.c:.0f} | {row.rust:.0f} | {row.ratio:.3f} | {row.spread * 100:.1f} % |")
    return rows, lines


def gadget_table(values):
    rows = [Row(case, what["elapsed"]["c"], what["elapsed"]["rust"]) for case, what in values.items() if len(what.get("elapsed", {})) == 2]
    lines = ["| case | C | Rust | times as fast |", "|---|---:|---:|---:|"]
    for row in rows:
        lines.append(f"| {row.case} | {row.c:.0f} | {row.rust:.0f} | {1 / row.ratio:.1f} |")
    missed = [row for row in rows if row.ratio > GADGET[row.case.split()[1]]]
    failures = [f"less than {1 / GADGET[row.case.split()[1]]:.0f} times as fast as C: {row.case} ({1 / row.ratio:.1f})" for row in missed]
    return lines, failures


def carried_table(values):
    """Connections that a program carries, beside those of the kernel's own transport."""
    lines = ["| case | in the kernel | by a program | ratio |", "|---|---:|---:|---:|"]
    failures = []
    for case, what in values.items():
        usual = values.get(case.replace("ux ", "vhci ", 1), {})
        if not case.startswith("ux ") or "rust" not in what.get("ns", {}) or "rust" not in usual.get("ns", {}):
            continue
        kernel, program = mean(usual["ns"]["rust"]), mean(what["ns"]["rust"])
        lines.append(f"| {case} | {kernel:.0f} | {program:.0f} | {program / kernel:.3f} |")
        if case in CARRIED_CASES and program / kernel > CARRIED:
            failures.append(f"more than {CARRIED} times the kernel's own transport: {case} ({program / kernel:.3f})")
    return lines, failures


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
    carried, slow_carried = carried_table(values)
    gadgets, slow_gadgets = gadget_table(values)
    text = []
    geometric = 0
    if rows:
        geometric = math.exp(mean([math.log(row.ratio) for row in rows]))
        text += ["Instructions per transfer (per read or write for disks), without idle time:", "", *times, ""]
        text += [f"Geometric mean of the ratios: **{geometric:.3f}**.", ""]
    if len(carried) > 2:
        text += ["Connections that a program carries, through `/dev/usbip-ux`; instructions per transfer:", "", *carried, ""]
    if len(gadgets) > 2:
        text += ["A gadget on `usbip-vudc`; nanoseconds per transfer, one for each instruction, waiting included:", "", *gadgets, ""]
    if not text:
        sys.exit("bench: nothing was measured")
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
    known = {case: (float(ratio), float(spread) / 100) for case, ratio, spread in ROW.findall(document)}
    failures = slow_carried + slow_gadgets
    for row in rows:
        if row.is_slower:
            print(f"slower than C: {row.case} ({row.ratio:.3f}, spread {row.spread * 100:.1f} %)")
        if row.case in known and row.is_worse_than(*known[row.case]):
            failures.append(f"worse than it was: {row.case} ({row.ratio:.3f}, was {known[row.case][0]:.3f})")
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
        print("# bench: " + (f"{len(failures)} cases are not as they should be" if failures else "no case is worse"))
        sys.exit(1 if failures else 0)


main()
