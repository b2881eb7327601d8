"""Campaigns and time: slow and hanging targets, --max-time, saved progress, signals, failures that differ each time."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import CONFIRM, MOST, SAVE_EVERY, Campaign, opened
from otterproof.harness.runs.fuzz.evidence import MOST_MOVES
from otterproof.harness.runs.fuzz.execute import DETAIL, Failure, attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.shrink import ATTEMPTS, HANGS, Budget
from otterproof.harness.runs.fuzz.state import FindingStage
from otterproof.harness.runs.fuzz.store import STATE, read_state
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.defaults import SHRINK_TIME
from otterproof.harness.support.inputs import LIMITS
from otterproof.harness.targets.driver import TargetCrash
from otterproof.harness.ui import cli
from tests.hostile.interruptions import (
    NOT_AGAIN,
    SEED,
    TARGET,
    Killed,
    Trouble,
    Watch,
    Workshop,
    content,
    fake_attempt,
    finish,
)


class Slow:
    """A target whose attempts take time on a simulated clock, and fail in one way or not at all."""

    def __init__(self, seconds: float, verdict: Verdict | None) -> None:
        self.now = 0.0
        self.attempts = 0
        self._seconds = seconds
        self._verdict = verdict

    def clock(self) -> float:
        return self.now

    def attempt(self, program: Program, *, fresh: bool = False, watch: Watch | None = None) -> Failure | None:
        self.now += self._seconds
        self.attempts += 1
        if self._verdict is None or not program.moves:
            return None
        return Failure("bounds", self._verdict, Bucket("bounds.an-answer"), "none", False, len(program.moves))


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(monkeypatch)


def _campaign(workshop: Workshop, slow: Slow, campaign: Campaign) -> Campaign:
    workshop.attempt = slow.attempt
    campaign.clock = slow.clock
    return campaign


# ---- shrinking


def test_shrinking_a_hang_is_bounded_by_the_attempts_that_hang(workshop: Workshop, tmp_path: Path) -> None:
    """One attempt finds it, one makes the transcript, HANGS shrink it, one examines it, CONFIRM confirm it."""
    slow = Slow(0.0, Verdict.HANG)
    with opened(TARGET, "long", tmp_path) as campaign:
        (finding,) = finish(_campaign(workshop, slow, campaign), 1).findings
    assert finding.stage is FindingStage.CONFIRMED
    assert slow.attempts <= 3 + HANGS + CONFIRM + len(ORACLES)
    assert HANGS < ATTEMPTS


def test_shrinking_with_a_slow_target_is_bounded_in_seconds(workshop: Workshop, tmp_path: Path) -> None:
    slow = Slow(100.0, Verdict.CRASH)
    with opened(TARGET, "long", tmp_path) as campaign:
        (finding,) = finish(_campaign(workshop, slow, campaign), 1).findings
    assert finding.stage is FindingStage.CONFIRMED
    assert slow.attempts <= 3 + 1 + SHRINK_TIME // 100 + 1 + CONFIRM + len(ORACLES) + MOST_MOVES


# ---- progress


def _run_and_kill(workshop: Workshop, folder: Path, seconds: float, programs: int) -> int:
    """Run a campaign whose programs take this many seconds each, and kill it. Returns how many were recorded."""
    slow = Slow(seconds, None)
    workshop.trouble = Trouble()
    try:
        with opened(TARGET, SEED, folder) as campaign:
            for _ in _campaign(workshop, slow, campaign).run(1000, 1):
                workshop.trouble.dead = slow.attempts == programs
    except Killed:
        return read_state(folder, TARGET, SEED).done
    raise AssertionError("it was not killed")


def test_progress_is_on_disk_every_few_seconds(workshop: Workshop, tmp_path: Path) -> None:
    """A campaign without findings that is killed loses at most the programs of SAVE_EVERY seconds."""
    assert 100 - SAVE_EVERY / 0.5 <= _run_and_kill(workshop, tmp_path, 0.5, 100) <= 100


def test_a_campaign_that_is_killed_each_night_advances(workshop: Workshop, tmp_path: Path) -> None:
    done = [_run_and_kill(workshop, tmp_path, 1.0, 10) for _ in range(5)]
    assert all(later - earlier >= 10 - SAVE_EVERY for earlier, later in pairwise([0, *done]))


# ---- --max-time


def test_no_program_starts_when_the_time_is_up(workshop: Workshop, tmp_path: Path) -> None:
    """It ends like a run with fewer programs and can be continued; at least one program is run."""
    slow = Slow(3.0, None)
    for most, done in ((10.0, 4), (0.001, 5)):
        with opened(TARGET, SEED, tmp_path) as campaign:
            list(_campaign(workshop, slow, campaign).run(100, 1, max_time=most))
            assert (campaign.done, campaign.time_up) == (done, True)
    with opened(TARGET, SEED, tmp_path) as campaign:
        list(_campaign(workshop, slow, campaign).run(2, 1, max_time=6.0))
        assert (campaign.done, campaign.time_up) == (7, False), "all was run"
    assert read_state(tmp_path, TARGET, SEED).done == 7


def test_a_run_in_parts_of_time_is_the_same_as_one(workshop: Workshop, tmp_path: Path) -> None:
    whole = workshop.run(tmp_path / "whole", 3)
    done = 0
    while done < whole.done:
        with opened(TARGET, SEED, tmp_path / "parts") as campaign:
            campaign.attempts = 12
            list(campaign.run(whole.done - campaign.done, 1, max_time=1e-9))
            done = campaign.done
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_the_command_says_that_the_time_is_up(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.attempt = Slow(0.0, None).attempt
    command = ["fuzz", TARGET, "--jobs", "1", "--out", str(tmp_path), "--examples", "3", "--max-time"]
    assert cli.main([*command, "0.000000001"]) == 0
    assert "the time of --max-time is up; --resume goes on with the next program" in capsys.readouterr().err
    assert cli.main([*command, "1000", "--resume"]) == 0
    assert "--max-time" not in capsys.readouterr().err
    for wrong in ("0", "-1", "nan", "inf", "soon"):
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, wrong])
        assert ended.value.code == 2


# ---- failures that are not the same each time


def test_failures_that_do_not_come_again_suppress_nothing(workshop: Workshop, tmp_path: Path) -> None:
    """The programs fail; then their first five runs from the very beginning pass, and later ones fail again."""
    fresh_runs = [0]

    def attempt(program: Program, *, fresh: bool = False, watch: Watch | None = None) -> Failure | None:
        fresh_runs[0] += fresh
        failure = fake_attempt(program, fresh=fresh, watch=watch)
        if failure is None or failure.oracle == NOT_AGAIN or (fresh and fresh_runs[0] <= 5):
            return None
        return replace(failure, bucket=Bucket("bounds.an-answer"))

    workshop.attempt = attempt
    state = workshop.run(tmp_path, 8)
    stages = [finding.stage for finding in state.findings]
    assert stages.count(FindingStage.ONCE) <= 2, "one of each oracle"
    assert FindingStage.CONFIRMED in stages
    once = [finding for finding in state.findings if finding.stage is FindingStage.ONCE]
    assert all(finding.runs == 10 for finding in once), "and their rate is known"


def test_a_target_with_a_new_failure_each_time_does_not_fill_the_disk(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("otterproof.harness.runs.fuzz.campaign.MOST", 5)

    def attempt(program: Program, *, fresh: bool = False, watch: Watch | None = None) -> Failure | None:
        how = hashlib.sha256(repr(program.moves).encode()).hexdigest()
        return Failure("bounds", Verdict.CRASH, Bucket(f"crash.receive.{how}"), "in other words each time", False, 1)

    workshop.attempt = attempt
    command = ["fuzz", TARGET, "--jobs", "1", "--out", str(tmp_path), "--examples", "40"]
    assert cli.main(command) == 1
    state = read_state(tmp_path, TARGET, "otterproof")
    assert len(state.findings) == 5
    assert state.not_kept > 0
    assert sum(finding.examples for finding in state.findings) + state.not_kept == 40
    assert f"{state.not_kept} more failures" in " ".join(capsys.readouterr().out.split())


def test_what_a_target_says_at_length_is_cut(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Megabytes of error text in each finding would make a campaign's file too large to read."""
    words = "\U0001f9a6" * 1_000_000

    def fail(*_: object) -> None:
        raise TargetCrash(words)

    workshop.attempt = attempt
    monkeypatch.setattr("otterproof.harness.runs.fuzz.workers.attempt", attempt)
    monkeypatch.setattr("otterproof.harness.runs.fuzz.case.Case.begin", fail)
    state = workshop.run(tmp_path, 1)
    assert state.findings
    assert all(len(finding.detail) <= DETAIL and len(finding.check) <= 100 for finding in state.findings)
    # Each character takes 12 bytes in JSON. The rest is a program, at most 30 kB.
    assert LIMITS["campaign"] > MOST * (12 * (DETAIL + 200) + 30_000)


