# SPDX-License-Identifier: GPL-2.0
"""Run unit tests, the scripts of tests/host and the jobs of tests/vm (or of tests/hostile), a few at a time, and count.

A script in tests/host runs on this machine. A job is a shell script that scripts/vm runs in a machine. Lines at
its head say how:
    # vm: OPTIONS          options of scripts/vm (or of scripts/vm-pair); on as many lines as it takes
    # debug: OPTIONS       more of them on the debug kernel
    # kernels: 7.2 7.3     where it runs (default: all that were asked for)
    # once: yes            of several kernels that were asked for, the first is enough: it tells nothing of a kernel
    # modules: rust        whose modules it holds for: `rust`, `c` or both (default); `rust` alone marks what
                           the C modules are known to get wrong, `c` alone runs with the C ones in any case
    # matrix: rust/c ..    for a pair: modules of server/client (default rust/rust rust/c c/rust); without C on the
                           debug kernel
    # expect: 99           the status to end with (default 0)
    # complaint: TEXT      a regular expression that what the kernel complains of must match, for jobs that expect one
    # arch: arm64          the architectures it is meant for (default x86_64)
    # again: no            what it looks for shows by chance: a failure counts, however busy this machine was
A pair is NAME.server.sh with NAME.client.sh; its head is the server's.
Lines `ok WHAT` and `not ok WHAT` that a job prints count one by one.

An emulated machine that shares a processor measures that processor too. So a job whose checks failed beside others
is run once more, alone, when the others are done; what counts is that run, and its line says that it was the second.
A report of the kernel, a job that hung, and one that says `again: no` is never run again: those are faults, however
rare. The only exception is a report of the machine of a pair that has the C modules, about these: they have races that a
peer that does nothing wrong can hit, such as that of an unlink with the end of its transfer. That is run once more, too.

What passed is noted in build/test-logs, with a sum of all that it was made of: the modules, the tools, the job and
what the job reads. --resume counts what passed with the same sources, and runs the rest: what a run that was ended
did not come to, and what was mended since.
"""

import argparse
import concurrent.futures
import fcntl
import glob
import hashlib
import os
import re
import resource
import shlex
import subprocess
import sys
import threading
import time

TESTS = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(TESTS)
ALL_KERNELS = "7.2,7.3"
# Variables of the caller that jobs may read.
PASSED_ON = ("ROUNDS", "SEED", "FIRST", "SEQUENCES")
RESULT = re.compile(r"^(?:(?:server|client)\| )?(not )?ok\b ?(.*)$", re.MULTILINE)
CARGO_RESULT = re.compile(r"^test result: .*? (\d+) passed; (\d+) failed", re.MULTILINE)
# Files that no job in a machine is made of, or only those that name them.
ELSEWHERE = re.compile(
    r"tests/((host|hostile|vm)/)?[^/]*\.sh$|tests/conformance\.py$|rust/[^/]*/tests/|tools/(fuzz|target)/"
    r"|scripts/(bench|bench\.d/.*|conformance|fuzz|lint|rust-project|soak)$"
)
# What jobs are written for unless they say otherwise.
NATIVE = "x86_64"
COMPLAINT = re.compile(r"^==== (?:(\S+): )?the kernel complains ====\n((?:\[[^\]]*\])* *(?:.*)(?:\n\[.*)*)", re.MULTILINE)
# What says in a report that a module of USB/IP was at it.
OF_USBIP = re.compile(r"\[(usbip_core|usbip_host|vhci_hcd|usbip_vudc)\b")
# Lines of a report that are shown when a job fails; the log has all.
REPORT_SHOWN = 40
READS = re.compile(r"^\s*\. /(tests/[\w-]+\.sh)$", re.MULTILINE)
HEADER = re.compile(r"^# (vm|debug|kernels|once|modules|matrix|expect|complaint|arch|again): *(.*)$")
# How scripts/vm ends when the kernel complained, and when the job hung.
KERNEL_COMPLAINED = 99
HUNG = 124
# More than these are no accident of a busy machine.
MOST_RUN_AGAIN = 5
# What a machine has unless a job asks for something.
DEFAULT_TIMEOUT = 300
DEFAULT_MEMORY = 512
# The debug kernel checks every access to memory, on an emulated processor. It has a byte of its own for each eight
# of the machine, and each search for leaks reads those, too: no more memory than it takes.
DEBUG_PATIENCE = 5
DEBUG_MEMORY = 2


