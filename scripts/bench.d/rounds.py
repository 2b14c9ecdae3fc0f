# SPDX-License-Identifier: GPL-2.0
"""What the rounds of a case agree on.

As a program: print the cases that need more rounds, of those in a file of what the machine has printed so far.
"""

import sys

# What a case may become worse by.
TOLERANCE = 0.03
# How well the rounds must agree on a case, so that chance alone does not make it so much worse.
SETTLED = 0.01


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


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else mean(ordered[middle - 1 : middle + 1])


def spread(values):
    """How much the median depends on a single round: how far it goes when one is left out, in relation to it.

    Where threads take turns, how many transfers share a call is chance, and rounds are far apart. Their median still
    settles as they become more.
    """
    if len(values) == 1:
        return 0
    medians = [median(values[:index] + values[index + 1 :]) for index in range(len(values))]
    return (max(medians) - min(medians)) / median(values)


def main():
    for case, whats in read(sys.argv[1:]).items():
        timed = [rounds for what in ("ns", "elapsed") for rounds in whats.get(what, {}).values()]
        if any(spread(rounds) > SETTLED for rounds in timed):
            print(case)


if __name__ == "__main__":
    main()