# ---- signals


#: The command, with little shrinking.
QUICK = """
import sys
from otterproof.harness.ui import entry
from otterproof.harness.runs.fuzz import campaign, shrink
campaign.Budget = lambda *_: shrink.Budget(attempts=10)
sys.exit(entry.main())
"""


def _stop_when_it_advances(folder: Path, number: int) -> int:
    """Continue a campaign in another process, send a signal once it has made progress, and return its exit code."""
    command = [sys.executable, "-c", QUICK, "fuzz", "fault:counter-constant", "--examples", "10000", "--jobs", "1"]
    command += ["--resume"]
    before = _progress(folder)
    with subprocess.Popen(
        [*command, "--out", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while _progress(folder) == before or not list(folder.glob("*/*")):
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(number)
            return process.wait(60)
        finally:
            process.kill()


def _progress(folder: Path) -> object:
    """Changes as soon as a campaign makes progress: its database and its log."""
    files = [path for path in folder.glob(f"{STATE}*") if path.name in (STATE, f"{STATE}-wal")]
    return {path.name: path.stat().st_size for path in files if path.exists()}, len(list(folder.glob("*/*")))


@pytest.mark.slow
def test_signals_in_a_real_process_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SIGTERM, then SIGKILL, at arbitrary moments. Two processes have to be started, so it takes seconds."""
    monkeypatch.setattr("otterproof.harness.runs.fuzz.campaign.Budget", lambda *_: Budget(attempts=10))
    torn = tmp_path / "torn"
    codes = [_stop_when_it_advances(torn, one) for one in (signal.SIGTERM, signal.SIGKILL)]
    assert codes == [130, -signal.SIGKILL]
    for finding in read_state(torn, "fault:counter-constant", "otterproof").findings:
        assert (torn / finding.transcript).exists()
        assert not finding.finished or all((torn / name).exists() for name in finding.files)
    with opened("fault:counter-constant", "otterproof", torn) as campaign:
        done = finish(campaign, 0).done
    with opened("fault:counter-constant", "otterproof", tmp_path / "whole") as campaign:
        finish(campaign, done)
    assert done > 0
    without_pages = {name: one for name, one in content(torn).items() if not name.endswith(".html")}
    assert without_pages == content(tmp_path / "whole"), "only the command writes pages"
