"""Folders for programs to live in: one each, for this user alone, removed when the driver ends.

A driver can be killed at any time and then removes nothing. So each folder is locked while it is in use, and a driver
that starts removes those that nobody has locked.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

_LOCK = "lock"

#: Bytes of a log that are told.
_LONGEST_LOG = 1 << 18


class Home:
    """A new folder, empty but for the lock."""

    def __init__(self, program: str) -> None:
        base = _base()
        _sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=f"{program}-", dir=base))
        self._lock = _locked(self.path)

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a file for this user alone; folders on the way are made."""
        path = self.path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def logs(self, *stores: str) -> dict[str, bytes]:
        """What is in the files, by their names, of each at most the end. stores: patterns of those that hold keys."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if path.is_file() and name != _LOCK and not any(path.relative_to(self.path).match(one) for one in stores):
                found[name] = path.read_bytes()[-_LONGEST_LOG:]
        return found

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _base() -> Path:
    """The folder that has all homes of this user. Where somebody else has taken its name, a new one."""
    base = Path(tempfile.gettempdir()) / f"otterproof-chat-{os.getuid()}"
    try:
        base.mkdir(mode=0o700)
    except FileExistsError:
        found = base.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            return Path(tempfile.mkdtemp(prefix="otterproof-chat-"))
    return base


def _locked(home: Path) -> int | None:
    """The lock of a home; None if somebody has it."""
    lock = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _sweep(base: Path) -> None:
    """Remove homes whose driver is gone. A home without a lock file is just being made."""
    for home in base.iterdir():
        if not (home / _LOCK).exists():
            continue
        try:
            lock = _locked(home)
        except FileNotFoundError:
            continue  # another driver was faster
        if lock is not None:
            shutil.rmtree(home, ignore_errors=True)
            os.close(lock)
