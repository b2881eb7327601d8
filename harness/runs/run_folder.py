"""The folder that one run of `check` writes its transcripts to.

Each run has a folder of its own, so that transcripts of several runs or targets never mix and none is overwritten. A
folder is claimed before the run begins, in one step of the file system: two runs that begin at once get two folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.registry import file_name

#: Where the transcripts of failures go unless the user names a folder.
FAILURES = Path("otterproof-failures")

#: The file by which a run claims a folder that the user named. It is empty, so that a full disk is no obstacle.
CLAIM = ".otterproof-run"

#: How often a folder may vanish while another is made in it.
RETRIES = 100


@contextmanager
def run_folder(given: Path | None, target: str, today: date) -> Iterator[Path]:
    """The folder of a run against a target. given: the one that the user named, if any.

    The named folder is used as it is if it is empty or new. Otherwise it may hold another run's transcripts, so the run
    gets a new folder in it. Without a named one, the run gets a new folder for its failures. New folders are named by
    the date and a number. A folder that was made here is removed on leaving if nothing was written to it. UsageError if
    nothing can be written.
    """
    parent = FAILURES / file_name(target) if given is None else given
    try:
        folder = _numbered(parent, today) if given is None else _named(given, today)
    except OSError as error:
        raise UsageError(
            f"nothing can be written to {parent}: {error.strerror}; name another folder with --transcripts"
        ) from error
    try:
        yield folder
    finally:
        if given is None:
            _remove_if_empty(folder, parent, FAILURES)
        elif folder != given:
            _remove_if_empty(folder)
        elif folder.is_dir() and list(folder.iterdir()) == [folder / CLAIM]:
            (folder / CLAIM).unlink()


def _named(folder: Path, today: date) -> Path:
    """The folder itself if it is empty and no other run claims it first; else a new one in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        return _numbered(folder, today)
    try:
        (folder / CLAIM).touch(exist_ok=False)
    except FileExistsError:
        return _numbered(folder, today)
    return folder


def _numbered(parent: Path, today: date) -> Path:
    """A new folder PARENT/DATE-NUMBER, with the first number that is free."""
    number, lost = 1, 0
    while True:
        folder = parent / f"{today.isoformat()}-{number}"
        try:
            folder.mkdir(parents=True)
        except (FileExistsError, FileNotFoundError):
            if os.path.lexists(folder):
                number += 1
                continue
            lost += 1  # another run has just removed it, or what it is in; or the parent is no folder
            if lost == RETRIES:
                raise
        else:
            return folder


def _remove_if_empty(*folders: Path) -> None:
    """Remove folders from the inside out, up to the first that is not empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
