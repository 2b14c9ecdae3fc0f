# SPDX-License-Identifier: GPL-2.0
"""Write cpio archives in the one format that the kernel unpacks as an initramfs ("newc")."""

import os
import stat

ALIGN = 4


class Archive:
    """Collects files by their path in the machine; parents are added as needed."""

    def __init__(self):
        self._parts = []
        self._folders = set()
        self._inode = 0

    def _entry(self, path, mode, data=b"", rdev=(0, 0)):
        self._inode += 1
        name = path.lstrip("/").encode() + b"\0"
        fields = [self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(name), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self._parts += [head, b"\0" * (-len(head) % ALIGN), data, b"\0" * (-len(data) % ALIGN)]

    def folder(self, path):
        path = path.strip("/")
        if not path or path in self._folders:
            return
        self.folder(os.path.dirname(path))
        self._folders.add(path)
        self._entry(path, stat.S_IFDIR | 0o755)

    def data(self, path, data, executable=False):
        self.folder(os.path.dirname(path))
        self._entry(path, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def file(self, path, source, executable=None):
        if executable is None:
            executable = os.access(source, os.X_OK)
        with open(source, "rb") as stream:
            self.data(path, stream.read(), executable)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor):
        self.folder(os.path.dirname(path))
        self._entry(path, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def tree(self, path, source):
        """Everything below the folder `source`."""
        for folder, names, files in os.walk(source):
            names.sort()
            inside = os.path.normpath(os.path.join(path, os.path.relpath(folder, source)))
            self.folder(inside)
            for name in sorted(files):
                full = os.path.join(folder, name)
                if os.path.islink(full) and not os.path.exists(full):
                    continue
                self.file(os.path.join(inside, name), full)

    def bytes(self):
        self._entry("TRAILER!!!", 0)
        data = b"".join(self._parts)
        # The kernel wants the next archive on a 4-byte boundary; a block of 512 is what cpio writes.
        return data + b"\0" * (-len(data) % 512)
