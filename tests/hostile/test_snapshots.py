"""Drivers that claim `snapshot` and break the claim get a verdict from `explore` and `check`, and leave nothing."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from otterproof.harness.runs.explore import copies
from otterproof.harness.runs.explore.certificate import Certificate
from otterproof.harness.runs.explore.errors import SnapshotBroken
from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget, Limits
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.scenario import load, scenarios
from tests.hostile.snapshots_driver import LIES

load()
DRIVER = Path(__file__).with_name("snapshots_driver.py")

#: Lies that end a call by its time limit, which is short for them.
SLOW = {"never restores", "never keeps"}

#: Having no room for a snapshot does not count as a lie in an exploration.
BROKEN = sorted(LIES.keys() - {"cannot"})


def liar(lie: str) -> DriverTarget:
    target = open_target(f"exec:{sys.executable} {DRIVER} '{lie}'", Limits(2.0 if lie in SLOW else 60.0))
    assert isinstance(target, DriverTarget)
    return target


def explored(target: DriverTarget) -> Certificate:
    with closing(Exploration("data", target, keep_going=True)) as exploration:
        for _ in exploration.levels(2):
            pass
        return exploration.certificate


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[DriverTarget]:
    """All targets made."""
    made: list[DriverTarget] = []
    another = DriverTarget.another

    def noted(target: DriverTarget) -> DriverTarget:
        made.append(another(target))
        return made[-1]

    monkeypatch.setattr(DriverTarget, "another", noted)
    return made


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and os.getpid() != pid


@pytest.mark.parametrize("lie", BROKEN)
def test_exploring_ends_with_a_verdict(lie: str, started: list[DriverTarget]) -> None:
    with closing(liar(lie)) as target, pytest.raises(SnapshotBroken, match="claims `snapshot`") as ended:
        explored(target)
    assert ended.value.exit_code == 1
    assert started
    assert not any(runs(one.pid) for one in started)


@pytest.mark.parametrize("lie", sorted(LIES))
def test_the_claim_is_judged(lie: str) -> None:
    (claims,) = [one for one in scenarios("claimed_capabilities_work") if one.version == 2]
    with closing(liar(lie)) as target:
        result = run(claims, target, b"seed")
    assert result.verdict in (Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC), result


def test_what_is_repeated_and_what_is_restored_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = []
    honest = f"exec:{sys.executable} -m otterproof.implementations.drivers.engine.driver reference"
    for most in (64, 2, 0):
        monkeypatch.setattr(copies, "MOST", most)
        with closing(open_target(honest)) as target:
            assert isinstance(target, DriverTarget)
            certificates.append(explored(target))
    assert len({(one.states, one.steps, tuple(one.parties), one.healed) for one in certificates}) == 1
    assert not any(one.found for one in certificates)


def test_no_room_for_a_snapshot_is_no_lie() -> None:
    with closing(liar("cannot")) as target:
        assert explored(target).found == []