class Case:
    """One boot (or pair) with one set of options."""

    def __init__(self, name, command, jobs, head=None, sides_with_c=()):
        head = head or {}
        self.name = name
        self.command = command
        self.jobs = jobs
        self.expect = int(head.get("expect", "0"))
        self.slots = len(jobs)
        self.again = head.get("again") != "no"
        self.complaint = head.get("complaint")
        self.sides_with_c = sides_with_c

    @property
    def timeout(self):
        """Seconds after which it is ended; 0 if it did not say."""
        return int(self.command[self.command.index("--timeout") + 1]) if "--timeout" in self.command else 0


def header(path):
    found = {}
    with open(path) as stream:
        for line in stream:
            if not line.startswith("#"):
                break
            match = HEADER.match(line)
            if match:
                found[match[1]] = " ".join(filter(None, [found.get(match[1]), match[2].strip()]))
    return found


def host_cases():
    for path in sorted(glob.glob(TESTS + "/host/*.sh")):
        yield Case("host/" + os.path.basename(path)[: -len(".sh")], ["bash", path], [path])


def cases(arch, kernels, modules, folder):
    for path in sorted(glob.glob(f"{TESTS}/{folder}/*.sh")):
        head = header(path)
        if arch not in head.get("arch", NATIVE).split():
            continue
        name = os.path.basename(path)[: -len(".sh")]
        if folder != "vm":
            name = f"{folder}/{name}"
        options = shlex.split(head.get("vm", ""))
        possible = [kernel for kernel in kernels if kernel in head.get("kernels", kernel).split()]
        for kernel in possible[:1] if head.get("once") == "yes" else possible:
            place = kernel if arch == NATIVE else f"{arch}/{kernel}"
            common = ["--arch", arch, "--kernel", kernel]
            common += [*patient(options), *shlex.split(head.get("debug", ""))] if kernel == "debug" else options
            common += [f"--set={name}={os.environ[name]}" for name in PASSED_ON if os.environ.get(name)]
            if name.endswith(".client"):
                continue
            if name.endswith(".server"):
                yield from pair_cases(path, name[: -len(".server")], head, kernel, place, common, modules)
                continue
            sets = head.get("modules", "rust c").split()
            if modules not in sets and sets != ["c"]:
                continue
            used = modules if modules in sets else "c"
            command = [TOP + "/scripts/vm", "--modules", used, *common, path]
            yield Case(f"{place}/{used}/{name}", command, [path], head)


def patient(options):
    """The same options with the time and the memory that the debug kernel takes, and one processor.

    Processors that are emulated wait for each other most of the time when there are fewer real ones. What looks for
    races says that it wants two.
    """
    options = list(options)
    if "--smp" in options:
        options[options.index("--smp") + 1] = "1"
    for name, factor, default in (("--timeout", DEBUG_PATIENCE, DEFAULT_TIMEOUT), ("--mem", DEBUG_MEMORY, DEFAULT_MEMORY)):
        if name not in options:
            # Before those that are for one machine of a pair.
            options = [name, str(default), *options]
        index = options.index(name) + 1
        options[index] = str(int(options[index]) * factor)
    return options


def pair_cases(path, name, head, kernel, place, common, modules):
    matrix = head.get("matrix", "rust/rust rust/c c/rust").split()
    if modules == "c":
        # What C cannot do anywhere is not asked of it.
        matrix = ["c/c"] if len(matrix) > 1 else []
    if kernel == "debug":
        # It would find the faults of the C modules, and end there.
        matrix = [item for item in matrix if "c" not in item.split("/")]
    for item in matrix:
        server, client = item.split("/")
        sides = ["--server", "--modules", server, "--client", "--modules", client]
        jobs = [path, path[: -len(".server.sh")] + ".client.sh"]
        with_c = [side for side, modules in (("server", server), ("client", client)) if modules == "c"]
        yield Case(f"{place}/{server}-{client}/{name}", [TOP + "/scripts/vm-pair", *common, *sides, *jobs], jobs, head, with_c)


