"""Most oracles skip steps in which a party only handles a fragment or sets a policy; this changes no verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otterproof.harness.judges import oracles
from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.runs.fuzz.execute import Failure, attempt
from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.simulation.world import Step
from otterproof.harness.targets.engines import SingleEngineTarget, Target
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.targets.lean import LeanTarget
from otterproof.implementations.contract import MIN_MESSAGE_SIZE
from otterproof.implementations.reference import ReferenceEngine

#: Faults seen by oracles that judge what a party remembers or whom it answers.
FAULTS = [
    "counter-constant",
    "gap-leaves-fragments",
    "key-ids-sent-from-0",
    "live-mac-key-revealed",
    "mac-keys-never-revealed",
    "next-key-new-in-each-message",
    "own-key-id-starts-at-0",
    "own-key-never-rotated",
    "query-ends-the-session",
    "query-sent-encrypted",
    "session-keys-never-forgotten",
    "text-shown-twice",
]


def verdicts(target: Target, count: int) -> list[Failure | None]:
    """The failures of the first programs for a target, with the smallest possible fragments."""
    made = [program("pieces", number, target) for number in range(count)]
    return [attempt(replace(one, setup=replace(one.setup, size=MIN_MESSAGE_SIZE))) for one in made]


def assert_judged_alike(target: Target, count: int, monkeypatch: pytest.MonkeyPatch) -> list[Failure | None]:
    """The verdicts, which must be the same if all oracles look at every step."""
    usual = oracles._changes_nothing
    pieces = 0

    def counted(view: Observation, last: Step) -> bool:
        nonlocal pieces
        pieces += (found := usual(view, last))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(oracles, "_changes_nothing", counted)
        found = verdicts(target, count)
    with monkeypatch.context() as patch:
        patch.setattr(oracles, "_changes_nothing", lambda view, last: False)
        assert verdicts(target, count) == found
    assert pieces > count, "there are pieces of messages in these runs"
    return found


def test_pieces_of_messages_need_few_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    for target in (SingleEngineTarget("reference", ReferenceEngine), LeanTarget("reference", ReferenceEngine)):
        assert not any(assert_judged_alike(target, 3, monkeypatch))
    assert any(assert_judged_alike(FaultTarget("counter-constant"), 3, monkeypatch))


@pytest.mark.slow
def test_no_fault_is_noticed_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for fault in FAULTS:
        found = assert_judged_alike(FaultTarget(fault), 8, monkeypatch)
        assert any(found), fault
