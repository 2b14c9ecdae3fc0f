# SPDX-License-Identifier: GPL-2.0
"""Make what a machine boots: a cached base image per kernel, and the small part that differs from run to run.

The kernel unpacks several archives that follow each other, so starting a machine never packs the base again.
"""

import fcntl
import glob
import hashlib
import lzma
import os
import py_compile
import re
import shutil
import subprocess
import sys
import time
import zipfile

from cpio import Archive

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
ROOT = os.environ["USBIP_ROOT"]
CACHE = os.environ.get("USBIP_CACHE") or os.path.expanduser("~/.cache/usbip-rust")
LIBS = "/usr/lib/x86_64-linux-gnu"
NATIVE = "x86_64"
GUEST_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
RUST_TOOLS = "/opt/usbip/sbin"
# The first part of the base's key: change it when this file makes something else from the same inputs.
RECIPE = "5"
# Parts of Python's library that no test needs.
UNUSED_PYTHON = {"test", "idlelib", "ensurepip", "tkinter", "turtledemo", "lib2to3", "pydoc_data", "__pycache__", "dist-packages"}

PROGRAMS = """
    /usr/bin/bash /usr/bin/kmod /usr/sbin/usbip /usr/sbin/usbipd /usr/bin/lsusb /usr/bin/flock /usr/bin/strace
    /usr/sbin/mke2fs /usr/sbin/e2fsck /usr/sbin/mkfs.fat /usr/sbin/fsck.fat /usr/bin/socat /usr/bin/pkill
    /usr/sbin/tc /usr/bin/ss /usr/bin/setsid /usr/bin/prlimit /usr/bin/make /usr/bin/ip /usr/bin/chrt
    /usr/bin/setpriv
""".split()
LINKS = {
    "/usr/sbin/modprobe": "/usr/bin/kmod",
    "/usr/sbin/rmmod": "/usr/bin/kmod",
    "/usr/sbin/insmod": "/usr/bin/kmod",
    "/usr/sbin/depmod": "/usr/bin/kmod",
    "/usr/sbin/modinfo": "/usr/bin/kmod",
    "/usr/bin/lsmod": "/usr/bin/kmod",
    "/usr/sbin/mkfs.ext4": "/usr/sbin/mke2fs",
    "/usr/sbin/fsck.ext4": "/usr/sbin/e2fsck",
    "/usr/sbin/mkfs.vfat": "/usr/sbin/mkfs.fat",
    "/usr/sbin/fsck.vfat": "/usr/sbin/fsck.fat",
    "/usr/bin/pgrep": "/usr/bin/pkill",
    "/usr/bin/sh": "/usr/bin/busybox",
}
FILES = ["/usr/share/misc/usb.ids", "/etc/mke2fs.conf", "/etc/protocols", "/etc/services"]
# The kernel's own test, in its source.
SELFTEST = "/tools/testing/selftests/drivers/usb/usbip/usbip_test.sh"

# Modules that the tests load, by name; what they depend on comes along.
MODULES = """
    usbcore usb_common xhci_hcd xhci_pci ehci_pci uhci_hcd ohci_pci usbmon usb_storage uas sd_mod sr_mod sg loop
    usbhid hid_generic evdev usbtest dummy_hcd libcomposite g_zero raw_gadget usb_f_ss_lb usb_f_mass_storage usb_f_acm
    usb_f_serial usb_f_hid usb_f_fs usb_f_ncm usb_f_ecm usb_f_rndis usb_f_uac1 usb_f_uac2 usb_f_uvc usb_f_printer
    usbserial ftdi_sio cdc_acm usbnet cdc_ether cdc_ncm rndis_host snd_usb_audio uvcvideo usblp virtio_pci virtio_net
    e1000 ext4 vfat nls_cp437 nls_ascii nls_iso8859_1 nls_utf8 vsock vsock_loopback tls gcm ctr aes cryptomgr
    sch_netem sch_tbf
    usbip_core usbip_host vhci_hcd usbip_vudc configfs udc_core null_blk virtio_blk virtio_console crc32c_generic
""".split()


