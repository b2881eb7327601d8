"""Otterproof in a process of its own, for tests of signals and of what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in its own session, with pipes for its output. Leaving the context ends it and everything it started.

    It handles Ctrl-C as it would from a terminal. The tests may run where SIGINT is ignored, which is inherited: in the
    background of a shell, or under nohup.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "otterproof.harness.ui.entry", *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:  # closes the pipes, and waits
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def finished(*words: str, cwd: Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """A command that has run to its end. It is ended after this many seconds: subprocess.TimeoutExpired."""
    with running(*words, cwd=cwd) as process:
        out, err = process.communicate(timeout=seconds)
    return subprocess.CompletedProcess(words, process.returncode, out, err)
