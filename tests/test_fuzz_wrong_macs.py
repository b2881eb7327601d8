"""Lies in the MAC of a data message: how they are described, that engines refuse them, and which faults they reveal."""

from __future__ import annotations

import pytest

from otterproof.harness.judges.oracles import OracleFailure
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.simulation.describe import describe_move
from otterproof.harness.simulation.moves import Craft, Deliver, Duplicate, Move, Settle, User
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.wire.craft import MAC
from otterproof.harness.wire.data_lies import LIES
from otterproof.implementations.contract import MessageUnreadable, RejectReason, TextReceived
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.reference import ReferenceEngine

#: The engines on their own.
ALONE = [
    SingleEngineTarget("reference", ReferenceEngine),
    SingleEngineTarget("independent", IndependentEngine),
]


def told(number: int) -> list[Move]:
    """A text, and before it a copy with a wrong MAC."""
    sent = User("bob", "send", {"text": b"the right one"})
    return [sent, Duplicate("alice", 0), Craft("alice", 0, MAC, number, 0), Deliver("alice"), Settle()]


@pytest.mark.parametrize("target", ALONE, ids=lambda target: target.name)
@pytest.mark.parametrize("start", ["2", "3"])
def test_engines_refuse_each_lie_and_accept_the_genuine_message(target: SingleEngineTarget, start: str) -> None:
    """The two key ids differ, so a MAC with swapped ids is wrong."""
    refused = set()
    for number, lie in enumerate(LIES):
        case = Case(start=start, target=target, role="alice")
        case.run([User("alice", "send", {"text": b"a newer key"}), Settle()])
        events = case.run(told(number))
        case.finish()
        assert [one.text for one in events if isinstance(one, TextReceived)] in (
            [b"the right one"],
            [b"the right one"] * 2,  # this version has no such lie, so the copy is the genuine message
        )
        if any(isinstance(one, MessageUnreadable) and one.reason is RejectReason.BAD_MAC for one in events):
            refused.add(lie)
    # Lies that don't apply to a version: instance tags in version 2, or a version that has them.
    others = {lie for lie in LIES if "tag" in lie or "header of version 2" in lie}
    assert refused >= set(LIES) - others
    assert bool(refused & others) == (start == "3")


def test_a_lie_is_told_in_words() -> None:
    words = describe_move(Craft("alice", 0, MAC, LIES.index("leaves out both instance tags"), 0))
    assert words == "the insider gives the first message waiting for alice a MAC that leaves out both instance tags"


@pytest.mark.parametrize(
    ("fault", "lie"),
    [
        ("mac-without-tags-accepted", "leaves out both instance tags"),
        ("mac-without-sender-tag-accepted", "leaves out sender_tag"),
        ("mac-over-the-encrypted-message-alone-accepted", "covers the encrypted message alone"),
        ("mac-compared-as-a-string", "is right up to the zero byte that it begins with"),
        ("mac-over-the-mark-accepted", "also covers the mark of an encoded message"),
        ("mac-over-the-length-of-old-keys-accepted", "also covers the length of the old MAC keys"),
    ],
)
def test_an_engine_that_believes_a_lie_is_caught(fault: str, lie: str) -> None:
    case = Case(start="3", target=FaultTarget(fault), role="alice")
    with pytest.raises(OracleFailure) as caught:
        case.run(told(LIES.index(lie)))
    assert caught.value.check.startswith(("authenticity.", "mac."))