class Schedule:
    """What is still to be run, and how many machines are free for it; a pair is two.

    Pairs begin first, and then those that may take longest: at the end there would be nothing left to run beside them.
    """

    def __init__(self, cases, machines):
        self._waiting = sorted(cases, key=lambda case: (-case.slots, -case.timeout))
        self._free = self.machines = max(machines, 1)
        self._condition = threading.Condition()

    def _slots(self, case):
        return min(case.slots, self.machines)

    def next(self):
        """The first one for which there is room, as soon as there is; None if all have begun."""
        with self._condition:
            while self._waiting:
                for index, case in enumerate(self._waiting):
                    if self._slots(case) <= self._free:
                        self._free -= self._slots(case)
                        return self._waiting.pop(index)
                self._condition.wait()
        return None

    def done(self, case):
        with self._condition:
            self._free += self._slots(case)
            self._condition.notify_all()

    def give_up(self):
        """Nothing more begins."""
        with self._condition:
            self._waiting.clear()
            self._condition.notify_all()


class Sources:
    """What the cases are made of, in sums, each as of when it was first asked for."""

    def __init__(self):
        self._common = self._sum_of_common()
        self._sums = {}

    @staticmethod
    def _sum_of_common():
        """Of what modules, tools and machines are made of, and of what the caller sets for the jobs."""
        total = hashlib.sha256(repr([os.environ.get(name) for name in PASSED_ON]).encode())
        # The tests compile and run what is in these documents.
        documents = "Documentation/ux.md", "Documentation/vudc.md"
        for root in ("Kbuild", "Makefile", "drivers", "include", "rust", "scripts", "tests", "tools", *documents):
            files = [os.path.join(at, name) for at, _, names in os.walk(f"{TOP}/{root}") for name in names]
            for path in sorted(path for path in files or [f"{TOP}/{root}"] if not is_elsewhere(path)):
                with open(path, "rb") as stream:
                    total.update(os.path.relpath(path, TOP).encode() + b"\0" + stream.read())
        return total

    def of(self, case):
        if case.name not in self._sums:
            self._sums[case.name] = self._sum_of_case(case)
        return self._sums[case.name]

    def _sum_of_case(self, case):
        """The common sum with the case's own jobs and the shell scripts that those read."""
        total = self._common.copy()
        # Those of this machine name it by the folder that they lie in.
        waiting, seen = [*case.jobs, f"{TESTS}/lib.sh"], set()
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen.add(path)
                with open(path) as stream:
                    text = stream.read()
                total.update(text.encode() + b"\0")
                waiting += [f"{TOP}/{name}" for name in READS.findall(text)]
        return total.hexdigest()[:16]


def is_elsewhere(path):
    """Whether that belongs to single cases, as jobs and the scripts that they read do, or to none, as what runs without
    a kernel does."""
    path = os.path.relpath(path, TOP)
    return bool(ELSEWHERE.match(path))


class Notes:
    """What passed with which sources, and with how many checks, across runs."""

    def __init__(self, folder, resume):
        self._path = f"{folder}/passed"
        self._lock = threading.Lock()
        self._sources = Sources()
        self._before = {}
        if resume and os.path.exists(self._path):
            with open(self._path) as stream:
                self._before = {(name, total): int(checks) for name, total, checks in map(str.split, stream)}

    def checks(self, case):
        """How many checks passed with the case before; None if it did not."""
        return self._before.get((case.name, self._sources.of(case)))

    def add(self, case, checks):
        with self._lock, open(self._path, "a") as stream:
            stream.write(f"{case.name} {self._sources.of(case)} {checks}\n")


class Tally:
    def __init__(self, notes=None):
        self.passed = self.failed = 0
        self.notes = notes
        self._lock = threading.Lock()

    def add(self, passed, failed, *lines):
        with self._lock:
            self.passed += passed
            self.failed += failed
            for line in lines:
                print(line, flush=True)


def clean_environment():
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def run_logged(command, log):
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "wb") as stream:
        stream.write((" ".join(map(shlex.quote, command)) + "\n").encode())
        stream.flush()
        started = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env=clean_environment(), cwd=TOP)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = status = os.waitstatus_to_exitcode(status)
        processor = used.ru_utime + used.ru_stime
        stream.write(f"# ended with status {status} after {time.monotonic() - started:.0f} s, {processor:.0f} s of a processor\n".encode())
    with open(log, errors="replace") as stream:
        return status, stream.read(), time.monotonic() - started


