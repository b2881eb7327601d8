"""Acts that lead into rare situations, such as a pending question or a stored text, and do something there.

Each act brings its situation about, then does something that does not belong there, and finally what the situation was
waiting for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from otterproof.harness.runs.fuzz.actions import NUMBER, SECRET, WHO, Choice, Domain, Either, Numbers, Row, Several
from otterproof.harness.runs.fuzz.altered import Alteration, Alterations, ahead
from otterproof.harness.runs.fuzz.case import BOTH
from otterproof.harness.runs.fuzz.lookalikes import Lookalike
from otterproof.harness.simulation.moves import (
    ChangeField,
    Craft,
    Deliver,
    Drop,
    Fragment,
    Inject,
    Move,
    Replay,
    Settle,
    Tick,
    User,
)
from otterproof.harness.wire.layers import build_smp
from otterproof.harness.wire.layouts import SMP_NUMBERS
from otterproof.implementations.contract import Policy

#: Seconds: a moment, the limits of what counts as recent, and days.
_SECONDS = Choice((1, 59, 60, 61, 3600, 86_401, 2 * 86_400, 40 * 86_400))

#: Texts that an implementation might trim, escape, recode or take for something else.
ODD_TEXTS = Choice(
    (
        b"blanks at the end  ",
        b" blanks before",
        b"a line\n",
        b"\ttabs\t",
        b"<b>bold</b> &amp; more",
        "d\u00e9j\u00e0 vu".encode(),
        b"\xff\xfe",
        b"\x02\x16text",
        b"100%s%n",
        b"a\0b",
        b"",
    )
)

_TEXTS = Several(Either((Lookalike(), ODD_TEXTS)), 6)


def _typed(who: str, texts: Sequence[bytes]) -> list[Move]:
    return [move for text in texts for move in (User(who, "send", {"text": text}), Settle())]


#: The situations in which odd texts are typed, and the moves that lead to them. who: types the texts.
_PLACES: Mapping[str, Callable[[str, str], list[Move]]] = {
    "here": lambda who, other: [],
    "after the other's end": lambda who, other: [User(other, "end", {}), Settle()],
    "in the clear": lambda who, other: [User(who, "end", {}), Settle()],
    "where it must be encrypted": lambda who, other: [
        User(who, "set_policy", {"policy": BOTH | Policy.REQUIRE_ENCRYPTION}),
        User(who, "end", {}),
        Settle(),
    ],
}


def _odd_texts_typed(who: str, other: str, texts: Sequence[bytes], where: str) -> Sequence[Move]:
    """Odd texts that a user types."""
    return [*_PLACES[where](who, other), *_typed(who, texts)]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A user with a pending question. begin: arguments of the run. seconds: that may pass. kind: of an SMP message."""

    who: str
    other: str
    begin: Mapping[str, object]
    seconds: int
    kind: int

    def out_of_turn(self) -> list[Move]:
        """An SMP message out of turn: an unexpected one, or the first of another run, with proofs that don't hold."""
        body = build_smp(self.kind, range(2, 2 + len(SMP_NUMBERS[self.kind])))
        return [User(self.other, "send", {"text": b""}), Craft(self.who, -1, "tlv_added", self.kind, body)]


#: What may happen while a question is pending.
_MEANWHILE: Mapping[str, Callable[[_Asked], list[Move]]] = {
    "the other begins again": lambda of: [User(of.other, "smp_start", {**of.begin, "question": b"now?"})],
    "the other asks again at once": lambda of: [
        User(of.other, "smp_start", {**of.begin, "question": b"now?"}),
        Drop(of.who, 0),  # the end of the first run
    ],
    "the user begins": lambda of: [User(of.who, "smp_start", of.begin)],
    "the other gives up": lambda of: [User(of.other, "smp_abort", {})],
    "the user gives up": lambda of: [User(of.who, "smp_abort", {})],
    "the user ends": lambda of: [User(of.who, "end", {}), Settle(), User(of.who, "start", {})],
    "the other ends": lambda of: [User(of.other, "end", {}), Settle(), User(of.other, "start", {})],
    "a new handshake": lambda of: [User(of.other, "start", {})],
    "time passes": lambda of: [Tick(of.seconds)],
    "a text": lambda of: [User(of.other, "send", {"text": b"well?"})],
    "an old message": lambda of: [Replay(of.who, -2)],
    "a message out of turn": _Asked.out_of_turn,
}


def _question_interrupted(
    who: str,
    other: str,
    secret: bytes,
    question: bytes | None,
    events: Sequence[str],
    seconds: int,
    kind: int,
    delivered: bool,
) -> Sequence[Move]:
    """A question is asked, something else happens, and the question is answered, perhaps before that has arrived."""
    of = _Asked(who, other, {"secret": secret, "question": question}, seconds, kind)
    settled = [Settle()] if delivered else []
    between = [move for name in events for move in (*_MEANWHILE[name](of), *settled)]
    asked: list[Move] = [Settle(), User(other, "smp_start", of.begin), Settle()]
    return [*asked, *between, User(who, "smp_answer", {"secret": secret}), Settle(), *_typed(who, [b"done"])]


def _stored(who: str, other: str, number: int, seconds: int, again: bool) -> Sequence[Move]:
    """A text that has to wait for a session, which is established some time later."""
    private = User(who, "set_policy", {"policy": BOTH | Policy.REQUIRE_ENCRYPTION | Policy.ERROR_START_AKE})
    typed = User(who, "send", {"text": b"text number %d" % number})
    waits: list[Move] = [private, User(who, "end", {}), Settle(), typed, Tick(seconds)]
    waits += [User(who, "send", {"text": b"text number %d" % (number + 1)})] if again else []
    return [*waits, Settle(), User(other, "start", {}), Settle()]


