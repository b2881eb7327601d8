"""Home folders for programs: one each, private to this user, removed when the driver ends.

A driver that is killed removes nothing. So each folder is locked while it is in use, and a driver that starts removes
the unlocked ones.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

_LOCK = "lock"

#: In bytes: the most that is returned of a log.
_LONGEST_LOG = 1 << 18


class Home:
    """A new folder, empty except for the lock file."""

    def __init__(self, program: str) -> None:
        base = _base()
        _sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=f"{program}-", dir=base))
        self._lock = _locked(self.path)

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a file that only this user can read, creating its parent folders."""
        path = self.path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def logs(self, *stores: str) -> dict[str, bytes]:
        """The contents of the files, by name; of a long one, the end. stores: patterns of key stores to leave out."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if path.is_file() and name != _LOCK and not any(path.relative_to(self.path).match(one) for one in stores):
                found[name] = path.read_bytes()[-_LONGEST_LOG:]
        return found

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _base() -> Path:
    """The parent folder of this user's homes; a new one if somebody else has taken its name."""
    base = Path(tempfile.gettempdir()) / f"otterproof-chat-{os.getuid()}"
    try:
        base.mkdir(mode=0o700)
    except FileExistsError:
        found = base.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            return Path(tempfile.mkdtemp(prefix="otterproof-chat-"))
    return base


def _locked(home: Path) -> int | None:
    """The lock of a home; None if it is taken."""
    lock = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _sweep(base: Path) -> None:
    """Remove the homes of drivers that have ended. A home without a lock file is still being created."""
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
