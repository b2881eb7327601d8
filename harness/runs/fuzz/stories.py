"""Acts for campaigns only: long, exact sequences of moves, and values that few programs need.

Independent moves seldom make such a sequence, for example a key exchange that stops halfway and begins again; each row
here makes one. The properties under pytest use the table of actions.py alone, because their runs have to be short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from otterproof.harness.runs.fuzz.actions import (
    INJECTED,
    NUMBER,
    POSITION,
    SECRET,
    TABLE,
    WHO,
    Choice,
    Domain,
    Either,
    Numbers,
    Row,
    Several,
)
from otterproof.harness.runs.fuzz.altered import ALTERED
from otterproof.harness.runs.fuzz.behaviour import Area, Behaviour, moves_of
from otterproof.harness.runs.fuzz.lookalikes import Lookalike, Series
from otterproof.harness.runs.fuzz.situations import SITUATIONS, compared, intruded
from otterproof.harness.simulation.moves import (
    ChangeField,
    Craft,
    Deliver,
    Fragment,
    Inject,
    Move,
    Settle,
    Splice,
    Tick,
    User,
)
from otterproof.implementations.contract import Policy
from otterproof.implementations.jsonform import event_name

#: Questions that an implementation might cut, recode or take for something else.
ODD_QUESTIONS = Choice(
    (
        None,
        b"",
        b"who goes there?",
        "o\u00f9 ?".encode(),
        b"\xff\xfe",
        b"a question with\0a zero in it",
        b"?OTR:AAMD.",
        b"q" * 1100,
        b"q" * 5000,
    )
)

#: Policies that the setups lack: of one version, or with flags that seldom go together.
_FLAGS = Choice(
    (
        Policy.ALLOW_V2 | Policy.SEND_WHITESPACE_TAG,
        Policy.ALLOW_V3 | Policy.SEND_WHITESPACE_TAG,
        Policy.ALLOW_V2 | Policy.REQUIRE_ENCRYPTION,
        Policy.ALLOW_V3 | Policy.REQUIRE_ENCRYPTION,
        Policy.ALLOW_V2 | Policy.WHITESPACE_START_AKE,
        Policy.ALLOW_V3 | Policy.ERROR_START_AKE,
        Policy.REQUIRE_ENCRYPTION,
        Policy.SEND_WHITESPACE_TAG,
    )
)

#: Seconds: ten minutes, just below and above an hour, a day and more, eight days, forty days, and half a life.
_LONG = Choice((600, 3599, 3601, 86_401, 8 * 86_400, 40 * 86_400, 1 << 31))


def _messages(who: str, number: int, count: int) -> list[Move]:
    """Texts that arrive one after the other."""
    moves: list[Move] = []
    for index in range(count):
        moves += [User(who, "send", {"text": b"text number %d" % (number + index)}), Settle()]
    return moves


def _dialogue(who: str, other: str, number: int, rounds: int) -> Sequence[Move]:
    return [move for index in range(rounds) for one in (who, other) for move in _messages(one, number + index, 1)]


def _monologue(who: str, other: str, number: int, count: int) -> Sequence[Move]:
    return [*_messages(who, number, count), *_messages(other, number, 1)]


#: What a user may do while keys are exchanged.
_IN_BETWEEN: Mapping[str, Mapping[str, object]] = {
    "extra_key": {"use": 1, "data": b"in between"},
    "send": {"text": b"in between"},
    "smp_start": {"secret": b"open sesame", "question": None},
    "end": {},
}


def _questioned(who: str, other: str, question: bytes | None) -> Sequence[Move]:
    """A question that is asked and withdrawn."""
    asked = {"secret": b"open sesame", "question": question}
    return [Settle(), User(who, "smp_start", asked), Settle(), User(who, "smp_abort", {}), Settle()]


def _halfway(who: str, other: str, deliveries: int, again: bool, between: str | None) -> Sequence[Move]:
    """A key exchange up to some message, then perhaps an action of the users, and perhaps a new exchange."""
    begun: list[Move] = [User(who, "start", {})]
    begun += [Deliver(name) for _ in range(deliveries) for name in (other, who)]
    begun += [User(name, between, _IN_BETWEEN[between]) for name in (who, other) if between]
    return [*begun, User(other, "start", {}), Deliver(who), Deliver(other)] if again else begun


def _renewed(who: str, other: str, number: int) -> Sequence[Move]:
    return [*_messages(who, number, 1), User(other, "start", {}), Settle(), *_dialogue(who, other, number, 1)]


def _ended(who: str, other: str, first: bool) -> Sequence[Move]:
    """A session that ends, and the next one."""
    return [User(who, "end", {}), Settle(), User(who if first else other, "start", {}), Settle()]


def _late(who: str, other: str, number: int, seconds: int) -> Sequence[Move]:
    return [*_messages(who, number, 1), Tick(seconds), *_dialogue(who, other, number, 2)]


def _interrupted(who: str, other: str, secret: bytes, deliveries: int, by: str, mine: bool) -> Sequence[Move]:
    """A run of SMP that is interrupted by another action of either user."""
    begun: list[Move] = [User(who, "smp_start", {"secret": secret, "question": None}), Deliver(other)]
    begun += [User(other, "smp_answer", {"secret": secret})]
    for index in range(deliveries):
        begun.append(Deliver((who, other)[index % 2]))
    args = {"secret": secret, "question": None} if by == "smp_start" else {}
    return [*begun, User(who if mine else other, by, args), Settle()]


def _renewals(who: str, other: str, count: int, texts: bool) -> Sequence[Move]:
    """Handshakes one after the other, each with new random numbers."""
    talk = _dialogue(who, other, 1, 1) if texts else []
    return [move for _ in range(count) for move in (User(who, "start", {}), Settle(), *talk)]


def _shared(who: str, other: str, use: int, data: bytes) -> Sequence[Move]:
    return [User(who, "extra_key", {"use": use, "data": data}), Settle(), *_dialogue(who, other, 7, 1)]


def _version(to: str, position: int, value: int) -> Sequence[Move]:
    return [ChangeField(to, position, "version", value)]


def _long_text(who: str, other: str, size: int) -> Sequence[Move]:
    return [User(who, "send", {"text": b"a long text " * (size // 12)}), Settle(1000)]


def _rare_policy(who: str, other: str, policy: Policy) -> Sequence[Move]:
    return [User(who, "set_policy", {"policy": policy})]


def _pieces(who: str, other: str, number: int, size: int, delivered: int, stray: bytes) -> Sequence[Move]:
    """A text in fragments: some arrive, then something else, and then the rest."""
    begun: list[Move] = [User(who, "send", {"text": b"text number %d" % number}), Fragment(other, 0, size)]
    return [*begun, *[Deliver(other)] * delivered, Inject(other, stray), Settle()]


def _crossing(who: str, other: str, number: int, texts: Sequence[int]) -> Sequence[Move]:
    """Texts under way in both directions at the same time. texts: how many go out from either side in turn."""
    moves: list[Move] = []
    for index, count in enumerate(texts):
        sender, receiver = ((who, other), (other, who))[index % 2]
        moves += [User(sender, "send", {"text": b"text number %d" % (number + index)})] * count
        moves += [Deliver(receiver)] if index % 3 else []
    return [*moves, Settle()]


def _tagged(who: str, other: str, policy: Policy, number: int) -> Sequence[Move]:
    """Texts in the clear, while one client has such a policy."""
    return [User(who, "set_policy", {"policy": policy}), User(who, "end", {}), *_dialogue(who, other, number, 2)]


#: How many texts go out in turn before any arrives.
_TURNS = Choice(((1, 1), (2, 1, 1), (1, 2, 1, 2), (3, 1, 2, 1, 1), (1,) * 8))

_BACK_AND_FORTH: dict[str, Domain] = {"who": WHO, "number": NUMBER}

STORIES: tuple[Row, ...] = (
    Row("dialogue", 2, _dialogue, {**_BACK_AND_FORTH, "rounds": Choice((2, 3, 5))}),
    Row("monologue", 1, _monologue, {**_BACK_AND_FORTH, "count": Choice((2, 2, 3, 3, 6, 6, 25))}),
    Row(
        "halfway",
        4,
        _halfway,
        {
            "who": WHO,
            "deliveries": Numbers(3),
            "again": Choice((False, True)),
            "between": Choice((None, None, *_IN_BETWEEN)),
        },
    ),
    Row("renewed", 1, _renewed, _BACK_AND_FORTH),
    Row("ended", 1, _ended, {"who": WHO, "first": Choice((False, True))}),
    Row("late", 1, _late, {**_BACK_AND_FORTH, "seconds": _LONG}),
    Row(
        "compared",
        1,
        compared,
        {"who": WHO, "secret": SECRET, "answer": SECRET, "question": ODD_QUESTIONS},
    ),
    Row("questioned", 3, _questioned, {"who": WHO, "question": ODD_QUESTIONS}),
    Row(
        "interrupted",
        1,
        _interrupted,
        {
            "who": WHO,
            "secret": SECRET,
            "deliveries": Numbers(3),
            "by": Choice(("end", "start", "smp_start", "smp_abort")),
            "mine": Choice((False, True)),
        },
    ),
    Row(
        "shared",
        1,
        _shared,
        {"who": WHO, "use": Choice((0, 1, 0xFFFFFFFF)), "data": Choice((b"", b"a file's name", bytes(1100)))},
    ),
    Row(
        "change_version",
        1,
        _version,
        {"to": WHO, "position": POSITION, "value": Choice((2, 3, 0x0102, 0x0103, 0x0200, 0x0300, 0xFFFF))},
    ),
    Row("long_text", 2, _long_text, {"who": WHO, "size": Choice((600, 12_000, 70_000))}),
    Row(
        "set_rare_policy",
        1,
        _rare_policy,
        {"who": WHO, "policy": _FLAGS},
    ),
    Row(
        "pieces",
        4,
        _pieces,
        {
            **_BACK_AND_FORTH,
            "size": Choice((60, 120, 200, 2000)),
            "delivered": Numbers(3),
            "stray": Either((INJECTED, Lookalike())),
        },
    ),
    Row(
        "crossing",
        4,
        _crossing,
        {**_BACK_AND_FORTH, "texts": _TURNS},
    ),
    Row("intruded", 8, intruded, {"who": WHO, "messages": Either((Several(Lookalike(), 12), Series()))}),
    Row("renewals", 2, _renewals, {"who": WHO, "count": Choice((2, 3, 8, 16)), "texts": Choice((False, True))}),
    Row("tagged", 2, _tagged, {**_BACK_AND_FORTH, "policy": _FLAGS}),
)

#: All acts that campaigns draw.
ACTS: tuple[Row, ...] = TABLE + STORIES + SITUATIONS + ALTERED


@cache
def moves_drawn() -> frozenset[str]:
    """The kinds of moves that programs have."""
    found: set[Behaviour] = {(Area.MOVE, event_name(kind)) for kind in (Craft, Splice)}  # those of insiders.py
    for row in ACTS:
        found |= moves_of(row.example())
    return frozenset(name for _, name in found)
