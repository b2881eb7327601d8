"""Checks that no fault of the catalogue trips, tripped here by engines with a matching mistake.

Such a mistake is in the interface of an engine rather than in the protocol, or spans several conversations. Some checks
are defaults of the testkit that only scenarios outside the tree use. [harness/runs/faults/untripped.toml]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from otterproof.harness import wire
from otterproof.harness.runs.faults.detect import ScenarioTask, notices
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.testkit.reply import EVENT_CHECKS, MESSAGE_CHECKS, CheckFailed, Reply
from otterproof.harness.testkit.scenario import load
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import Event, OtrError
from otterproof.implementations.reference import ReferenceEngine


class TimeGoesBack(ReferenceEngine):
    """Accepts a time that goes backwards."""

    def set_time(self, now: int) -> None:
        self._state = replace(self._state, now=now)


class TimeEnds(ReferenceEngine):
    """Has a 32-bit clock."""

    def set_time(self, now: int) -> None:
        if now >= 1 << 32:
            raise OtrError(f"{now} s is too late; give a time of 32 bits")
        super().set_time(now)


class RemembersAllConversations(ReferenceEngine):
    """Keeps the counters of all conversations of the program in one place, keyed by the announced D-H key."""

    seen: set[tuple[bytes, bytes]]

    def receive(self, message: bytes) -> Sequence[Event]:
        parsed = wire.parse(message)
        if parsed.kind is Kind.DATA:
            used = parsed.raw("next_dh"), parsed.raw("ctr")
            if used in self.seen:
                return []
            self.seen.add(used)
        return super().receive(message)


@pytest.mark.parametrize(
    ("check_id", "scenario", "engine"),
    [
        ("limits.earlier-time-accepted", "differential.limits.age_of_stored_texts[v3]", TimeGoesBack),
        ("limits.later-time-refused", "differential.limits.age_of_stored_texts[v3]", TimeEnds),
        (
            "deniability.forgery-not-accepted-in-time",
            "deniability.transcripts.forgery_is_accepted_in_a_repeated_conversation[v3]",
            RemembersAllConversations,
        ),
    ],
)
def test_an_engine_that_is_made_for_it_trips_a_check(
    check_id: str, scenario: str, engine: type[ReferenceEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemembersAllConversations, "seen", set(), raising=False)
    load()
    assert [one.check for one in notices(ScenarioTask(scenario), SingleEngineTarget("stub", engine))] == [check_id]


def test_a_reply_without_the_event_or_message_trips_each_default_of_the_testkit() -> None:
    failed = []
    for kind in EVENT_CHECKS:
        with pytest.raises(CheckFailed) as missing:
            Reply(()).one(kind)  # type: ignore[type-var]
        failed.append(missing.value.check)
    for message in MESSAGE_CHECKS:
        with pytest.raises(CheckFailed) as missing:
            Reply(()).message(message)
        failed.append(missing.value.check)
    assert failed == [*EVENT_CHECKS.values(), *MESSAGE_CHECKS.values()]
