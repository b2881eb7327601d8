"""Targets that send nothing, or everything a hundred times, are judged by a part of the suite.

Such a target fails in every scenario that needs an answer. A scenario that ends with an error of its own (`infra`) did
not expect this behaviour of a target, which is a defect of the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.odd import OddTarget, Quirks
from otterproof.harness.testkit.scenario import load, scenarios

Told = dict[str, Any]

#: A target is judged by every n-th scenario; n is prime, so that no kind is left out.
STRIDE = 41


def _is_message(event: Told) -> bool:
    return bool(event["event"] == "outgoing_message")


def _is_data(event: Told) -> bool:
    return _is_message(event) and event["message"].startswith(("?OTR:AAMD", "?OTR:AAID"))


def _times(number: int, which: Callable[[Told], bool]) -> Callable[[Sequence[Told]], list[Told]]:
    """Repeats some events this many times."""
    return lambda events: [event for event in events for _ in range(number if which(event) else 1)]


def _cut(events: Sequence[Told]) -> list[Told]:
    """Each message truncated."""
    return [event | {"message": event["message"][:-5]} if _is_message(event) else event for event in events]


def _emptied(events: Sequence[Told]) -> list[Told]:
    """Each message emptied."""
    return [event | {"message": ""} if _is_message(event) else event for event in events]


#: Changes to the events of an answer, by the target's behaviour.
CHANGES: Mapping[str, Callable[[Sequence[Told]], list[Told]]] = {
    "sends nothing": _times(0, _is_message),
    "says nothing": lambda events: [],
    "sends no Data Messages": _times(0, _is_data),
    "sends all a hundred times": _times(100, _is_message),
    "sends Data Messages a hundred times": _times(100, _is_data),
    "says all a hundred times": _times(100, lambda event: True),
    "sends messages without their end": _cut,
    "sends empty messages": _emptied,
}


class Liar(OddTarget):
    """An engine whose answers are changed."""

    def __init__(self, change: Callable[[Sequence[Told]], list[Told]]) -> None:
        super().__init__("liar", Quirks())
        self._change = change

    def ordered(self, events: Sequence[Told]) -> Sequence[Told]:
        return self._change(events)


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_a_liar_fails_and_is_no_error_of_ours(name: str) -> None:
    load()
    able = [one for one in scenarios() if not one.internal and one.kind not in ("properties", "differential")]
    results = [run(one, Liar(CHANGES[name]), b"otterproof") for one in able[sorted(CHANGES).index(name) :: STRIDE]]
    errors = [f"{one.scenario}: {one.detail}" for one in results if one.verdict is Verdict.INFRA]
    assert errors == []
    failed = sum(one.verdict is Verdict.FAIL for one in results)
    assert failed > len(results) / 2, f"{failed} of {len(results)} scenarios notice that it {name}"


def test_a_target_that_sends_nothing_passes_no_scenario_that_needs_an_answer() -> None:
    """These scenarios send messages to be ignored; each also sends one that must be answered."""
    load()
    names = (
        "encoding_armour.truncated_headers_are_refused",
        "negotiation_queries.unterminated_query_is_not_a_query",
        "instances_clients.handshakes_under_forged_tags_are_bounded",
        "handshake.reflected_messages_make_no_session",
    )
    chosen = [one for one in scenarios() if any(name in one.id for name in names)]
    results = [run(one, Liar(CHANGES["says nothing"]), b"otterproof") for one in chosen]
    assert [one.scenario for one in results if one.verdict is not Verdict.FAIL] == []
