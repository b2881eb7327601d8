"""The independent engine by itself: plain text, headers, and garbage, which must be cheap to process."""

from __future__ import annotations

import random

import pytest

from otterproof.harness.simulation.exchange import exchange, outgoing
from otterproof.implementations.contract import (
    ActionRefused,
    ErrorMessageReceived,
    Event,
    MessageRejected,
    MessageState,
    MessageUnreadable,
    OutgoingMessage,
    Policy,
    RefuseReason,
    RejectReason,
    TextReceived,
)
from otterproof.implementations.independent import IndependentEngine
from tests.independent_pair import (
    BOTH,
    ONLY,
    QUERY,
    TAG_A,
    TAG_B,
    TAG_BASE,
    TAG_V1,
    TAG_V2,
    TAG_V3,
    alice,
    bob,
    cpu_seconds,
    established,
    header_size,
    raw,
    say,
    shuttle,
    sole,
    state_of,
    wrap,
)

# ---- unencoded text


def test_whitespace_tags() -> None:
    policy = BOTH | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE
    a, b = alice(policy=policy), bob(policy=policy)
    tagged = sole(a.send(b"hello"))
    assert tagged == b"hello" + TAG_BASE + TAG_V2 + TAG_V3
    shown, commit = b.receive(tagged)
    assert shown == TextReceived(b"hello", False, False, 0)
    assert isinstance(commit, OutgoingMessage)
    assert b.inspect().heard_plaintext
    assert sole(b.send(b"plain")) == b"plain"
    shuttle(b, a, [commit])
    assert a.receive(tagged)[0] == TextReceived(b"hello", False, True, 0)
    b.end()
    assert sole(b.send(b"again")) == b"again" + TAG_BASE + TAG_V2 + TAG_V3


@pytest.mark.parametrize(
    ("text", "shown", "version"),
    [
        (b"a" + TAG_BASE + TAG_V2 + b"b", b"ab", 2),
        (TAG_BASE + TAG_V1 + TAG_V3 + TAG_V2 + b"   ", b"   ", 3),
        (TAG_BASE + b" " * 8 + b"x", b"x", None),
        (TAG_BASE + TAG_V1, b"", None),
        (TAG_BASE + b"x" + TAG_V2, TAG_BASE + b"x" + TAG_V2, None),
        (TAG_BASE + b"x" + TAG_BASE + TAG_V2, TAG_BASE + b"x", 2),
        (b"", b"", None),
    ],
)
def test_whitespace_forms(text: bytes, shown: bytes, version: int | None) -> None:
    events = alice(policy=BOTH | Policy.WHITESPACE_START_AKE).receive(text)
    assert events[0] == TextReceived(shown, False, False, 0)
    assert [raw(message)[1] for message in outgoing(events)] == ([] if version is None else [version])
    assert len(alice().receive(text)) == 1


def test_disabled() -> None:
    a = alice(policy=Policy.REQUIRE_ENCRYPTION | Policy.SEND_WHITESPACE_TAG | Policy.ERROR_START_AKE)
    for message in (b"?OTRv23?", b"?OTR Error: x", b"?OTR:AAMC.", b"?OTR,1,2,x,", TAG_BASE + TAG_V2):
        assert a.receive(message) == [TextReceived(message, False, True, 0)]
    assert sole(a.send(b"as it is")) == b"as it is"
    assert a.start() == [ActionRefused("start", RefuseReason.NOT_IN_VERSION)]


def test_errors_and_start() -> None:
    assert alice().receive(b"!?OTR Error: no?OTR Error:!") == [ErrorMessageReceived(b" no?OTR Error:!")]
    a = alice(policy=BOTH | Policy.ERROR_START_AKE)
    assert a.receive(b"?OTR Error:") == [ErrorMessageReceived(b""), OutgoingMessage(b"?OTRv23?")]
    assert sole(alice(policy=ONLY[2]).start()) == b"?OTRv2?"
    assert sole(alice(policy=ONLY[3]).start()) == b"?OTRv3?"


