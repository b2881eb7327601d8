"""Write a command's output files, each completely or not at all.

A full disk or a killed process must not leave half a file in place of a good one. So a file is first written under a
temporary name in the same folder, and renamed once all of it has reached the disk.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from otterproof.harness.support.errors import CommandError

#: The names of files that are being written. They remain if the process is killed.
BEING_WRITTEN = ".otterproof-*.new"


class OutputError(CommandError):
    """A file could not be written. The message says which, why, and what to do; the command ends with exit code 3."""

    def __init__(self, what: object, error: OSError, advice: str = "fix that, or choose another location") -> None:
        self.reason = error.strerror or str(error)
        super().__init__(f"can't write {what}: {self.reason}; {advice}")


def write_whole(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file completely or not at all: after an OutputError, or a kill, the old content is still there.

    Text is encoded as UTF-8; a lone surrogate in it becomes a backslash escape. A file that is not regular (a device, a
    pipe) can't be replaced and is written to directly. A symbolic link stays, and the file it points to is replaced.
    durable: wait for the disk, so that the file survives a power failure.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        place = Path(os.path.realpath(path))
        mode = place.stat().st_mode if place.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            place.write_bytes(data)
        else:
            _replace(place, data, mode, durable)
    except OSError as error:
        raise OutputError(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder that will be written to, if needed. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, error) from error


def _replace(place: Path, data: bytes, mode: int | None, durable: bool) -> None:
    """Write the new file beside the old one, with the same permissions, and let it take the old one's place."""
    new = place.parent / BEING_WRITTEN.replace("*", secrets.token_hex(8))
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(new, place)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
