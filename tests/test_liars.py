"""Targets that misbehave: each gets its verdict within the time limit, and the run continues with the next case."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.testkit.scenario import load, scenarios
from tests.liar import MODES

load()
LIAR = Path(__file__).parent / "liar.py"

HANDSHAKE = "conformance.interop.handshake_asked_by_target[v3]"
SMP = "conformance.interop.smp_equal[v3]"
SEED = "conformance.claims.same_seed_gives_same_bytes[v3]"

EXPECTED = {
    "honest": (HANDSHAKE, Verdict.PASS, ""),
    "accept_everything": (HANDSHAKE, Verdict.FAIL, "session.not-established"),
    "refuse_everything": (HANDSHAKE, Verdict.FAIL, "session.not-established"),
    "echo": (HANDSHAKE, Verdict.FAIL, "form.wrong-sender-tag"),
    "stall": (HANDSHAKE, Verdict.HANG, "hang.receive"),
    "crash": (SMP, Verdict.CRASH, "crash.receive.sigabrt"),
    "leave": (HANDSHAKE, Verdict.CRASH, "crash.receive.exit-7"),
    "garbage": (HANDSHAKE, Verdict.DESYNC, "desync.receive"),
    "half_a_line": (HANDSHAKE, Verdict.CRASH, "crash.receive.exit-0"),
    "late_answer": (HANDSHAKE, Verdict.DESYNC, "desync.receive"),
    "flood": (HANDSHAKE, Verdict.DESYNC, "desync.receive"),
    "eat": (HANDSHAKE, Verdict.CRASH, "exception.receive.MemoryError"),
    "raises": (HANDSHAKE, Verdict.CRASH, "exception.receive.ValueError"),
    "sends_nothing": (HANDSHAKE, Verdict.FAIL, "session.not-established"),
    "sends_all_a_hundred_times": (HANDSHAKE, Verdict.FAIL, "run.never-settles"),
    "only_talk": (SMP, Verdict.UNSUPPORTED, ""),
    "nondeterministic": (SEED, Verdict.FAIL, "driver.not-repeatable"),
}


def test_every_liar_has_a_verdict() -> None:
    assert set(EXPECTED) == set(MODES)


@pytest.mark.slow
@pytest.mark.parametrize("mode", EXPECTED)
def test_a_liar_gets_its_verdict_and_the_run_goes_on(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(LIAR.parents[1]))
    monkeypatch.setenv("OTTERPROOF_DRIVER_MEMORY", "1024")
    name, verdict, check = EXPECTED[mode]
    (scenario,) = scenarios(name)
    target = DriverTarget(mode, [sys.executable, LIAR, mode], time_limit=2 if mode == "stall" else 30)
    try:
        result = run(scenario, target, b"seed")
        assert (result.verdict, result.check) == (verdict, check), result.detail
        # The next case gets a working target, whatever happened to the last one.
        again = run(scenario, target, b"seed")
        assert again.verdict is verdict, again.detail
    finally:
        target.close()