def test_markers_in_their_order() -> None:
    a = alice()
    assert a.receive(b"?OTR:AA== ?OTR,1,1,x,") == [TextReceived(b"x", False, False, 0)]
    assert a.receive(b"?OTR Error: ?OTR:AA==") == [MessageRejected(RejectReason.BAD_ARMOUR)]
    assert a.receive(b"?OTRv3? ?OTR Error: x") == [ErrorMessageReceived(b" x")]


# ---- the header


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", MessageRejected(RejectReason.MALFORMED, "version", 0)),
        (b"\0", MessageRejected(RejectReason.MALFORMED, "version", 0)),
        (b"\0\1", MessageRejected(RejectReason.UNKNOWN_VERSION)),
        (b"\0\4\2", MessageRejected(RejectReason.UNKNOWN_VERSION)),
        (b"\0\3", MessageRejected(RejectReason.MALFORMED, "type", 2)),
        (b"\0\2", MessageRejected(RejectReason.MALFORMED, "type", 2)),
        (b"\0\2\x63", MessageRejected(RejectReason.UNKNOWN_TYPE)),
        (b"\0\3\2\0\0", MessageRejected(RejectReason.MALFORMED, "sender_tag", 3)),
        (b"\0\3\2\0\0\0\xff", MessageRejected(RejectReason.BAD_SENDER_TAG)),
        (b"\0\3\2\0\0\1\0", MessageRejected(RejectReason.MALFORMED, "receiver_tag", 7)),
        (b"\0\3\2\0\0\1\0\0\0\0\1", MessageRejected(RejectReason.BAD_RECEIVER_TAG)),
        (b"\0\3\x63\0\0\1\0\0\0\x77\1", MessageRejected(RejectReason.OTHER_INSTANCE)),
        (b"\0\3\x0a\0\0\1\0\0\0\0\0", MessageRejected(RejectReason.OTHER_INSTANCE)),
        (b"\0\3\x63\0\0\1\0\0\0\x1a\x2b", MessageRejected(RejectReason.UNKNOWN_TYPE)),
        (b"\0\3\2\0\0\1\0\0\0\0\0", MessageRejected(RejectReason.MALFORMED, "encrypted_gx", 11)),
        (b"\0\2\2\0\0\0\0\0\0\0\1x", MessageRejected(RejectReason.MALFORMED, "hashed_gx", 7)),
        (b"\0\2\x0a\0\0\0\2\0\1", MessageRejected(RejectReason.NON_MINIMAL_MPI, "gy", 3)),
        (b"\0\2\x0a\0\0\0\1\5!", MessageRejected(RejectReason.MALFORMED, "end", 8)),
        (b"\0\2\x11\0\0\0\1\5", MessageRejected(RejectReason.MALFORMED, "revealed_key", 3)),
        (b"\0\2\x12\0\0\0\1\5", MessageRejected(RejectReason.MALFORMED, "mac", 8)),
    ],
)
def test_header_and_bodies(body: bytes, expected: Event) -> None:
    assert alice().receive(wrap(body)) == [expected]


@pytest.mark.parametrize(
    "text", [b"", b"AAM", b"AAM=", b"A===", b"====", b"AA==AAAA", b"AA\n==", b"AA-_", b"AAMC=", b"="]
)
def test_armour(text: bytes) -> None:
    events = alice().receive(b"?OTR:" + text + b".")
    valid = text in (b"", b"AAM=")
    assert isinstance(events[0], MessageRejected)
    assert (events[0].reason is not RejectReason.BAD_ARMOUR) is valid
    assert alice().receive(b"?OTR:" + text) == [MessageRejected(RejectReason.BAD_ARMOUR)]


def test_armour_ends_at_the_first_period() -> None:
    a, b = established()
    message = sole(a.send(b"x"))
    assert b.receive(b"see: " + message + b"?OTR:.") == [TextReceived(b"x", True, False, TAG_A)]


# ---- rubbish


