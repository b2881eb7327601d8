"""A campaign's folder: used by one campaign at a time, and cleaned of what a killed one has left behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.execute import ENGINES_AGREE
from otterproof.harness.runs.fuzz.state import RECORD, REPORT, TRANSCRIPT, CampaignError, State, test_name
from otterproof.harness.support.outputs import BEING_WRITTEN, OutputError, write_whole
from otterproof.harness.support.printable import printable

#: Locked while a campaign runs, and removed afterwards. That it exists means nothing.
LOCK = "campaign.lock"

#: The files in the folder of a finding, except its test.
REQUESTS, ANSWERS_FILE, SCRIPT, STDERR = "repro.jsonl", "repro.answers.jsonl", "repro.sh", "stderr.txt"
FILES = (TRANSCRIPT, RECORD, REPORT, REQUESTS, ANSWERS_FILE, SCRIPT, STDERR)

#: The first words of the ids of checks that findings can be of.
AREAS = (
    *ORACLES,
    ENGINES_AGREE,
    "model",
    "run",
    "driver",
    "crash",
    "hang",
    "desync",
    "exception",
    "error",
    "internal",
    "worker",
)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make and lock a folder. CampaignError while another campaign runs there, or if nothing can be written there.

    The operating system releases the lock when the process ends, however it ends.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        handle = _lock(folder)
    except OSError as error:
        raise CampaignError(
            f"nothing can be written to {printable(str(folder))}: {error.strerror}; name another folder with --out"
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # while it is still locked; if it stays, that does no harm
            if _is_at(handle, folder / LOCK):  # in a folder that was made again, it may be another campaign's
                (folder / LOCK).unlink()
        with suppress(OSError):  # the folder has files in it, as it should
            for made in missing:
                made.rmdir()
        os.close(handle)


def _lock(folder: Path) -> int:
    """Lock the file in a folder; returns its descriptor."""
    path = folder / LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            continue  # another campaign has just removed the folder, which it left empty
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise CampaignError(
                f"another campaign is running in {printable(str(folder))}; wait until it ends, or name another folder "
                "with --out"
            ) from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the campaign that made this file has removed it and ended since


def _is_at(handle: int, path: Path) -> bool:
    """Whether the file of a descriptor is still the one at a path."""
    return path.exists() and os.path.samestat(os.fstat(handle), path.stat())


def clean(folder: Path, state: State) -> None:
    """Remove what a killed campaign has left in its folder, which must be locked. OutputError.

    These are files that were being written, and folders of findings that the state does not list yet, or no longer.
    """
    for path in [*folder.glob(BEING_WRITTEN), *folder.glob(f"*/{BEING_WRITTEN}")]:
        if not path.parent.is_symlink():
            remove(path)
    # Before a finding's first file is written, the state is saved with its failure waiting; and a dropped finding has
    # the check of another one. So one more name for each of these checks is all that can be left.
    checks = {one.check for one in state.findings} | ({state.waiting.check} if state.waiting is not None else set())
    for name in sorted({state.next_name(check) for check in checks}):
        remove_finding(folder, name)


def check_unused(folder: Path) -> None:
    """CampaignError if a folder without a campaign contains a name that a finding can have."""
    for path in sorted(folder.iterdir()):
        if "." not in path.name and path.name.startswith(tuple(f"{area}-" for area in AREAS)):
            raise CampaignError(
                f"{printable(str(path))} might be replaced, and there is no campaign beside it to say what it is; name "
                "another folder with --out"
            )


def finding_folder(folder: Path, name: str) -> Path:
    """The folder of a finding, made if need be. Anything else of its name, such as a link, is removed first.

    OutputError; also if the campaign's folder is gone, because the findings would be alone in a new one.
    """
    path = folder / name
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        remove(path)
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(printable(str(path)), error) from error
    return path


def remove_finding(folder: Path, name: str) -> None:
    """Remove the folder of a finding with the files that a campaign puts there. OutputError."""
    path = folder / name
    if path.is_symlink() or not path.is_dir():
        remove(path)
        return
    for file in (*FILES, test_name(name)):
        remove(path / file)
    with suppress(OSError):  # somebody has put something else there
        path.rmdir()


def remove(path: Path) -> None:
    """Remove a file if it exists. OutputError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(printable(str(path)), error) from error


def write_here(path: Path, content: str, *, executable: bool = False) -> None:
    """Write a file of the campaign, whole or not at all. OutputError.

    If its name is taken by something other than a regular file, such as a link or a pipe, that is removed first: the
    folder may come from somebody else, and nothing outside of it may be written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
        remove(path)
    write_whole(path, content)
    if executable:
        path.chmod(path.stat().st_mode | 0o111)
