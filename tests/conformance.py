# SPDX-License-Identifier: GPL-2.0
"""Run what compares our modules with the C ones, and write Documentation/conformance.md from the logs.

What the page says stays there until its job runs again, so kernels and jobs can be done one by one.
"""

import argparse
import glob
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

TESTS = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(TESTS)
PAGE = TOP + "/Documentation/conformance.md"
KERNELS = ["7.2", "7.3", "7.2-rt", "debug"]
PATTERN = "/(usbtest|iso|device|selftest)-"
ROUNDS = "50"
# Folder of a log below its kernel, and what that is: modules of the host side and of the vhci side.
SIDES = {"c": "C, C", "rust": "ours, ours", "rust-c": "ours, C", "c-rust": "C, ours"}
SPEEDS = {"480": "high", "5000": "super"}
LOCAL = {"usbtest-high": "480", "usbtest-super": "5000"}
RESULT = re.compile(r"^(?:(?:server|client)\| )?(not )?ok\b", re.MULTILINE)
CASE = re.compile(r"^(?:(?:server|client)\| )?(not )?ok case (\d+)\b(.*)$", re.MULTILINE)
STATUS = re.compile(r"^# ended with status (-?\d+) after (\d+) s\b.*$", re.MULTILINE)
CASES = {
    0: "no operation",
    1: "bulk write",
    2: "bulk read",
    3: "bulk write, lengths that vary",
    4: "bulk read, lengths that vary",
    5: "bulk write, scattered",
    6: "bulk read, scattered",
    7: "bulk write, scattered, lengths that vary",
    8: "bulk read, scattered, lengths that vary",
    9: "control, chapter 9",
    10: "control, queued",
    11: "unlink of reads",
    12: "unlink of writes",
    13: "set and clear halt",
    14: "control, written and read back",
    17: "bulk write, odd address",
    18: "bulk read, odd address",
    19: "bulk write, odd address, coherent",
    20: "bulk read, odd address, coherent",
    21: "control, odd address",
    24: "unlink from a queue",
    27: "bulk write, throughput",
    28: "bulk read, throughput",
    29: "clear halt and toggle",
}


class Run:
    """What a log says."""

    def __init__(self, path):
        with open(path, errors="replace") as stream:
            text = stream.read()
        self.when = os.stat(path).st_mtime
        self.kernel, self.sides = path.split("/")[-3:-1]
        self.job = os.path.basename(path)[: -len(".log")]
        bad = [bool(match[1]) for match in RESULT.finditer(text)]
        self.passed, self.failed = bad.count(False), bad.count(True)
        ended = STATUS.findall(text)
        # A log without its last line is one of a run that was cut off, or that has not ended.
        self.ended = bool(ended)
        self.status = int(ended[-1][0]) if ended else None
        self.seconds = int(ended[-1][1]) if ended else None
        rounds = re.search(r"--set=ROUNDS=(\d+)", text)
        self.rounds = rounds[1] if rounds and self.job.startswith("device-") else None
        self.cases = {}
        for match in CASE.finditer(text):
            speed = re.search(r" at (\d+) ", match[3])
            self.cases[LOCAL.get(self.job) or (speed[1] if speed else "480"), int(match[2])] = not match[1]

    @property
    def clean(self):
        return self.ended and self.status == 0 and self.failed == 0

    def verdict(self):
        if self.clean:
            return f"ok ({self.passed})" + (f", {self.rounds} rounds" if self.rounds else "")
        if self.status == 99:
            return "**kernel complains**"
        if self.status == 124:
            return "**time ran out**"
        return f"**{self.failed} failed** of {self.passed + self.failed}"


def collect(folders, since):
    """The newest run of each job that ended after a time: {(kernel, sides, job): Run}."""
    found = {}
    for folder in folders:
        for path in glob.glob(folder + "/*/*/*.log"):
            run = Run(path)
            key = run.kernel, run.sides, run.job
            # One that has not ended may be running at this moment.
            is_wanted = run.sides in SIDES and run.ended and run.when >= since and re.search(PATTERN, "/" + run.job)
            if is_wanted and (key not in found or found[key].when < run.when):
                found[key] = run
    return found


@dataclass
class Results:
    """What the page's tables show."""

    # (kernel, sides, speed): {number of a case: what became of it}
    usbtest: dict = field(default_factory=dict)
    # (kernel, sides, job): what became of it
    jobs: dict = field(default_factory=dict)
    days: set = field(default_factory=set)

    def remember(self, text):
        """Take what a page says."""
        names = {name: sides for sides, name in SIDES.items()}
        speeds = {name: speed for speed, name in SPEEDS.items()}
        kernel, columns = None, []
        for line in text.splitlines():
            if heading := re.match(r"## (?:usbtest on (.*))?", line):
                kernel = heading[1]
            if last := re.match(r"Runs of ([0-9-]+)(?: to ([0-9-]+))?\.", line):
                self.days.update(day for day in last.groups() if day)
            first, _, *cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| ") else ("", "")
            if first == "case":
                columns = [(kernel, names[sides], speeds[speed]) for sides, _, speed in (cell.rpartition(", ") for cell in cells)]
            elif first == "job":
                columns = [(name, names[sides]) for name, _, sides in (cell.partition(": ") for cell in cells)]
            elif first.isdigit():
                for column, cell in zip(columns, cells):
                    self.usbtest.setdefault(column, {})[int(first)] = cell
            elif first.startswith("`") and subject(first.strip("`")):
                # An empty cell is nothing.
                self.jobs.update({(*column, first.strip("`")): cell for column, cell in zip(columns, cells) if cell})

    def add(self, run):
        """Take what a log says, instead of what was known of that job."""
        self.days.add(time.strftime("%Y-%m-%d", time.gmtime(run.when)))
        if not run.job.startswith("usbtest-"):
            self.jobs[run.kernel, run.sides, run.job] = run.verdict()
        for speed in {speed for speed, _ in run.cases}:
            self.usbtest[run.kernel, run.sides, speed] = {
                number: "ok" if passed else "**fails**" for (at, number), passed in run.cases.items() if at == speed
            }


