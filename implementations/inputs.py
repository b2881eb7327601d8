"""Reading a whole untrusted file: a regular file of bounded size, or a clear error.

A name on the command line may be a pipe that nobody writes to, an endless device, or a file of many gigabytes, and a
file can grow while it is read. `read_input` never blocks on any of them and never holds more bytes than the limit. It
follows symbolic links to regular files. It does not look at the contents; the file's parser does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

#: Reads at most the given number of bytes: none at the end of the file, None when there are none yet.
_Read: TypeAlias = Callable[[int], bytes | None]

#: The kinds of file system entries that are not regular files.
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class InputError(Exception):
    """A file can't be read. The message gives the file, the reason, and what to do."""


def read_input(path: Path, *, limit: int, what: str) -> bytes:
    """The bytes of a regular file, at most `limit` of them.

    what: what the file should be, for error messages, with an article: "a transcript". InputError: not a regular file,
    larger than the limit, or refused by the operating system.
    """
    try:
        _check(os.stat(path), path, limit, what)  # before opening, since opening a device can have effects
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(handle, "rb", buffering=0) as file:
            _check(os.fstat(handle), path, limit, what)  # again: the name may point to another file by now
            return _bounded(file.read, path, limit, what)
    except OSError as error:
        raise InputError(f"{path} can't be read as {what}: {error.strerror}; check the name and permissions") from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)!a} can't be read as {what}: {error}; check the name") from error


def _check(found: os.stat_result, path: Path, limit: int, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise InputError(f"{path} can't be read as {what}: it is {kind}; name a regular file")
    if found.st_size > limit:
        raise _too_large(path, f"it has {found.st_size} bytes", limit, what)


def _bounded(read: _Read, path: Path, limit: int, what: str) -> bytes:
    """The rest of a file, which can be longer than its reported size."""
    parts: list[bytes] = []
    left = limit + 1
    while left > 0:
        part = read(min(left, 1 << 20))
        if part is None:
            raise InputError(f"{path} can't be read as {what}: it makes readers wait; name a regular file")
        if not part:
            break
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise _too_large(path, "it grew while it was read", limit, what)
    return b"".join(parts)


def _too_large(path: Path, why: str, limit: int, what: str) -> InputError:
    return InputError(f"{path} can't be read as {what}: {why}, and the limit is {limit}; check the name")