def stages(version: int) -> list[tuple[IndependentEngine, bytes]]:
    """Every kind of message, each with an engine that expects it."""
    a, b = alice(), bob()
    found: list[tuple[IndependentEngine, bytes]] = []

    def note(receiver: str, message: bytes) -> None:
        engine, twin = (a, alice()) if receiver == "a" else (b, bob())
        twin.restore(engine.snapshot())
        found.append((twin, message))

    engines = {"a": a, "b": b}
    exchange(engines, "a", a.receive(QUERY[version]), watch=note)
    exchange(engines, "a", a.send(b"text"), watch=note)
    exchange(engines, "b", b.send(b"text", padding=20), watch=note)
    exchange(engines, "a", a.smp_start(b"s", question=b"q"), watch=note)
    exchange(engines, "b", b.smp_answer(b"s"), watch=note)
    return found


def authenticated_end(body: bytes, version: int) -> int:
    """The offset where the MAC of a Data Message ends."""
    at = header_size(version) + 9
    at += 4 + int.from_bytes(body[at : at + 4], "big") + 8
    return at + 4 + int.from_bytes(body[at : at + 4], "big") + 20


@pytest.mark.parametrize("version", [2, 3])
def test_bit_flips_and_truncations(version: int) -> None:
    chance = random.Random(version)
    for engine, message in stages(version):
        body = raw(message)
        start, before = engine.snapshot(), engine.inspect()
        kind = body[2]
        end = authenticated_end(body, version) if kind == 3 else 0
        for _ in range(60):
            broken = bytearray(body)
            at = chance.randrange(len(body))
            broken[at] ^= 1 << chance.randrange(8)
            events = engine.receive(wrap(bytes(broken)))
            # Nothing authenticates a commit or a D-H Key; nor are old MAC keys authenticated.
            if kind in (0x11, 0x12) or (kind == 3 and header_size(version) <= at < end):
                assert engine.inspect() == before, (kind, at, events)
            engine.restore(start)
        for cut in {0, 1, 2, 3, 10, 11, len(body) - 1, *(chance.randrange(len(body)) for _ in range(30))}:
            events = engine.receive(wrap(body[:cut]))
            assert isinstance(events[0], MessageRejected | MessageUnreadable)
            assert engine.inspect() == before
            engine.restore(start)
        assert events


def test_random_bytes() -> None:
    chance = random.Random(1)
    a, b = established()
    markers = [
        b"?OTR:",
        b"?OTR|",
        b"?OTR,",
        b"?OTR Error:",
        b"?OTRv",
        b"?OTR?",
        TAG_BASE,
        b".",
        b",",
        b"|",
        b"1a2b",
        b"?",
    ]
    for _ in range(3000):
        message = b"".join(
            chance.choice([chance.choice(markers), chance.randbytes(chance.randrange(9))]) for _ in range(9)
        )
        a.receive(message)
        a.receive(wrap(chance.choice([b"\0\2", b"\0\3"]) + chance.randbytes(chance.randrange(60))))
    assert state_of(a, TAG_B).message_state is MessageState.ENCRYPTED
    assert say(b, a, b"alive")[0] == TextReceived(b"alive", True, False, TAG_B)


@pytest.mark.parametrize(
    "message",
    [
        b"?OTR:" * 200_000,
        b"?OTRv" * 200_000,
        b"?OTR?v" * 200_000,
        b"?OTR|" * 200_000,
        b"?OTR|500|1a2b,1,2," + b"x" * 3_000_000,
        TAG_BASE * 60_000 + b"x",
        b" \t" * 500_000,
        b"?OTR:" + b"A" * 4_000_000 + b".",
        b"?OTR:" + b"A" * 4_000_001 + b".",
    ],
)
def test_large_input_is_quick(message: bytes) -> None:
    a = alice()
    assert cpu_seconds(lambda: a.receive(message)) < 1


def test_large_numbers_are_quick() -> None:
    a = alice()
    a.receive(QUERY[2])
    huge = b"\xff" * 1_000_000
    answers: list[Event] = []
    message = wrap(b"\0\2\x0a" + len(huge).to_bytes(4, "big") + huge)
    assert cpu_seconds(lambda: answers.extend(a.receive(message))) < 1
    assert answers == [MessageRejected(RejectReason.BAD_GROUP_ELEMENT)]
