"""A long campaign, measured: does its memory stay bounded, its speed the same, its folder small?

    nice python -m tests.soak_fuzz [--programs 20000] [TARGET ...]

The targets are `independent` and `libotr` unless others are named. Each campaign runs in one process with one folder,
which is removed afterwards. The table that is printed has a row for each tenth of the programs: programs a second since
the row before, resident memory of Otterproof and of all drivers, bytes in the folder, open files. What is settled
after some hundred programs must stay so. pytest does not collect this file: on two cores 20,000 programs take an hour
or more for each target. Linux only, for it reads /proc.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.ui.options import positive

#: Rows of the table for each target.
ROWS = 10

_ROW = "{:>9} {:>9} {:>7} {:>12} {:>12} {:>10} {:>6} {:>9}"


def resident(process: Path) -> int:
    """Bytes of memory in use by a process, 0 if it is gone."""
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def descendants(process: Path) -> Iterator[Path]:
    """The processes that a process has started, and those that these have."""
    for children in process.glob("task/*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            for pid in children.read_text().split():
                yield Path("/proc") / pid
                yield from descendants(Path("/proc") / pid)


def measure(target: str, programs: int) -> None:
    """Run a campaign and print its table."""
    print(f"{target}, {programs} programs")
    print(_ROW.format("programs", "seconds", "per s", "otterproof", "drivers", "folder", "files", "findings"))
    began = last = time.monotonic()
    shown = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(target, "soak", Path(folder)) as campaign,
        closing(campaign.run(programs, 1)) as run,
    ):
        for _ in run:
            if campaign.done * ROWS // programs == shown * ROWS // programs:
                continue
            now = time.monotonic()
            memory = [resident(Path("/proc/self")), sum(map(resident, descendants(Path("/proc/self"))))]
            row = _ROW.format(
                campaign.done,
                f"{now - began:.0f}",
                f"{(campaign.done - shown) / (now - last):.1f}",
                *(f"{size / 1e6:.1f} MB" for size in memory),
                f"{sum(path.stat().st_size for path in Path(folder).rglob('*')) / 1e3:.0f} kB",
                len(os.listdir("/proc/self/fd")),
                len(campaign.findings),
            )
            print(row, flush=True)
            shown, last = campaign.done, now


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak_fuzz", description="Measure a long campaign.")
    parser.add_argument("targets", nargs="*", default=["independent", "libotr"], help="default: %(default)s")
    parser.add_argument("--programs", type=positive, default=20_000, help="for each target (default: %(default)s)")
    options = parser.parse_args()
    for target in options.targets:
        measure(target, options.programs)


if __name__ == "__main__":
    main()
