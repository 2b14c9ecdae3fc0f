# SPDX-License-Identifier: GPL-2.0
"""One virtual machine: start QEMU, carry its three serial lines, judge how it ended."""

import ctypes
import errno
import fcntl
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import image
import report

# It never ran: no disk, no QEMU, or a kernel that came to no program.
STATUS_UNABLE = 2
# The kernel complained, or the machine was gone before its job ended.
STATUS_REPORT = 99
STATUS_TIMEOUT = 124
# How long a kernel may take to its first program, by attempt: on a busy host it needs minutes.
BOOT_SECONDS = (120, 240, 600, 600)
# An emulated machine that spins in early boot never gets there. However busy the host: one whose processors ran for
# this long while the kernel said nothing spins.
SILENT_PROCESSOR_SECONDS = 40
KVM_TRIAL_SECONDS = 20
POWEROFF_SECONDS = 180
# After an oops most jobs never end; what else they print in this time may explain it.
REPORT_SECONDS = 20
PR_SET_PDEATHSIG = 1
QMP_SECONDS = 60
# The first three serial ports of the machine, in this order.
LINES = ("console", "job", "control")

_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Exchange:
    """What the machines of one run tell each other through the host."""

    def __init__(self):
        self._lock = threading.Lock()
        self._names = set()
        self._here = set()
        self._gone = set()
        self._count = 1

    def expect(self, machines):
        self._count = machines

    def arrived(self, machine):
        """Whether all machines have come as far as their first program, or will never."""
        with self._lock:
            self._here.add(machine)
            return len(self._here | self._gone) >= self._count

    def signal(self, name):
        with self._lock:
            self._names.add(name)

    def gone(self, machine):
        with self._lock:
            self._names.add(machine + "-exit")
            self._gone.add(machine)

    def peek(self, name, asker):
        with self._lock:
            if name in self._names:
                return "yes"
            others = len(self._gone - {asker})
            return "never" if self._count > 1 and others == self._count - 1 else "no"


class Monitor:
    """QEMU's machine protocol; events are skipped."""

    def __init__(self, connection):
        self._connection = connection
        self._connection.settimeout(QMP_SECONDS)
        self._buffer = b""
        self._ready = False

    def close(self):
        self._connection.close()

    def _message(self):
        while b"\n" not in self._buffer:
            data = self._connection.recv(65536)
            if not data:
                raise OSError("QEMU is gone")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def _reply(self):
        while True:
            message = self._message()
            if "return" in message or "error" in message:
                return message

    def send(self, text):
        if not self._ready:
            self._connection.sendall(b'{"execute": "qmp_capabilities"}\n')
            self._reply()
            self._ready = True
        self._connection.sendall(text.encode() + b"\n")
        return self._reply()

    def command(self, line):
        """What a command of the monitor for people prints."""
        request = {"execute": "human-monitor-command", "arguments": {"command-line": line}}
        return self.send(json.dumps(request)).get("return", "")


class Line:
    """Our end of a serial line: two pipes, because QEMU drops what a full socket does not take at once."""

    PIPE_BYTES = 1 << 20

    def __init__(self, path):
        for suffix in (".in", ".out"):
            if not os.path.exists(path + suffix):
                os.mkfifo(path + suffix)
        # Opened both ways, so that neither side waits for the other and QEMU may end first.
        self._input = os.open(path + ".in", os.O_RDWR)
        self._output = os.open(path + ".out", os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, self.PIPE_BYTES)
        except OSError:
            # The limit for users without rights; the default is enough unless the host stands still.
            pass

    def fileno(self):
        return self._output

    def read(self):
        try:
            return os.read(self._output, 65536)
        except BlockingIOError:
            return b""

    def write(self, data):
        os.write(self._input, data)

    def close(self):
        os.close(self._input)
        os.close(self._output)