class Arch:
    """What differs between machines; their programs are in `root`, QEMU is in `tools`."""

    def __init__(self, name):
        self.name = name
        if name == NATIVE:
            self.root = self.tools = ROOT
            self.libs, self.loader = LIBS, "/usr/lib64/ld-linux-x86-64.so.2"
            self.qemu, self.board = "/usr/bin/qemu-system-x86_64", ["-M", "q35,vmport=off"]
            self.compiler = "gcc"
            self.console, self.job, self.control = "ttyS0,115200", "/dev/ttyS1", "/dev/ttyS2"
        else:
            self.root = script("scripts/guest", name)
            self.tools = script("scripts/toolchain", "--arch", name)
            self.libs, self.loader = "/usr/lib/aarch64-linux-gnu", "/usr/lib/ld-linux-aarch64.so.1"
            self.qemu, self.board = "/usr/bin/qemu-system-aarch64", ["-M", "virt", "-cpu", "cortex-a72"]
            self.compiler = "aarch64-linux-gnu-gcc"
            # The board has one serial port; the other two are on PCI.
            self.console, self.job, self.control = "ttyAMA0", "/dev/ttyS0", "/dev/ttyS1"

    def serial(self, line):
        """Arguments that connect a serial port to the character device `line`."""
        if self.name == NATIVE or line == "console":
            return ["-serial", f"chardev:{line}"]
        return ["-device", f"pci-serial,chardev={line}"]


def fail(text):
    print(f"vm: {text}", file=sys.stderr)
    sys.exit(2)


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout.strip()


def script(name, *arguments):
    """What one of our scripts prints."""
    # PYTHONHOME is meant for this interpreter only, never for what the script starts.
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    result = subprocess.run([f"{TOP}/{name}", *arguments], text=True, stdout=subprocess.PIPE, env=env)
    if result.returncode != 0:
        # It has said why.
        sys.exit(2)
    return result.stdout.strip()


def root_command(*command, root=ROOT):
    """A command line that runs a program of the toolchain root on this machine's own files."""
    loader = [root + "/lib64/ld-linux-x86-64.so.2", "--library-path", root + LIBS]
    return [*loader, root + command[0], *command[1:]]


class Kernel:
    """What scripts/kernel prepared."""

    def __init__(self, name, arch=NATIVE):
        self.arch = Arch(arch)
        self.folder = script("scripts/kernel", "--arch", arch, name)
        with open(self.folder + "/release") as stream:
            self.release = stream.read().strip()
        self.modules = f"{self.folder}/root/lib/modules/{self.release}"
        self.is_debug = name == "debug"

    @property
    def image(self):
        return self.folder + "/vmlinuz"

    @property
    def source(self):
        path = self.folder + "/source"
        if os.path.isfile(path):
            with open(path) as stream:
                return stream.read().strip()
        return os.path.realpath(self.folder + "/build/source")


def stem(path):
    """Module name from a file name, as the kernel spells it."""
    return re.sub(r"\.ko(\..*)?$", "", os.path.basename(path)).replace("-", "_")


def libraries(arch, programs):
    """The shared libraries that programs need, as paths in the root."""
    found, queue = {}, list(programs)
    while queue:
        # Reading them works for every architecture; asking the loader would run it.
        text = run(*root_command("/usr/bin/readelf", "-d", queue.pop()), stderr=subprocess.DEVNULL)
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", text):
            path = f"{arch.libs}/{name}"
            if name not in found and os.path.exists(arch.root + path):
                found[name] = path
                queue.append(arch.root + path)
    return sorted(found.values())


def static_programs(kernel):
    """C programs that the tests use in the machine: (source file, name)."""
    sources = [(kernel.source + "/tools/usb/testusb.c", "testusb")]
    for path in sorted(glob.glob(TOP + "/tests/tools/*.c")):
        sources.append((path, os.path.splitext(os.path.basename(path))[0]))
    sources.append((TOP + "/Documentation/ux.md", "ux-example"))
    return [(path, name) for path, name in sources if os.path.isfile(path)]


def compile_one(arch, text, target):
    temporary = target + ".new"
    with open(temporary + ".c", "wb") as stream:
        stream.write(text)
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [TOP + "/scripts/in-root", "--arch", arch.name, arch.compiler]
    command += ["-O2", "-Wall", "-static", "-pthread", "-I", TOP + "/include/uapi"]
    subprocess.run([*command, "-o", temporary, temporary + ".c"], check=True, env=env)
    os.unlink(temporary + ".c")
    os.rename(temporary, target)


