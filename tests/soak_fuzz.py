"""A long campaign, measured: is its memory bounded, its speed constant, its folder small?

    nice python -m tests.soak_fuzz [--programs 20000] [--acts 25] [--folder DIR] [TARGET ...]

The default targets are `independent` and `libotr`; `alone` is the reference engine without another one beside it. Each
campaign runs in one process with one folder, which is removed afterwards; with --folder it is kept, and an existing
campaign in it continues. The printed table has a row for each tenth of the programs: programs per second of clock time
and of processor time since the previous row, resident memory of Otterproof and of all drivers, bytes in the folder,
open files, findings. Values that have settled after some hundred programs must stay so. pytest does not collect this
file: on two cores 20,000 programs take an hour or more per target; with fewer acts, programs are shorter. Linux only,
because it reads /proc.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from unittest.mock import patch

from otterproof.harness.runs.fuzz import campaign as campaigns
from otterproof.harness.runs.fuzz import generate
from otterproof.harness.targets.driver import USUAL, Limits
from otterproof.harness.targets.engines import SingleEngineTarget, Target
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui.options import positive
from otterproof.implementations.reference import ReferenceEngine

#: Rows of the table for each target.
ROWS = 10

#: The reference engine by itself.
ALONE = "alone"

_ROW = "{:>9} {:>9} {:>7} {:>7} {:>12} {:>12} {:>10} {:>6} {:>9}"


def target_of(name: str, limits: Limits = USUAL) -> Target:
    """The target with this name."""
    return SingleEngineTarget(name, ReferenceEngine) if name == ALONE else open_target(name, limits)


def resident(process: Path) -> int:
    """The resident memory of a process in bytes; 0 if it is gone."""
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def descendants(process: Path) -> Iterator[Path]:
    """All descendants of a process."""
    for children in process.glob("task/*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            for pid in children.read_text().split():
                yield Path("/proc") / pid
                yield from descendants(Path("/proc") / pid)


def measure(target: str, programs: int, kept: Path | None = None) -> None:
    """Run a campaign and print its table. kept: its folder, if it is not to be removed; a campaign in it continues."""
    print(f"{target}, {programs} programs")
    names = ("programs", "seconds", "per s", "per cpu", "otterproof", "drivers", "folder", "files", "findings")
    print(_ROW.format(*names), flush=True)
    began = last = time.monotonic()
    used = time.process_time()
    with (
        nullcontext(kept) if kept else tempfile.TemporaryDirectory() as folder,
        campaigns.opened(target, "soak", Path(folder)) as campaign,
        closing(campaign.run(programs - campaign.done, 1)) as run,
    ):
        shown = campaign.done
        for _ in run:
            if campaign.done * ROWS // programs == shown * ROWS // programs:
                continue
            now, spent = time.monotonic(), time.process_time()
            memory = [resident(Path("/proc/self")), sum(map(resident, descendants(Path("/proc/self"))))]
            row = _ROW.format(
                campaign.done,
                f"{now - began:.0f}",
                f"{(campaign.done - shown) / (now - last):.1f}",
                f"{(campaign.done - shown) / (spent - used):.1f}",
                *(f"{size / 1e6:.1f} MB" for size in memory),
                f"{sum(path.stat().st_size for path in Path(folder).rglob('*')) / 1e3:.0f} kB",
                len(os.listdir("/proc/self/fd")),
                len(campaign.findings),
            )
            print(row, flush=True)
            shown, last, used = campaign.done, now, spent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak_fuzz", description="Measure a long campaign.")
    parser.add_argument("targets", nargs="*", default=["independent", "libotr"], help="default: %(default)s")
    parser.add_argument("--programs", type=positive, default=20_000, help="for each target (default: %(default)s)")
    parser.add_argument(
        "--acts", type=positive, default=generate.LONGEST, help="the most in a program (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="keep the campaign here, and go on with it; with one target")
    options = parser.parse_args()
    if options.folder and len(options.targets) != 1:
        parser.error("--folder holds the campaign of one target; name one")
    with patch.object(generate, "LONGEST", options.acts), patch.object(campaigns, "open_target", target_of):
        for target in options.targets:
            measure(target, options.programs, options.folder)


if __name__ == "__main__":
    main()