class Machine:
    """Runs one job; `output` receives the job's bytes, `say` what the host has to tell."""

    def __init__(self, options, output, say, name="vm", address=None, wire=None, exchange=None):
        self.options = options
        self.name = name
        self.address = address
        self.wire = wire
        self.exchange = exchange or Exchange()
        self.output = output
        self.say = say
        self.log = ""
        self.complaint = None
        self.seconds = 0.0
        self.stopping = False
        self.process = None
        self._scratch = None

    # Starting

    def _accelerator(self):
        if self.options.icount:
            return ["-accel", "tcg", "-icount", "shift=0,sleep=off"]
        if self._kvm:
            return ["-accel", "kvm", "-cpu", "host"]
        return ["-accel", "tcg,thread=multi"]

    def _words_on_time(self):
        """How fast the machine's time stamp counter is, for the kernel's command line.

        An emulated processor may stand still while the kernel measures that. Its clock then runs ten times too fast,
        or it waits in early boot for a time that does not come.
        """
        if self._kvm or self.options.arch != image.NATIVE:
            return ""
        if self.options.icount:
            return " tsc_early_khz=1000000"
        # The emulator passes on the counter of this machine.
        return f" tsc_early_khz={image.tsc_khz()}" if image.has_constant_tsc() else ""

    def _command(self, kernel, initrd, fds):
        options = self.options
        arch = kernel.arch
        arguments = ["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", *arch.board]
        arguments += ["-L", arch.tools + "/usr/share/qemu", "-L", arch.tools + "/usr/share/seabios"]
        arguments += self._accelerator()
        arguments += ["-smp", str(options.smp), "-m", str(options.mem)]
        arguments += ["-kernel", kernel.image, "-initrd", initrd]
        # panic=-1: QEMU ends at once when the kernel panics.
        line = f"console={arch.console} panic=-1 loglevel=7 no_timer_check mitigations=off random.trust_cpu=on"
        line += self._words_on_time()
        if options.kernel == "debug":
            # The slab allocator's sheaves keep pointers to what was last taken from them. To kmemleak that is not lost.
            # With these checks there are no sheaves.
            line += " slab_debug=F"
        if options.verbose:
            line += " ignore_loglevel"
        arguments += ["-append", " ".join([line, *options.append])]
        for name in LINES:
            arguments += ["-chardev", f"pipe,id={name},path={os.path.dirname(initrd)}/{name}", *arch.serial(name)]
        arguments += ["-chardev", f"socket,id=monitor,fd={fds['monitor']}", "-mon", "chardev=monitor,mode=control"]
        if self.wire is not None:
            mac = "52:54:00:00:00:" + ("01" if self.address.endswith(".1") else "02")
            arguments += ["-netdev", f"dgram,id=line,local.type=fd,local.str={fds['wire']}"]
            arguments += ["-device", f"virtio-net-pci,netdev=line,id=wire,mac={mac},romfile="]
        if options.stick:
            arguments += ["-device", "qemu-xhci,id=xhci"]
            arguments += ["-drive", f"if=none,id=stick,format=raw,cache=unsafe,file={os.path.dirname(initrd)}/stick"]
            arguments += ["-device", "usb-storage,bus=xhci.0,drive=stick"]
        if options.qmp:
            arguments += ["-qmp", f"unix:{options.qmp},server=on,wait=off"]
        for extra in options.qemu:
            arguments += shlex.split(extra.replace("@SCRATCH@", os.path.dirname(initrd)))
        return image.root_command(arch.qemu, *arguments, root=arch.tools)

    def _spawn(self, kernel, initrd):
        """Start QEMU and return our ends of its lines."""
        lines = {name: Line(f"{os.path.dirname(initrd)}/{name}") for name in LINES}
        here, there = socket.socketpair()
        self._monitor = Monitor(here)
        fds = {"monitor": there.fileno()}
        passed = [there.fileno()]
        if self.wire is not None:
            fds["wire"] = self.wire.fileno()
            passed.append(self.wire.fileno())
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        env["QEMU_MODULE_DIR"] = kernel.arch.tools + image.LIBS + "/qemu"
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self._command(kernel, initrd, fds),
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            pass_fds=passed,
            env=env,
            preexec_fn=_die_with_parent,
        )
        there.close()
        return lines

    def run(self):
        """Boot, run the job, and return the status that the caller shall exit with."""
        scratch = self._scratch = tempfile.mkdtemp(prefix="vm-", dir=os.environ.get("TMPDIR", "/tmp"))
        place = image.CACHE, "USBIP_CACHE"
        try:
            kernel = image.Kernel(self.options.kernel, self.options.arch)
            base = image.base(kernel)
            place = os.path.dirname(scratch), "TMPDIR"
            initrd = scratch + "/initrd"
            part = image.run_part(self.options, kernel, base, scratch, self.name, self.address)
            with open(initrd, "wb") as stream, open(base + "/base.cpio", "rb") as packed:
                shutil.copyfileobj(packed, stream, 1 << 20)
                stream.write(part)
            if self.options.stick:
                with open(scratch + "/stick", "wb") as stream:
                    for _ in range(self.options.stick):
                        stream.write(os.urandom(1 << 20))
            for item in self.options.file:
                file, _, size = item.partition(":")
                with open(f"{scratch}/{file}", "wb") as stream:
                    stream.truncate(int(size) << 20)
            verdict = kvm_verdict()
            self._kvm = verdict is not False and not self.options.icount and self.options.arch == image.NATIVE
            if self._kvm and verdict is None:
                status = self._attempt(kernel, initrd, KVM_TRIAL_SECONDS)
                note_kvm_verdict(status is not None)
                if status is not None:
                    return status
                self.say("KVM does not boot a kernel here: emulating")
                self._kvm = False
            for attempt, boot_seconds in enumerate(BOOT_SECONDS, start=1):
                status = self._attempt(kernel, initrd, boot_seconds)
                if status is not None:
                    return status
                if self.stopping:
                    return STATUS_REPORT
                if attempt < len(BOOT_SECONDS):
                    last = self.log.rstrip("\n").rpartition("\n")[2] or "nothing"
                    self.say(f"{self.name}: the machine died before its first program ran (attempt {attempt}); trying again")
                    self.say(f"{self.name}: the last that its kernel said: {last}{self._where}")
            self.say(f"{self.name}: the machine does not start: {self._error_text()}")
            return STATUS_UNABLE
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self.say(f"{self.name}: too little disk in {place[0]}, need 300 MB ({place[1]}= chooses another place)")
            return STATUS_UNABLE
        finally:
            self.exchange.gone(self.name)
            if self.options.log:
                with open(self.options.log, "w") as stream:
                    stream.write(self.log)
            shutil.rmtree(scratch, ignore_errors=True)

    def stop(self):
        """End the machine from another thread."""
        self.stopping = True
        if self.process and self.process.poll() is None:
            self.process.kill()

    def abandon(self):
        """End the machine because this program ends at once."""
        self.stop()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _error_text(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip() or "QEMU said nothing"

    # Running

    def _attempt(self, kernel, initrd, boot_seconds):
        """One boot. None if the first program never ran."""
        self.log = ""
        self._searched = 0
        # What the host provokes itself at the end is no complaint.
        self._judged_until = None
        self._status = None
        self._hello = False
        self._timed_out = False
        self._requests = b""
        self._where = ""
        started = time.monotonic()
        self._deadline = started + boot_seconds
        lines = self._spawn(kernel, initrd)
        handlers = {"console": self._on_console, "job": self.output, "control": self._on_control}
        selector = selectors.DefaultSelector()
        for name, handler in handlers.items():
            selector.register(lines[name], selectors.EVENT_READ, handler)
        try:
            self._carry(selector, lines)
        finally:
            self.process.kill()
            self.process.wait()
            selector.close()
            self._monitor.close()
            for line in lines.values():
                line.close()
        self.seconds = time.monotonic() - started
        if not self._hello:
            return None
        return self._judge()

    def _carry(self, selector, lines):
        """Move bytes until QEMU ends or time runs out."""
        self._control = lines["control"]
        said, used = 0, 0.0
        while True:
            ended = self.process.poll() is not None
            for key, _ in selector.select(0 if ended else 0.25):
                data = key.fileobj.read()
                while data:
                    key.data(data)
                    data = key.fileobj.read() if ended else b""
            if ended:
                return
            if not self._hello:
                if len(self.log) > said:
                    said, used = len(self.log), self._processor_seconds()
                elif self._processor_seconds() - used > SILENT_PROCESSOR_SECONDS:
                    self._where = self._ask_where_it_spins()
                    return
            if time.monotonic() >= self._deadline:
                if not self._hello:
                    self._where = self._ask_where_it_spins()
                elif self._status is None and self.complaint is None:
                    self._timed_out = True
                    self._ask_where_it_hangs(lines["console"])
                return

    def _processor_seconds(self):
        """What QEMU has used of the host's processors."""
        with open(f"/proc/{self.process.pid}/stat") as stream:
            # The name of the program, in parentheses, may hold anything.
            fields = stream.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _ask_where_it_spins(self):
        """Have QEMU say what a kernel does that does not answer yet: addresses in it, which may have been moved by a
        multiple of 2 MiB."""
        try:
            registers = self._monitor.command("info registers -a")
            at, top = (re.findall(name + "=([0-9a-f]+)", registers) for name in ("RIP", "RSP"))
            stack = self._monitor.command(f"x /96gx 0x{top[0]}") if top else ""
        except (OSError, ValueError):
            return ""
        below = re.findall(r"0x(ffffffff[89a-f][0-9a-f]{7})", stack)
        return "; its processors are at " + " ".join(at) + ", the first one's stack has " + " ".join(below)

    def _ask_where_it_hangs(self, console):
        """Have the kernel print its blocked and running tasks into the log before the end."""
        self._judged_until = len(self.log)
        try:
            # A break and a letter on the serial console is SysRq.
            for letter in (b"w", b"l"):
                self._monitor.send('{"execute": "chardev-send-break", "arguments": {"id": "console"}}')
                console.write(letter)
                end = time.monotonic() + 3
                while time.monotonic() < end:
                    self.log += console.read().decode(errors="replace").replace("\r", "")
                    time.sleep(0.05)
        except (OSError, ValueError):
            pass

    def _on_console(self, data):
        self.log += data.decode(errors="replace").replace("\r", "")
        if self._hello and self.complaint is None and b"\n" in data:
            # A log may be long, and comes in small pieces.
            end = self.log.rindex("\n") + 1
            self.complaint = report.first_complaint(self.log[self._searched : end])
            self._searched = end
            if self.complaint:
                self._deadline = min(self._deadline, time.monotonic() + REPORT_SECONDS)

    def _on_control(self, data):
        self._requests += data
        while b"\n" in self._requests:
            line, self._requests = self._requests.split(b"\n", 1)
            answer = self._answer(line.decode(errors="replace").strip("\r\0 "))
            self._control.write(answer.encode() + b"\n")

    def _answer(self, request):
        word, _, rest = request.partition(" ")
        if word == "hello":
            self._hello = True
            # The machines of a pair begin together: what they allow each other is not for booting.
            together = self.exchange.arrived(self.name)
            self._deadline = time.monotonic() + (self.options.timeout if together else sum(BOOT_SECONDS))
            return "ok" if together else "wait"
        if word == "exit":
            self._status = int(rest)
            self._deadline = time.monotonic() + POWEROFF_SECONDS
            self.exchange.gone(self.name)
            return "ok"
        if word == "signal":
            self.exchange.signal(rest)
            return "ok"
        if word == "peek":
            return self.exchange.peek(rest, self.name)
        if word == "qmp":
            try:
                reply = self._monitor.send(rest)
            except (OSError, ValueError) as error:
                return f"error {error}"
            if "error" in reply:
                return "error " + reply["error"].get("desc", "?")
            return "ok " + json.dumps(reply["return"])
        return f"error unknown request {word!r}"

    # Judging

    def _judge(self):
        """The status of a machine that ran its job at least in part."""
        self.complaint = report.first_complaint(self.log[: self._judged_until])
        if self.complaint:
            return STATUS_REPORT
        if self._timed_out:
            self.say(f"{self.name}: no end within {self.options.timeout:g} s")
            return STATUS_TIMEOUT
        if self._status is None:
            if not self.stopping:
                self.say(f"{self.name}: the machine died while the job ran: {self._error_text()}")
            return STATUS_REPORT
        if self.process.returncode != 0:
            self.complaint = f"the machine did not power off within {POWEROFF_SECONDS} s"
            return STATUS_REPORT
        return self._status


def _kvm_verdict_file():
    with open("/proc/sys/kernel/random/boot_id") as stream:
        return f"{image.CACHE}/kvm-{stream.read().strip()}"


def kvm_verdict():
    """Whether KVM boots this kernel on this machine: True, False, or None if nobody has tried since it was booted.

    Looking at the device is not enough: nested KVM can be there, run a few instructions and fail later.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    try:
        with open(_kvm_verdict_file()) as stream:
            return stream.read() == "yes"
    except FileNotFoundError:
        return None


def note_kvm_verdict(works):
    temporary = f"{_kvm_verdict_file()}.{os.getpid()}.{threading.get_ident()}"
    with open(temporary, "w") as stream:
        stream.write("yes" if works else "no")
    os.rename(temporary, _kvm_verdict_file())