class Outcome:
    """What one run of a case came to."""

    def __init__(self, case, status, text, seconds, log):
        results = RESULT.findall(text)
        self.case = case
        self.status = status
        self.seconds = seconds
        self.log = os.path.relpath(log)
        self.good = sum(1 for bad, _ in results if not bad)
        self.failures = [what for bad, what in results if bad]
        self.complaints = list(COMPLAINT.finditer(text))
        self.complaint = self.complaints[0] if self.complaints else None

    @property
    def passed(self):
        """A job that ends well has checked something; one that must fail may die before it has."""
        checked = self.good > 0 or self.case.expect != 0
        return self.status == self.case.expect and checked and not self.failures and self.complaint_fits

    @property
    def complaint_fits(self):
        """The kernel complained of what the job is about, if the job says what that is."""
        wanted = self.case.complaint
        return not wanted or bool(self.complaint and re.search(wanted, self.complaint[2]))

    @property
    def came_to_its_end(self):
        """The kernel said nothing, and it took no longer than it may."""
        return self.status not in (KERNEL_COMPLAINED, HUNG)

    @property
    def hurried(self):
        """Only checks failed, as they may when this machine has too much to do."""
        return not self.passed and self.case.again and self.came_to_its_end

    @property
    def is_of_c(self):
        """The kernel complained of the C modules, on the side that has them, and of nothing else anywhere."""
        with_c = self.case.sides_with_c
        found = self.complaints
        return bool(found) and all(side in with_c and OF_USBIP.search(text) for side, text in (match.groups() for match in found))

    @property
    def deserves_another(self):
        return self.hurried or self.is_of_c

    @property
    def reasons(self):
        """What to tell of a failure beside its status, one line each."""
        report = self.complaint[2].splitlines()[:REPORT_SHOWN] if self.complaint else []
        return [*(f"not ok {what}" for what in self.failures), *report]

    def tell(self, tally, note=""):
        case = self.case
        if self.passed:
            tally.notes.add(case, self.good)
            tally.add(self.good + 1, 0, f"ok {case.name} ({self.seconds:.0f} s, {self.good} checks{note})")
            return
        # A job whose checks failed ends with a status of its own; that is one failure, not two.
        own = 0 if self.failures and self.came_to_its_end else 1
        lines = [f"    {reason}" for reason in self.reasons]
        lines.append(f"not ok {case.name} ({self.seconds:.0f} s, status {self.status}{note}, log {self.log})")
        tally.add(self.good, len(self.failures) + own, *lines)


def run_case(case, logs, suffix=""):
    log = f"{logs}/{case.name}{suffix}.log"
    return Outcome(case, *run_logged(case.command, log), log)


def run_beside_others(schedule, tally, logs):
    """Runs what the schedule gives; gives back the outcomes of those that deserve to be run alone."""
    again = []
    while case := schedule.next():
        try:
            outcome = run_case(case, logs)
        finally:
            schedule.done(case)
        if outcome.deserves_another:
            what = "".join(f"\n#     {reason}" for reason in outcome.reasons)
            why = "failed by a fault of the C modules" if outcome.is_of_c else "failed beside others"
            print(f"# {case.name} {why}, status {outcome.status}, log {outcome.log}{what}", flush=True)
            again.append(outcome)
        else:
            outcome.tell(tally)
    return again


def run_jobs(chosen, machines, tally, logs):
    for case in chosen:
        if (checks := tally.notes.checks(case)) is not None:
            tally.add(checks + 1, 0, f"ok {case.name} ({checks} checks, in an earlier run)")
    schedule = Schedule([case for case in chosen if tally.notes.checks(case) is None], machines)
    with concurrent.futures.ThreadPoolExecutor(schedule.machines) as pool:
        workers = [pool.submit(run_beside_others, schedule, tally, logs) for _ in range(schedule.machines)]
        try:
            again = [outcome for worker in workers for outcome in worker.result()]
        except BaseException:
            # The pool waits for what runs, which the interrupt ends, too.
            schedule.give_up()
            raise
    for outcome in again:
        if schedule.machines == 1 or len(again) > MOST_RUN_AGAIN:
            outcome.tell(tally)
        else:
            run_case(outcome.case, logs, ".alone").tell(tally, ", alone: it failed before")