def _collided(who: str, other: str, reflected: bool, altered: Sequence[Alteration], first: bool) -> Sequence[Move]:
    """Both users begin a handshake at once; perhaps one of them gets its own commit back."""
    begun: list[Move] = [Settle(), User(who, "start", {}), User(other, "start", {}), Deliver(who), Deliver(other)]
    begun += [Replay(who, -1), Replay(who, -2)] if reflected else []
    begun += ahead(who if first else other, altered)
    return [*begun, Settle(), *_typed(who, [b"and now?"]), *_typed(other, [b"yes"])]


def _commits_from_many_clients(who: str, other: str, tags: Sequence[int], answered: bool) -> Sequence[Move]:
    """Commits that seem to come from many clients."""
    begun: list[Move] = [Settle(), User(who, "start", {}), Deliver(other)]
    made = ahead(who, [ChangeField(who, 0, "sender_tag", tag) for tag in tags])
    return [*begun, *made, *([Settle()] if answered else []), *_typed(other, [b"still here?"])]


#: A Data Message, cut short, from bob to another client of alice's account.
_FOR_ANOTHER = b"?OTR:AAMDAAArKwAAGhs=."


def intruded(who: str, other: str, messages: Sequence[bytes]) -> Sequence[Move]:
    """Messages from the adversary, and what they cause."""
    return [move for message in messages for move in (Inject(who, message), Settle())]


def _willing(who: str, other: str, ended: bool, messages: Sequence[bytes]) -> Sequence[Move]:
    """Messages to a client whose policy makes it begin a handshake on whitespace tags and errors."""
    willing = BOTH | Policy.WHITESPACE_START_AKE | Policy.ERROR_START_AKE
    begun: list[Move] = [User(who, "set_policy", {"policy": willing})]
    begun += [User(who, "end", {}), Settle()] if ended else []
    return [*begun, *intruded(who, other, messages)]


def _late_piece(who: str, other: str, number: int, size: int, seconds: int, strays: Sequence[bytes]) -> Sequence[Move]:
    """A message in fragments, the last of which come late, with other messages before them."""
    sent: list[Move] = [Settle(), User(other, "send", {"text": b"text number %d" % number}), Fragment(who, 0, size)]
    return [*sent, Deliver(who), Tick(seconds), *(Inject(who, one) for one in strays), Settle()]


def compared(who: str, other: str, secret: bytes, answer: bytes, question: bytes | None) -> list[Move]:
    """A complete run of SMP."""
    begun: list[Move] = [User(who, "smp_start", {"secret": secret, "question": question}), Settle()]
    return [*begun, User(other, "smp_answer", {"secret": answer}), Settle()]


def _compared_again(who: str, other: str, secrets: tuple[bytes, bytes], times: int) -> Sequence[Move]:
    """Secrets that are equal or nearly equal, compared again and again."""
    return [Settle(), *compared(who, other, *secrets, None) * times]


#: Secrets that differ, though an implementation might take them for equal.
_PAIRS = (
    ("caf\u00e9".encode(), "cafe\u0301".encode()),
    (b"open sesame", b"open sesame\n"),
    (b"open sesame", b"open sesame\0"),
    (b"open\0sesame", b"open\0stones"),
    (b"", b"open sesame"),
    (b"s" * 64, b"s" * 65),
    (b"s" * 0x10001, b"s"),
    (b"\xff\xfe", b"\xfe\xff"),
    (b"?OTR Error: open sesame", b" open sesame"),
    (b"1", b"01"),
)

_WHO: dict[str, Domain] = {"who": WHO}
_NUMBERED: dict[str, Domain] = {"who": WHO, "number": NUMBER}

SITUATIONS: tuple[Row, ...] = (
    Row(
        "said",
        6,
        _odd_texts_typed,
        {**_WHO, "texts": _TEXTS, "where": Choice(tuple(_PLACES))},
    ),
    Row(
        "asked",
        3,
        _question_interrupted,
        {
            **_WHO,
            "secret": SECRET,
            "question": Choice((None, b"who goes there?")),
            "events": Several(Choice((*_MEANWHILE, "a message out of turn")), 2),
            "seconds": _SECONDS,
            "kind": Choice((*SMP_NUMBERS, 2, 2)),
            "delivered": Choice((True, True, False)),
        },
    ),
    Row("stored", 3, _stored, {**_NUMBERED, "seconds": _SECONDS, "again": Choice((False, True))}),
    Row(
        "collided",
        4,
        _collided,
        {
            **_WHO,
            "reflected": Choice((False, True, True)),
            "altered": Either((Choice(((),)), Alterations())),
            "first": Choice((False, True)),
        },
    ),
    Row(
        "of_many",
        2,
        _commits_from_many_clients,
        {
            **_WHO,
            "tags": Either((Several(Numbers(0xFFFF), 6), Several(Numbers(0xFFFF), 60))),
            "answered": Choice((False, True)),
        },
    ),
    Row(
        "late_piece",
        4,
        _late_piece,
        {
            **_NUMBERED,
            "size": Choice((60, 120, 200, 2000)),
            "seconds": _SECONDS,
            "strays": Either((Choice(((), (_FOR_ANOTHER,))), Several(Lookalike(), 2))),
        },
    ),
    Row("willing", 2, _willing, {**_WHO, "ended": Choice((False, True)), "messages": Several(Lookalike(), 6)}),
    Row("compared_nearly", 2, _compared_again, {**_WHO, "secrets": Choice(_PAIRS), "times": Choice((1,))}),
    Row(
        "compared_often",
        1,
        _compared_again,
        {**_WHO, "secrets": Choice(((b"same", b"same"),)), "times": Choice((1, 1, 1, 1, 2, 6))},
    ),
)
