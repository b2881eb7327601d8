"""Campaigns that are interrupted or killed at any moment can continue, with the same result as without it."""

from __future__ import annotations

import os
import random
import signal
import time
from itertools import count
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.state import FindingStage, State
from otterproof.harness.runs.fuzz.store import STATE, read_state
from otterproof.harness.simulation.transcript_reading import read_transcript
from tests.hostile.interruptions import SEED, TARGET, Killed, Trouble, Workshop, content

#: Programs in the campaigns with fake attempts. They are few, but give all kinds of failures: new ones, ones that turn
#: out to be known when shrunk, ones that can't be reproduced, and ones of kinds that are only counted.
PROGRAMS = 8


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(monkeypatch)


def _broken_off(workshop: Workshop, folder: Path, trouble: Trouble) -> bool:
    """Run a campaign; returns whether the trouble ended it. Every finding recorded by then must have its files."""
    try:
        workshop.run(folder, PROGRAMS, trouble)
    except (KeyboardInterrupt, Killed):
        ended = True
    else:
        ended = False
    if (folder / STATE).exists():
        for finding in read_state(folder, TARGET, SEED).findings:
            assert read_transcript(folder / finding.transcript).verdict is not None
            assert not finding.finished or all((folder / name).exists() for name in finding.files)
    return ended


def test_the_campaign_that_is_interrupted_has_it_all(workshop: Workshop, tmp_path: Path) -> None:
    """The other tests would mean little if there were nothing to lose."""
    state = workshop.run(tmp_path, PROGRAMS)
    stages = [finding.stage for finding in state.findings]
    assert set(stages) == {FindingStage.CONFIRMED, FindingStage.ONCE}
    assert stages.count(FindingStage.ONCE) == 1
    checks = [finding.check for finding in state.findings]
    assert len(set(checks)) == len(checks) > 2, "each check is a finding once"
    assert sum(len(finding.aliases) for finding in state.findings) > 1, "some turned out to be known when shrunk"
    assert sum(finding.examples for finding in state.findings) > len(state.findings)
    assert "after removing .jsonl" in workshop.trouble.passed, "one was a known one"
    assert state.seen


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["interrupted", "killed"])
def test_one_interruption_of_each_kind_changes_nothing(kill: bool, workshop: Workshop, tmp_path: Path) -> None:
    """Before, while and after a file of each kind is written or removed; the first time and the last time."""
    workshop.run(tmp_path / "whole", PROGRAMS)
    whole, names = content(tmp_path / "whole"), workshop.trouble.passed
    firsts = {names.index(name) + 1 for name in names}
    lasts = {len(names) - names[::-1].index(name) for name in names}
    for at in sorted(firsts | lasts):
        folder = tmp_path / str(at)
        assert _broken_off(workshop, folder, Trouble(at, kill))
        workshop.run(folder, PROGRAMS)
        assert content(folder) == whole, f"boundary {at}, {names[at - 1]}"


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["interrupted", "killed"])
@pytest.mark.parametrize("seed", range(2))
def test_thirty_interruptions_change_nothing(seed: int, kill: bool, workshop: Workshop, tmp_path: Path) -> None:
    """Each run is ended after a random number of boundaries; when a campaign completes, another one is started."""
    workshop.run(tmp_path / "whole", PROGRAMS)
    source = random.Random(seed)
    folders = iter(range(30))
    folder = tmp_path / f"torn-{next(folders)}"
    ended = 0
    while ended < 30:
        if _broken_off(workshop, folder, Trouble(source.randint(1, 60), kill)):
            ended += 1
        else:
            assert content(folder) == content(tmp_path / "whole")
            folder = tmp_path / f"torn-{next(folders)}"
    workshop.run(folder, PROGRAMS)
    assert content(folder) == content(tmp_path / "whole")


def _run_and_kill(workshop: Workshop, folder: Path, seconds: float) -> bool:
    """Continue a campaign in another process and kill it after some time; returns whether it had completed by then."""
    pid = os.fork()
    if not pid:
        try:
            workshop.run(folder, PROGRAMS)
            os._exit(0)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.slow
def test_fifty_real_kills_change_nothing(workshop: Workshop, tmp_path: Path) -> None:
    """SIGKILL strikes at arbitrary moments, also within SQLite. What was confirmed is there afterwards, and stays."""
    began = time.monotonic()
    workshop.run(tmp_path / "whole", PROGRAMS)
    took = time.monotonic() - began
    source = random.Random(15)
    folders = count()
    folder, confirmed, killed = tmp_path / f"torn-{next(folders)}", set[str](), 0
    while killed < 50:
        through = _run_and_kill(workshop, folder, source.uniform(0, took))
        state = read_state(folder, TARGET, SEED) if (folder / STATE).exists() else State()
        now = {one.name for one in state.findings if one.stage is FindingStage.CONFIRMED}
        assert confirmed <= now
        confirmed = now
        killed += not through
        if through or state.done == PROGRAMS:
            workshop.run(folder, PROGRAMS)
            assert content(folder) == content(tmp_path / "whole")
            folder, confirmed = tmp_path / f"torn-{next(folders)}", set()
    workshop.run(folder, PROGRAMS)
    assert content(folder) == content(tmp_path / "whole")