def run_unit_tests(tally, logs):
    manifest = TOP + "/tools/Cargo.toml"
    log = logs + "/unit.log"
    command = [TOP + "/scripts/in-root", "cargo", "test", "--locked", "--workspace", "--manifest-path", manifest]
    command += ["--target-dir", TOP + "/build/cargo-root"]
    status, text, seconds = run_logged(command, log)
    counts = [(int(passed), int(failed)) for passed, failed in CARGO_RESULT.findall(text)]
    passed, failed = sum(c[0] for c in counts), sum(c[1] for c in counts)
    if status == 0 and passed > 0:
        tally.add(passed, 0, f"ok unit ({seconds:.0f} s, {passed} tests)")
    else:
        tally.add(passed, max(failed, 1), f"not ok unit ({seconds:.0f} s, {failed} failed, log {os.path.relpath(log)})")


def run_fuzz(tally, logs):
    """The committed corpus, and a little more."""
    log = logs + "/fuzz.log"
    status, text, seconds = run_logged([TOP + "/scripts/fuzz", os.environ.get("FUZZ_SECONDS") or "10"], log)
    results = RESULT.findall(text)
    failures = [what for bad, what in results if bad]
    if status == 0 and results and not failures:
        tally.add(len(results), 0, f"ok fuzz ({seconds:.0f} s, {len(results)} targets)")
    else:
        lines = [f"    not ok {what}" for what in failures]
        failed = max(len(failures), 1)
        tally.add(len(results) - len(failures), failed, *lines, f"not ok fuzz ({seconds:.0f} s, log {os.path.relpath(log)})")


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default=NATIVE, help="of the machines (default %(default)s)")
    parser.add_argument("--kernel", default=os.environ.get("KERNEL") or ALL_KERNELS, help="separated by commas or spaces (default %(default)s)")
    parser.add_argument("--modules", choices=("rust", "c"), default="rust", help="c: the jobs' reference, the stock modules")
    parser.add_argument("--no-unit", action="store_true", help="only the jobs")
    parser.add_argument("--hostile", choices=("only", "too"), help="the jobs of tests/hostile, alone or with the others")
    parser.add_argument("--only-unit", action="store_true", help="only the unit tests")
    parser.add_argument("--resume", action="store_true", default=bool(os.environ.get("RESUME")), help="leave out what passed with the same sources")
    # A machine waits for its timers as long as it computes.
    several = os.cpu_count() + os.cpu_count() // 2
    parser.add_argument("-j", type=int, default=several, help="machines at a time (here %(default)s)")
    parser.add_argument("pattern", nargs="*", help="regular expressions; a job's KERNEL/MODULES/NAME must contain one")
    options = parser.parse_args()

    logs = TOP + "/build/test-logs"
    os.makedirs(logs, exist_ok=True)
    # Held until this program ends. Two runs would write each other's logs.
    alone = open(TOP + "/build/test-logs.lock", "w")
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("tests/run: another run is going on in this checkout")
    tally = Tally(Notes(logs, options.resume))
    started = time.monotonic()
    everything = not options.pattern and options.arch == NATIVE and options.hostile != "only"
    if not options.no_unit and everything:
        run_unit_tests(tally, logs)
        run_fuzz(tally, logs)
    if not options.only_unit:
        known = []
        kernels = re.split("[, ]+", options.kernel)
        # What runs on this machine tells nothing of the debug kernel.
        if options.arch == NATIVE and options.hostile != "only" and kernels != ["debug"]:
            known += host_cases()
        for folder in {None: ["vm"], "only": ["hostile"], "too": ["vm", "hostile"]}[options.hostile]:
            known += cases(options.arch, kernels, options.modules, folder)
        wanted = re.compile("|".join(f"(?:{item})" for item in options.pattern))
        chosen = [case for case in known if wanted.search(case.name)]
        if not chosen:
            tally.add(0, 1, f"not ok no job matches '{' '.join(options.pattern)}'")
        run_jobs(chosen, options.j, tally, logs)
    # On a busy host the second figure tells more: all jobs take about that much, shared among the processors.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"# {time.monotonic() - started:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time")
    print(f"{tally.passed} passed, {tally.failed} failed")
    sys.exit(1 if tally.failed else 0)


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
