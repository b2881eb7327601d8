"""Processes that judge rarely run the cyclic garbage collector; a process that only uses the library is left alone."""

from __future__ import annotations

import gc
import subprocess
import sys

from otterproof.harness.runs.executor import executor
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.support.collector import NEW_VALUES

SHOWN = "import gc; print(gc.get_threshold()[0])"


def threshold(_: WorkerContext, __: int) -> int:
    return gc.get_threshold()[0]


def lost(_: int, why: str) -> int:
    raise AssertionError(why)


def test_workers_collect_rarely() -> None:
    with executor(1, "", WorkerContext(())) as workers:
        assert list(workers.ordered(threshold, [1], lost)) == [NEW_VALUES]


def test_the_program_collects_rarely_and_an_import_changes_nothing() -> None:
    command = "import sys; sys.argv = ['otterproof', '--version']; from otterproof.harness.ui import entry; "
    ran = subprocess.run([sys.executable, "-c", command + "entry.main(); " + SHOWN], capture_output=True, check=True)
    assert ran.stdout.split()[-1] == b"%d" % NEW_VALUES
    imported = subprocess.run([sys.executable, "-c", command + SHOWN], capture_output=True, check=True)
    plain = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, check=True)
    assert imported.stdout == plain.stdout
