"""Signals: SIGTERM and SIGHUP end a command as Ctrl-C does, and what was ignored when it started stays ignored."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterproof.harness.support.signals import Interrupted, interruptible
from otterproof.harness.ui import cli, entry
from tests.commands import finished

SIGNALLER = Path(__file__).parent / "signaller.py"

SIGNALS = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """The usual signal setup of a program: a background job of a shell ignores SIGINT, and `nohup` ignores SIGHUP."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts(number: signal.Signals) -> None:
    with pytest.raises(Interrupted, match=number.name), interruptible():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_DFL
    assert issubclass(Interrupted, KeyboardInterrupt), "what handles Ctrl-C handles it"


def test_one_signal_counts_and_later_ones_do_not_disturb_the_end() -> None:
    """A command that is ending has results to write, and what remains of a generator can't handle an interruption."""
    with interruptible():
        with pytest.raises(Interrupted, match="SIGTERM"):
            os.kill(os.getpid(), signal.SIGTERM)
        for number in SIGNALS:
            os.kill(os.getpid(), number)
    with pytest.raises(Interrupted, match="SIGHUP"), interruptible():
        os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_was_ignored_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGINT])
def test_an_interrupted_command_ends_with_130(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "main", lambda: os.kill(os.getpid(), number))
    assert entry.main() == 130
    assert capsys.readouterr().err == "otterproof: interrupted\n"


@pytest.mark.slow
@pytest.mark.parametrize(("whom", "number", "jobs"), [("caller", "SIGTERM", "1"), ("group", "SIGINT", "2")])
def test_an_interrupted_check_shows_what_was_found(whom: str, number: str, jobs: str, tmp_path: Path) -> None:
    """The signal arrives in the middle of a scenario; as from a terminal, the workers get it as well."""
    driver = f"exec:{sys.executable} {SIGNALLER} {tmp_path / 'done'} 0 {whom} {number}"
    words = ["--only", "conformance.interop.handshake_asked", "--jobs", jobs, "--json", "out.json"]
    done = finished("check", driver, *words, cwd=tmp_path)
    assert done.returncode == 130, done.stderr
    assert "interrupted after" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr
    (content,) = json.loads((tmp_path / "out.json").read_text())["runs"]
    assert content["counts"]["infra"] == 0
    assert len(content["scenarios"]) + len(content["not_run"]) == 4