def source_text(path):
    """The C text of a file; of a document, that of its example."""
    with open(path, "rb") as stream:
        text = stream.read()
    if not path.endswith(".md"):
        return text
    example = re.search(rb"^```c\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return example[1] if example else fail(f"{path}: no example in C")


def headers_text():
    """What programs include from here."""
    text = b""
    for path in sorted(glob.glob(TOP + "/include/uapi/linux/*.h")):
        with open(path, "rb") as stream:
            text += stream.read()
    return text


def compile_static(arch, sources):
    """Compile each source, once, into the cache; return {name: path}."""
    folder = CACHE + "/vm-tools"
    os.makedirs(folder, exist_ok=True)
    made = {}
    headers = headers_text()
    for path, name in sources:
        text = source_text(path)
        target = f"{folder}/{name}-{arch.name}-{hashlib.sha256(text + headers).hexdigest()[:12]}"
        # The two machines of a pair are threads of one process.
        with lock("vm-tools"):
            if not os.path.exists(target):
                compile_one(arch, text, target)
        made[name] = target
    return made


def has_constant_tsc():
    with open("/proc/cpuinfo") as stream:
        return bool(re.search(r"^flags\s*:.* constant_tsc ", stream.read(), re.MULTILINE))


def tsc_khz():
    """How many thousand times a second the time stamp counter of this machine advances."""
    return run(compile_static(Arch(NATIVE), [(HERE + "/tsc-khz.c", "tsc-khz")])["tsc-khz"])


def stage_modules(kernel, folder):
    """Copy the wanted stock modules, unpacked, below `folder`, and index them."""
    available = {}
    needs = {}
    with open(kernel.modules + "/modules.dep") as stream:
        for line in stream:
            path, _, dependencies = line.partition(":")
            available[stem(path)] = path
            needs[stem(path)] = [stem(item) for item in dependencies.split()]
    wanted, queue = set(), [name for name in MODULES if name in available]
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue += needs[name]
    target = f"{folder}/lib/modules/{kernel.release}"
    for name in sorted(wanted):
        path = available[name]
        plain = re.sub(r"\.(xz|zst|gz)$", "", path)
        os.makedirs(os.path.dirname(f"{target}/{plain}"), exist_ok=True)
        source = f"{kernel.modules}/{path}"
        if path.endswith(".xz"):
            # The emulated processor would take seconds for what takes this one milliseconds.
            with lzma.open(source) as packed, open(f"{target}/{plain}", "wb") as stream:
                shutil.copyfileobj(packed, stream)
        elif path.endswith((".zst", ".gz")):
            fail(f"{path}: only plain and xz modules are known")
        else:
            shutil.copyfile(source, f"{target}/{plain}")
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        if os.path.exists(f"{kernel.modules}/{name}"):
            shutil.copyfile(f"{kernel.modules}/{name}", f"{target}/{name}")
    depmod(folder, kernel.release)


def depmod(folder, release):
    subprocess.run([*depmod_command(), "-b", folder, release], check=True)


def depmod_command():
    # kmod chooses what it is by the name it is called by; the loader passes that name on with --argv0.
    loader = [ROOT + "/lib64/ld-linux-x86-64.so.2", "--library-path", ROOT + LIBS, "--argv0", "depmod"]
    return [*loader, ROOT + "/usr/bin/kmod"]


def make_base(kernel, folder):
    """Fill `folder`: modules/ (a tree with lib/modules) and base.cpio."""
    stage_modules(kernel, folder + "/modules")
    archive = Archive()
    for link in ("bin", "sbin", "lib", "lib64"):
        archive.link(link, "usr/" + link)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    arch = kernel.arch
    programs = [path for path in PROGRAMS if os.path.exists(arch.root + path)]
    for path in ["/usr/bin/busybox", *programs]:
        archive.file(path, arch.root + path)
    for path in [*libraries(arch, [arch.root + path for path in programs]), arch.loader]:
        archive.file(path, arch.root + path, executable=True)
    archive.data("/etc/ld.so.conf", b"")
    for path in FILES:
        if os.path.exists(arch.root + path):
            archive.file(path, arch.root + path)
    archive.data("/etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n")
    archive.data("/etc/group", b"root:x:0:\n")
    archive.data("/etc/hosts", b"127.0.0.1 localhost\n10.0.0.1 server\n10.0.0.2 client\n")
    archive.data("/etc/nsswitch.conf", b"hosts: files\n")
    done = set(LINKS) | set(PROGRAMS)
    for path, target in LINKS.items():
        archive.link(path, target)
    applets = run(ROOT + "/usr/bin/busybox", "--list").split()
    present = {os.path.basename(path) for path in done} | {"busybox"}
    for name in applets:
        if name not in present:
            archive.link("/usr/bin/" + name, "busybox")
    archive.tree("/usr/lib/modules", folder + "/modules/lib/modules")
    with open(folder + "/base.cpio", "wb") as stream:
        stream.write(archive.bytes())


def base(kernel):
    """The folder with the base image of a kernel, made once."""
    text = "\n".join([RECIPE, kernel.arch.root, kernel.folder, *PROGRAMS, *MODULES, *FILES, *sorted(LINKS)])
    # A local kernel can be built again in place.
    stamp = os.stat(kernel.image)
    text += f"{stamp.st_mtime_ns} {stamp.st_size}"
    with open(__file__, "rb") as stream:
        text += hashlib.sha256(stream.read()).hexdigest()
    folder = f"{CACHE}/vm-base-{kernel.release}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    with lock("vm-base"):
        if not os.path.isdir(folder):
            # Another checkout may be using what this one has no use for: see below.
            for old in glob.glob(f"{CACHE}/vm-base-{kernel.release}-*"):
                if os.stat(old).st_mtime < time.time() - 86400:
                    shutil.rmtree(old, ignore_errors=True)
            # With the lock held, what is left of an earlier attempt belongs to nobody.
            temporary = f"{CACHE}/.vm-base"
            shutil.rmtree(temporary, ignore_errors=True)
            os.makedirs(temporary)
            make_base(kernel, temporary)
            os.rename(temporary, folder)
        os.utime(folder)
    return folder


def add_python(archive):
    """The interpreter of the root, its library compiled and packed, and the packages that scripts/wheels fetched."""
    wheels = script("scripts/wheels")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packed = f"{CACHE}/python{version}-{hashlib.sha256((ROOT + RECIPE).encode()).hexdigest()[:12]}.zip"
    if not os.path.exists(packed):
        with lock("python"):
            if not os.path.exists(packed):
                pack_library(f"{ROOT}/usr/lib/python{version}", packed)
    archive.file(f"/usr/lib/python{version.replace('.', '')}.zip", packed)
    program = f"/usr/bin/python{version}"
    archive.file(program, ROOT + program)
    archive.link("/usr/bin/python3", program)
    for path in libraries(Arch(NATIVE), [ROOT + program]):
        archive.file(path, ROOT + path, executable=True)
    for path in sorted(glob.glob(wheels + "/*.whl")):
        archive.file("/usr/lib/wheels/" + os.path.basename(path), path)
    found = ":".join("/usr/lib/wheels/" + os.path.basename(path) for path in sorted(glob.glob(wheels + "/*.whl")))
    return {"PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"}


def pack_library(folder, target):
    """Compile the standard library: the emulated processor would need seconds for it at every start."""
    temporary = f"{target}.{os.getpid()}"
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    with zipfile.ZipFile(temporary, "w") as stream:
        for parent, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name not in UNUSED_PYTHON)
            for name in sorted(files):
                source = f"{parent}/{name}"
                if name.endswith(".py") and os.path.exists(source):
                    py_compile.compile(source, temporary + ".pyc", doraise=True, invalidation_mode=unchecked)
                    stream.write(temporary + ".pyc", os.path.relpath(source, folder) + "c")
    os.unlink(temporary + ".pyc")
    os.rename(temporary, target)


