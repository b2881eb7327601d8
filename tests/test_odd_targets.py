"""Honest but odd targets are judged by the whole suite: they conform, or scenarios are unsupported; none fails.

Each is an engine of the project behind the driver protocol, with quirks that the protocol texts and the driver page
allow. A failure here is a false alarm: an honest driver would be told that it is wrong.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.insiders import with_insiders
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.simulation.moves import Craft, Deliver, Inject, Settle, User
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import TargetUnsupported
from otterproof.harness.targets.driver.target import CAPABILITIES
from otterproof.harness.targets.odd import LACKING, ODD, OddTarget, Quirks, drawn
from otterproof.harness.targets.odd_engines import variants
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.implementations.jsonform import may_be_untold

#: The number of tests that the suite is split into per target, for parallel workers.
PARTS = 4

#: The number of random programs per target.
PROGRAMS = 12

#: Targets that are judged by a part of the suite each; the part differs by target. With OTTERPROOF_ODD=all in the
#: environment, each is judged by the whole suite.
SAMPLED = {**LACKING, **{f"drawn-{seed}": drawn(seed) for seed in range(PARTS)}}

#: All of them.
EVERY: dict[str, Quirks] = {**ODD, **SAMPLED}


def judged(name: str, quirks: Quirks, part: slice) -> tuple[OddTarget, list[Result]]:
    """A target judged by a part of the suite: alarms fail the test."""
    load()
    target = OddTarget(f"odd:{name}", quirks)
    results = [run(one, target, b"otterproof") for one in [one for one in scenarios() if not one.internal][part]]
    alarms = [
        f"{one.scenario}: {one.verdict.value} {one.check}: {one.detail}"
        for one in results
        if one.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED)
    ]
    assert alarms == []
    return target, results


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLED)
def test_a_target_that_lacks_something_raises_no_alarm(name: str) -> None:
    part = slice(sorted(SAMPLED).index(name) % PARTS, None, PARTS)
    everything = os.environ.get("OTTERPROOF_ODD") == "all"
    _, results = judged(name, SAMPLED[name], slice(None) if everything else part)
    assert any(one.verdict is Verdict.PASS for one in results)


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", ODD)
def test_an_odd_target_raises_no_alarm(name: str, part: int) -> None:
    target, results = judged(name, ODD[name], slice(part, None, PARTS))
    least = len(results) / 3 if target.fixed_policy is None else 5  # most scenarios are for one version only
    assert Counter(one.verdict for one in results)[Verdict.PASS] > least


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_random_programs_raise_no_alarm(name: str) -> None:
    """A few programs per target; all have insiders if their number gives them one."""
    target = OddTarget(f"odd:{name}", EVERY[name])
    for number in range(PROGRAMS):
        failure = attempt(with_insiders(program(name, number, target), name, number))
        assert failure is None, f"{number}: {failure.check}: {failure.detail}"


#: Programs that caused false alarms: a target, the kind of network, and a number of the seed "ctl".
TAKEN_FOR_FAILURES = [("silent", "three", 6), ("silent", "three", 56), ("refuses-arguments", "pair", 2)]


@pytest.mark.parametrize(("name", "network", "number"), TAKEN_FOR_FAILURES)
def test_a_program_that_was_taken_for_a_failure(name: str, network: str, number: int) -> None:
    target = OddTarget(f"odd:{name}", ODD[name])
    failure = attempt(program("ctl", number, target, network))
    assert failure is None, failure.detail


def test_a_target_that_does_not_know_the_whitespace_tag_need_not_answer_it() -> None:
    target = OddTarget("odd:without-whitespace-tag", LACKING["without-whitespace-tag"])
    setup = Setup(start="scratch", policy="eager", target=target, role="bob")
    failure = attempt(Program(setup, (User("alice", "send", {"text": b"hello"}), Settle())))
    assert failure is None, failure.detail


def test_a_target_need_not_show_that_it_accepted_the_second_key_of_an_insider() -> None:
    """It answers an SMP message with the next one: its key id for the insider's key has advanced by then."""
    target = OddTarget("odd:without-v2", LACKING["without-v2"])
    setup = Setup(start="3", policy="private", target=target, role="alice")
    to_session = (User("alice", "start"), Deliver("bob"), Deliver("alice"), Deliver("bob"))
    other_key = (Craft("alice", 0, "public_key", 0, 0), Settle())
    secret = {"secret": b"open sesame"}
    smp = (User("alice", "smp_start", secret), Deliver("bob"), User("bob", "smp_answer", secret))
    failure = attempt(Program(setup, (*to_session, *other_key, *smp, Settle())))
    assert failure is None, failure.detail


class Listened(OddTarget):
    """An odd target whose events are recorded."""

    def __init__(self, name: str, quirks: Quirks | None = None) -> None:
        super().__init__(f"odd:{name}", quirks or ODD[name])
        self.told: list[dict[str, Any]] = []

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        answer = super().call(method, params)
        self.told += answer.get("events", ())
        return answer


