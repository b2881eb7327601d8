"""A campaign's folder: used by one campaign at a time, and rid of what a killed one has left behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.execute import AGREE
from otterproof.harness.runs.fuzz.state import RECORD, REPORT, TRANSCRIPT, CampaignError, State, test_name
from otterproof.harness.support.outputs import BEING_WRITTEN, OutputError, make_folder, write_whole
from otterproof.harness.support.printable import printable

#: The file that is locked while a campaign runs. It is removed afterwards, and being there means nothing.
LOCK = "campaign.lock"

#: The files in the folder of a finding, but for its test.
REQUESTS, ANSWERS_FILE, SCRIPT, STDERR = "repro.jsonl", "repro.answers.jsonl", "repro.sh", "stderr.txt"
FILES = (TRANSCRIPT, RECORD, REPORT, REQUESTS, ANSWERS_FILE, SCRIPT, STDERR)

#: What the ids of checks begin with that findings can be of.
AREAS = (
    *ORACLES,
    AGREE,
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
    """Make a folder, and keep other campaigns out of it. CampaignError while another one runs there, or it can't be.

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
        with suppress(OSError):  # before it is released, so that it is nobody else's; if it stays, that does no harm
            (folder / LOCK).unlink()
        with suppress(OSError):  # it has files in it, as it should
            for made in missing:
                made.rmdir()
        os.close(handle)


def _lock(folder: Path) -> int:
    """The descriptor of the locked file."""
    path = folder / LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            continue  # another campaign has just removed the folder, in which it left nothing
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
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


def clean(folder: Path, state: State) -> None:
    """Remove what a campaign that was killed has left in its folder. The folder must be locked. OutputError.

    These are files that were being written, and folders of findings that the campaign does not list yet or any more.
    """
    for path in [*folder.glob(BEING_WRITTEN), *folder.glob(f"*/{BEING_WRITTEN}")]:
        if not path.parent.is_symlink():
            remove(path)
    # Before a finding's first file is written, the failure that it is made of is saved as the one that waits. A finding
    # that was dropped is of a check that another finding is of.
    checks = {one.check for one in state.findings} | ({state.waiting.check} if state.waiting is not None else set())
    for name in sorted({state.next_name(check) for check in checks}):
        remove_finding(folder, name)


def check_unused(folder: Path) -> None:
    """CampaignError when something in a folder without a campaign has a name that a finding can have."""
    for path in sorted(folder.iterdir()):
        if "." not in path.name and path.name.startswith(tuple(f"{area}-" for area in AREAS)):
            raise CampaignError(
                f"{printable(str(path))} might be replaced, and there is no campaign beside it to say what it is; name "
                "another folder with --out"
            )


def finding_folder(folder: Path, name: str) -> Path:
    """The folder of a finding, made if need be. What has its name and is no folder, such as a link, goes first.

    OutputError.
    """
    path = folder / name
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        remove(path)
    make_folder(path)
    return path


def remove_finding(folder: Path, name: str) -> None:
    """Remove the folder of a finding with the files that a campaign has put there. OutputError."""
    path = folder / name
    if path.is_symlink() or not path.is_dir():
        remove(path)
        return
    for file in (*FILES, test_name(name)):
        remove(path / file)
    with suppress(OSError):  # somebody has put something else there
        path.rmdir()


def remove(path: Path) -> None:
    """Remove a file, if it is there. OutputError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(printable(str(path)), error) from error


def write_here(path: Path, content: str, *, executable: bool = False) -> None:
    """Write a file of the campaign, whole or not at all. OutputError.

    What has its name and is not a regular file, such as a link to a file elsewhere or a pipe, is removed first: the
    folder may come from somebody else, and nothing outside of it is written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
        remove(path)
    write_whole(path, content)
    if executable:
        path.chmod(path.stat().st_mode | 0o111)