class lock:
    """With-statement: one process at a time."""

    def __init__(self, name):
        os.makedirs(CACHE + "/locks", exist_ok=True)
        self.path = f"{CACHE}/locks/{name}"

    def __enter__(self):
        self.stream = open(self.path, "w")
        fcntl.flock(self.stream, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.stream.close()


def our_modules(kernel):
    found = sorted(glob.glob(f"{TOP}/build/{kernel.release}/modules/*.ko"))
    if not found:
        fail(f"no modules in build/{kernel.release}/modules: run make modules first")
    return found


def add_our_modules(archive, kernel, base_folder, scratch):
    """Our modules, where depmod prefers them to the stock ones, and the index that says so."""
    tree = scratch + "/modules"
    # Links, because a machine needs none of them again; symbolic, because the cache may be another file system.
    subprocess.run(["cp", "-as", base_folder + "/modules", tree], check=True)
    folder = f"lib/modules/{kernel.release}"
    updates = f"{tree}/{folder}/updates"
    os.makedirs(updates)
    for path in our_modules(kernel):
        shutil.copyfile(path, f"{updates}/{os.path.basename(path)}")
        archive.file(f"/usr/{folder}/updates/{os.path.basename(path)}", path)
    # depmod would write through the links, into the base.
    for path in glob.glob(f"{tree}/{folder}/modules.*"):
        if not re.search(r"\.(order|builtin|builtin\.modinfo)$", path):
            os.unlink(path)
    depmod(tree, kernel.release)
    for path in glob.glob(f"{tree}/{folder}/modules.*"):
        archive.file(f"/usr/{folder}/{os.path.basename(path)}", path)
    shutil.rmtree(tree)


def add_our_tools(archive, arch):
    """Our tools and the shared libraries of theirs that the base may lack."""
    folder = TOP + "/build/tools" + ("" if arch.name == NATIVE else "/" + arch.name)
    programs = [path for path in sorted(glob.glob(folder + "/*")) if os.path.isfile(path) and os.access(path, os.X_OK)]
    for path in programs:
        archive.file(f"{RUST_TOOLS}/{os.path.basename(path)}", path)
    for path in libraries(arch, programs):
        archive.file(path, arch.root + path, executable=True)


def run_part(options, kernel, base_folder, scratch, name, address):
    """The archive that makes this run: job, settings, our modules and tools, added files."""
    archive = Archive()
    if options.modules == "rust":
        add_our_modules(archive, kernel, base_folder, scratch)
    for path in sorted(glob.glob(f"{TOP}/build/{kernel.release}/tests/*.ko")):
        archive.file("/tests/modules/" + os.path.basename(path), path)
    add_our_tools(archive, kernel.arch)
    for program, path in compile_static(kernel.arch, static_programs(kernel)).items():
        archive.file("/usr/bin/" + program, path)
    for program in ("host", "qmp", "signal", "await", "link_down", "link_up"):
        archive.file("/vm/" + program, f"{HERE}/guest/{program}")
        if program != "host":
            archive.link("/usr/bin/" + program, "/vm/" + program)
    archive.file("/init", HERE + "/guest/init")
    for path in sorted(glob.glob(TOP + "/tests/*.sh")):
        archive.file("/tests/" + os.path.basename(path), path)
    path = kernel.source + SELFTEST
    if os.path.isfile(path):
        archive.file("/tests/kernel/" + os.path.basename(path), path)
    path = f"{RUST_TOOLS}:{GUEST_PATH}" if options.tools == "rust" else f"{GUEST_PATH}:{RUST_TOOLS}"
    settings = {
        "PATH": path,
        "VM_NAME": name,
        "VM_ADDRESS": address or "",
        "VM_MODULES": options.modules,
        "VM_TOOLS": options.tools,
        "VM_KERNEL": options.kernel,
        "VM_JOB_LINE": kernel.arch.job,
        "VM_HOST_LINE": kernel.arch.control,
        "VM_SCRATCH": scratch,
    }
    if options.python:
        settings.update(add_python(archive))
    settings.update(item.split("=", 1) for item in options.set)
    lines = [f"export {key}='{value}'\n" for key, value in settings.items()]
    archive.data("/vm/settings", "".join(lines).encode())
    archive.file("/vm/job", options.job, executable=True)
    for item in options.add:
        source, _, target = item.partition(":")
        archive_path = target or "/root/" + os.path.basename(source.rstrip("/"))
        if os.path.isdir(source):
            archive.tree(archive_path, source)
        else:
            archive.file(archive_path, source)
    return archive.bytes()