def test_a_silent_target_tells_nothing_that_may_be_untold() -> None:
    load()
    target = Listened("silent")
    (chosen,) = scenarios("conformance.interop.smp_with_question[v3]")
    assert run(chosen, target, b"otterproof").verdict is Verdict.PASS
    assert {one["event"] for one in target.told} >= {"session_established", "smp_finished", "smp_requested"}
    for event in target.told:
        assert [name for name in may_be_untold(event["event"]) if event[name] is not None] == []


@pytest.mark.parametrize(("name", "first"), [("messages-first", True), ("reports-first", False)])
def test_the_order_of_an_answer_can_be_chosen(name: str, first: bool) -> None:
    load()
    target = Listened(name)
    events: list[dict[str, Any]] = [
        {"event": "smp_finished", "instance": 0, "equal": True},
        {"event": "outgoing_message", "message": ""},
    ]
    (chosen,) = scenarios("conformance.interop.smp_with_question[v3]")
    assert run(chosen, target, b"otterproof").verdict is Verdict.PASS
    assert (target.ordered(events)[0]["event"] == "outgoing_message") is first


#: What may make a client forget the fragments that it has: a message, fragments of another client, illegal ones.
BETWEEN = (b"?OTR|2b2b|1a1a,1,2,x,", b"?OTR|3c3c|1a1a,2,2,x,", b"?OTR,3,2,x,", b"?OTR,x")


@pytest.mark.parametrize("between", [None, *BETWEEN])
def test_fragments_may_be_forgotten_when_something_comes_between(between: bytes | None) -> None:
    """An Error Message in fragments, to be shown if they are kept. None: a whole message of the session comes."""
    pieces = [Inject("alice", b"?OTR,%d,3,%s," % piece) for piece in ((1, b"?OTR E"), (2, b"rror: "), (3, b"no"))]
    middle = User("bob", "send", {"text": b"hi"}) if between is None else Inject("alice", between)
    moves = (*pieces[:2], middle, Settle(), pieces[2], Settle())
    for name in ("numbers", "silent"):
        target = OddTarget(f"odd:{name}", ODD[name])
        assert attempt(Program(Setup(start="3", target=target), moves)) is None


@pytest.mark.parametrize("version", ["2", "3"])
def test_what_is_not_utf_8_may_be_shown_otherwise(version: str) -> None:
    """Texts and a question; the protocol text wants both in UTF-8."""
    begin = User("bob", "smp_start", {"secret": b"s", "question": b"\xff?"})
    texts = [User("bob", "send", {"text": text}) for text in (b"\xff\xfe", "d\u00e9j\u00e0 vu".encode("latin-1"))]
    target = OddTarget("odd:utf8", Quirks(utf8=True))
    assert attempt(Program(Setup(start=version, target=target), (*texts, Settle(), begin, Settle()))) is None


@pytest.mark.parametrize("name", LACKING)
def test_what_is_lacking_is_not_there(name: str) -> None:
    target = OddTarget(f"odd:{name}", LACKING[name])
    assert target.capabilities < CAPABILITIES
    assert name.removeprefix("without-").replace("-", "_") not in target.capabilities
    for method, needed in (
        ("smp_start", "smp"),
        ("smp_abort", "smp_abort"),
        ("extra_key", "extra_key"),
        ("dump", "dump"),
    ):
        if needed not in target.capabilities:
            with pytest.raises(TargetUnsupported):
                target.call(method, {"party": "target"})


def said(quirks: Quirks) -> list[str]:
    """The messages of a target in a few scenarios."""
    load()
    target = Listened("variant", quirks)
    for name in (
        "conformance.instances.every_message_has_both_tags[v3]",
        "conformance.data_received.data_outside_a_session_is_answered[v3]",
        "conformance.interop.smp_with_question[v3]",
        "conformance.negotiation_queries.unknown_versions_are_skipped[v3]",
        "readings.negotiation.fragments_of_two_senders[v3]",
    ):
        (chosen,) = scenarios(name)
        assert run(chosen, target, b"otterproof").verdict is Verdict.PASS
    return [event["message"] for event in target.told if event["event"] == "outgoing_message"]


@pytest.mark.parametrize("name", variants())
def test_a_variant_of_the_engine_is_seen(name: str) -> None:
    plain = replace(ODD["fresh-tags"], engine=())
    assert said(replace(plain, engine=(name,))) != said(plain)


def test_every_variant_is_part_of_a_target() -> None:
    assert {name for quirks in ODD.values() for name in quirks.engine} == set(variants())


def test_drawn_quirks_are_the_same_each_time() -> None:
    assert drawn(3) == drawn(3)
    assert len({drawn(seed) for seed in range(8)}) == 8
