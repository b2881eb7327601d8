"""The first run of a program in a campaign judges samples where judging takes long; a failure is judged in full."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import Watched, attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.simulation.moves import Craft, Deliver, Settle, User
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.wire.craft import NEXT_KEY
from otterproof.implementations.reference import ReferenceEngine

#: A check that is judged in samples, and a fault that it shows.
CHECK, FAULT = "forgetting.session-keys-kept", "fault:session-keys-never-forgotten"


def judged_by_forgetting(number: int) -> Program:
    """A program in which no other oracle notices the fault before."""
    drawn = program("samples", number, open_target(FAULT))
    return replace(drawn, setup=replace(drawn.setup, oracles=("forgetting",)))


def test_samples_show_what_all_show_but_not_in_every_program() -> None:
    seen: Counter[tuple[bool, bool]] = Counter()
    for number in range(40):
        drawn = judged_by_forgetting(number)
        sampled = attempt(drawn, watched=Watched(quick=True))
        full = attempt(drawn)
        assert sampled in (None, full), f"{drawn}: a failure is that of the run in which everything is judged"
        assert full is None or full.check == CHECK
        seen[sampled is not None, full is not None] += 1
    assert seen[True, True] > 2
    assert seen[False, True] > 0, "nothing was left out"
    assert not seen[True, False]


@pytest.mark.parametrize("entropy", [8, 118, 257])
def test_samples_raise_no_false_alarm(entropy: int) -> None:
    """A sampled key is new at the same time as the exponent of another key, and they are taken to belong together."""
    target = SingleEngineTarget("reference", ReferenceEngine)
    setup = Setup("three", policy="v3", target=target, entropy=entropy, oracles=("forgetting", "healing"))
    said, sent = User("alice", "send", {"text": b"from alice"}), User("bob1", "send", {"text": b"from bob1"})
    moves = (said, Deliver("bob1"), sent, Settle(), sent, Craft("alice", -1, NEXT_KEY, 0, bytes(8)))
    assert attempt(Program(setup, moves), watched=Watched(quick=True)) is None


def test_what_a_failing_run_shows_is_told_once() -> None:
    for number in range(40):
        drawn, watched = judged_by_forgetting(number), Watched(quick=True)
        failure = attempt(drawn, watched=watched)
        if failure is not None:
            assert len(watched.sent) == failure.made
            return
    raise AssertionError("no program failed")
