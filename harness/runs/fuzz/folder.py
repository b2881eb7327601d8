"""A campaign's folder: used by one campaign at a time, and rid of what a killed one has left behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.execute import AGREE
from otterproof.harness.runs.fuzz.state import STATE, CampaignError, State, test_name
from otterproof.harness.support.outputs import BEING_WRITTEN, OutputError, write_whole
from otterproof.harness.support.printable import printable

#: The file that is locked while a campaign runs. It is removed afterwards, and being there means nothing.
LOCK = "campaign.lock"

#: What the ids of checks begin with that findings can be of.
AREAS = (*ORACLES, AGREE, "model", "run", "driver", "crash", "hang", "desync", "error", "internal", "worker")


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

    These are files that were being written, files of findings that the campaign's file does not list yet or any more,
    and tests of findings that are not confirmed. CampaignError when there are files with names that findings can have,
    but no campaign's file that they could belong to: it is not known whose they are.
    """
    for path in folder.glob(BEING_WRITTEN):
        remove(path)
    if not (folder / STATE).exists():
        for path in sorted(folder.iterdir()):
            if _could_be_of_finding(path.name):
                raise CampaignError(
                    f"{printable(str(path))} might be replaced, and there is no {STATE} beside it to say what it is; "
                    "name another folder with --out"
                )
        return
    # Before a finding's first file is written, the campaign's file has the failure that it is made of among those that
    # wait. A finding that was dropped is of a check that another finding is of.
    checks = {one.check for one in state.findings} | {one.check for one in state.waiting}
    names = {state.next_name(check) for check in checks}
    unlisted = [folder / file for name in sorted(names) for file in (f"{name}.jsonl", test_name(name))]
    unlisted += [folder / test_name(finding.name) for finding in state.findings if not finding.test]
    for path in unlisted:
        remove(path)


def _could_be_of_finding(file: str) -> bool:
    """Whether a finding's transcript or test can have this name."""
    name, _, ending = file.rpartition(".")
    if ending == "py" and name.startswith("test_"):
        name = name.removeprefix("test_").replace("_", "-")
    elif ending != "jsonl":
        return False
    return name.startswith(tuple(f"{area}-" for area in AREAS))


def remove(path: Path) -> None:
    """Remove a file, if it is there. OutputError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(printable(str(path)), error) from error


def write_here(path: Path, content: str) -> None:
    """Write a file of the campaign, whole or not at all. OutputError.

    What has its name and is not a regular file, such as a link to a file elsewhere or a pipe, is removed first: the
    folder may come from somebody else, and nothing outside of it is written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
        remove(path)
    write_whole(path, content)