def usbtest_table(kernel, results):
    columns = [(sides, speed) for speed in SPEEDS for sides in SIDES if (kernel, sides, speed) in results.usbtest]
    if not columns:
        return ["Not run.", ""]
    lines = ["| case | | " + " | ".join(f"{SIDES[sides]}, {SPEEDS[speed]}" for sides, speed in columns) + " |"]
    lines.append("|---:|---|" + "---|" * len(columns))
    for number, what in CASES.items():
        row = [results.usbtest[kernel, sides, speed].get(number, "not reached") for sides, speed in columns]
        lines.append(f"| {number} | {what} | " + " | ".join(row) + " |")
    missing = [f"{SIDES[sides]} at {SPEEDS[speed]} speed" for speed in SPEEDS for sides in SIDES if (sides, speed) not in columns]
    if missing and kernel != "debug":
        lines += ["", "Not run: " + "; ".join(missing) + "."]
    return [*lines, ""]


def subject(job):
    """The first sentence of a job's description; empty if there is no such job."""
    for name in (job + ".sh", job + ".server.sh"):
        path = f"{TESTS}/vm/{name}"
        if os.path.exists(path):
            with open(path) as stream:
                text = [line[2:].strip() for line in stream if line.startswith("# ") and not re.match(r"# [a-z]+:|# SPDX", line)]
            return re.split(r"(?<=[a-z])\.(?= |$)", " ".join(text))[0].replace("|", "/")
    return ""


def jobs_table(results):
    if not results.jobs:
        return ["Not run.", ""]
    columns = sorted({key[:2] for key in results.jobs}, key=lambda item: (KERNELS.index(item[0]), list(SIDES).index(item[1])))
    lines = ["| job | what it shows | " + " | ".join(f"{kernel}: {SIDES[sides]}" for kernel, sides in columns) + " |"]
    lines.append("|---|---|" + "---|" * len(columns))
    for job in sorted({job for _, _, job in results.jobs}):
        row = [results.jobs.get((kernel, sides, job), "") for kernel, sides in columns]
        lines.append(f"| `{job}` | {subject(job)} | " + " | ".join(row) + " |")
    return [*lines, ""]


def page(results):
    lines = ["<!-- Written by `make conformance`: do not edit. -->", "# Conformance with the C modules", ""]
    lines += [
        "The same jobs on the modules that Debian ships with its kernel and on ours, and on one side each. A pair of",
        'words names the modules of the side with the device and of the side that imports it: "ours, C" is our',
        "usbip-host with the C vhci-hcd.",
        "",
    ]
    for kernel in KERNELS:
        if kernel == "debug" and not any(key[0] == kernel for key in [*results.usbtest, *results.jobs]):
            continue
        lines += [f"## usbtest on {kernel}", ""]
        lines += usbtest_table(kernel, results)
    lines += ["## Devices, isochronous transfers, the kernel's own test", ""]
    lines += jobs_table(results)
    lines += ["A number in brackets is that of the checks in a job.", ""]
    lines += ["An empty cell is a job that was not run there, or that says in its head that it is not for these modules.", ""]
    if days := sorted(results.days):
        lines += [f"Runs of {' to '.join([days[0], days[-1]] if len(days) > 1 else days)}.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default=" ".join(KERNELS[:3]), help="which ones to run (default %(default)s); debug runs ours only")
    parser.add_argument("pattern", nargs="?", default=PATTERN, help="which jobs to run (default %(default)s)")
    parser.add_argument("--only-table", action="store_true", help="run nothing: take all logs that there are")
    parser.add_argument("--logs", action="append", default=[], metavar="FOLDER", help="with --only-table: logs of other runs, which count where they are newer")
    options = parser.parse_args()
    failed = False
    # Logs of other runs, of `make test` say, have fewer rounds.
    since = 0 if options.only_table else time.time()
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env.setdefault("ROUNDS", ROUNDS)
    for kernel in [] if options.only_table else re.split("[, ]+", options.kernel):
        subprocess.run([TOP + "/scripts/build-modules"], check=True, env={**env, "KERNEL": kernel}, stdout=subprocess.DEVNULL)
        for modules in ("rust",) if kernel == "debug" else ("rust", "c"):
            command = [TOP + "/tests/run", "--kernel", kernel, "--modules", modules, "--no-unit", options.pattern]
            ended = subprocess.run(command, env=env).returncode
            # What the C modules get wrong is what the page is there to show.
            failed |= ended != 0 and modules == "rust"
    runs = collect([TOP + "/build/test-logs", *options.logs], since)
    results = Results()
    if os.path.exists(PAGE):
        with open(PAGE) as stream:
            results.remember(stream.read())
    for run in runs.values():
        results.add(run)
    with open(PAGE, "w") as stream:
        stream.write(page(results))
    print(f"{os.path.relpath(PAGE)}: {len(runs)} runs, {sum(not run.clean for run in runs.values())} of them not clean")
    sys.exit(1 if failed else 0)


main()
