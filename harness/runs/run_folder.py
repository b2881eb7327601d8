"""The folder to which one run of `check` writes its transcripts.

Each run has its own folder, so that transcripts of different runs or targets never mix and none is overwritten. A
folder is claimed atomically before the run begins, so two runs that begin at once get two folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.registry import file_name

#: Where transcripts of failures go by default.
FAILURES = Path("otterproof-failures")

#: The file with which a run claims the folder that the user named. It is empty, so that a full disk is no obstacle.
CLAIM = ".otterproof-run"

#: How often the parent folder may vanish before giving up.
RETRIES = 100


@contextmanager
def run_folder(given: Path | None, target: str, today: date) -> Iterator[Path]:
    """The folder of a run against a target. given: the one that the user named, if any.

    A named folder is used directly if it is empty or new. Otherwise it may hold another run's transcripts, and the run
    gets a new folder in it. Without a named one, the run gets a new folder for its failures. New folders are named by
    date and number. A new folder is removed on exit if nothing was written to it. Raises UsageError if nothing can be
    written.
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
    """Make a new folder PARENT/DATE-NUMBER, with the first free number."""
    number, lost = 1, 0
    while True:
        folder = parent / f"{today.isoformat()}-{number}"
        try:
            folder.mkdir(parents=True)
        except (FileExistsError, FileNotFoundError):
            if os.path.lexists(folder):
                number += 1
                continue
            lost += 1  # another run has just removed it or its parent; or the parent is not a folder
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
