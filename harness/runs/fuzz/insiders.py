"""The table of what insiders and byte mutations do in a random run, besides what users and the adversary do.

An insider changes what the correspondent of the party under test sends, with the right keys. [moves.Craft] Acts of this
table are inserted into programs that are drawn without it, so a program that has none of them does not depend on it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from otterproof.harness.runs.fuzz.actions import FIELDS, SECRET, Choice, Domain, Either, Numbers
from otterproof.harness.runs.fuzz.altered import ahead
from otterproof.harness.runs.fuzz.case import CLIENTS
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.handshake_insiders import (
    known_key,
    lying_commit,
    lying_dh_key,
    lying_signature,
    up_to_signed,
)
from otterproof.harness.runs.fuzz.lookalikes import Lookalike
from otterproof.harness.simulation.moves import Craft, Deliver, Move, Settle, Splice, User
from otterproof.harness.wire import DH_PRIME, SMP_NUMBERS, SMP_ORDER
from otterproof.harness.wire.craft import HEADER_PARTS, MAC, NEXT_KEY
from otterproof.harness.wire.data_lies import LIES
from otterproof.harness.wire.dictionary import WORDS
from otterproof.harness.wire.layers import build_smp

#: One program out of this many has acts of this table; and how many at most.
SHARE, ACTS = 2, 4

#: The most runs of SMP in a row that have lies in them.
_RUNS = 6

#: The most copies of a text with other headers, texts with other content, and copies with wrong MACs.
_COPIES, _TEXTS, _LIES = 12, 8, 12

#: Counters at the limits of several number types, and just above.
_COUNTERS = (
    *(0, 2, 3, 0xFFFF, 0x10002, 0x7FFFFFFF, 0xFFFFFFFF, 0x100000003),
    *(1 << 53, (1 << 53) + 1, 1 << 63, (1 << 64) - 1),
)

#: SMP numbers: of small order, outside the group, at its limits, and right ones.
_NUMBER = Choice((0, 0, 1, 2, DH_PRIME - 2, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1, SMP_ORDER, SMP_ORDER, 1 << 1536))

#: Places of numbers in an SMP message; they wrap around. D values come more often, as not everybody checks them.
_PLACE = Choice((*range(11), 2, 5, 8, 10, 10))

#: Values of TLVs: empty, some bytes, and SMP messages with small numbers.
_VALUE = Choice(
    (
        b"",
        b"\0",
        b"\0\0\0\1",
        bytes(300),
        bytes(1100),
        bytes(0x8001),
        *(build_smp(kind, range(2, 2 + len(names))) for kind, names in SMP_NUMBERS.items()),
    )
)

#: A text with more TLVs than a byte can count; the last one ends the session.
_MANY = b"many\0" + bytes(4) * 300 + b"\0\1\0\0"

#: Texts with a request for the extra key after the end of the session, and after an SMP abort.
_BEHIND = tuple(b"behind\0" + before + b"\0\0" + b"\0\x08\0\4\0\0\0\0" for before in (b"\0\1", b"\0\6"))

#: Questions with a NUL, which ends them early, with the mark of an error, and with invalid UTF-8.
_QUESTION = Choice((b"", b"what\0now", b"what\0now", b"?OTR Error: what?", b"\xff?", b"q" * 5000))

_WORD = Choice(tuple(WORDS.values()))
_TYPE = Choice((*range(9), *range(9), 9, 0x0101, 0x0106, 0xFFFF))
_LENGTH = Choice((0, 1, 3, 4, 5, 0x7FFF, 0xFFFF))

#: Fields of the header, with values at their limits.
_HEADERS: Sequence[tuple[str, Domain]] = [
    *((name, values) for names, values in FIELDS.items() for name in names if name in HEADER_PARTS),
    ("old_mac_keys", Choice(tuple(map(bytes, (19, 20, 21, 1020, 5120))))),
    # Cut to fewer bits or read in the other byte order, some of these are the first key ids.
    *(
        (name, Choice((0x101, 0x102, 0x10001, 0x10002, 1 << 24, 2 << 24)))
        for name in ("sender_keyid", "recipient_keyid")
    ),
]

#: The parts that can be changed: numbers and values for each.
_Parts = Mapping[str, tuple[Choice | Numbers, Domain]]

#: What an insider changes in any data message.
_TEXT_PARTS: _Parts = {
    "text": (
        Choice((0,)),
        Either((Choice((b"", b"another text", b"\x02text", b"text\0", _MANY, *_BEHIND)), Lookalike())),
    ),
    "tlv_added": (_TYPE, _VALUE),
    "tlv_type": (Numbers(3), _TYPE),
    "tlv_length": (Numbers(3), _LENGTH),
    "tlv_value": (Numbers(3), _VALUE),
    "tlv_twice": (Numbers(3), Choice((0,))),
    "tlv_left_out": (Numbers(3), Choice((0,))),
    "plaintext_cut": (Numbers(40), Choice((0,))),
    "plaintext_bytes": (Numbers(600), _WORD),
}

#: What an insider changes in an SMP message.
_SMP_PARTS: _Parts = {
    "smp_number": (_PLACE, _NUMBER),
    "smp_proved": (Numbers(1), _NUMBER),
    "smp_congruent": (Numbers(3), Choice((0,))),
    "smp_zeros": (Numbers(1), Choice((0,))),
    "smp_base": (Numbers(1), Choice((3, 3, 4))),
    "smp_question": (Choice((0,)), _QUESTION),
    "smp_count": (Choice((0,)), Choice((0, 1, 5, 7, 12, 0xFFFFFFFF))),
    "tlv_type": (Choice((0,)), _TYPE),
    "tlv_length": (Choice((0,)), _LENGTH),
    "tlv_twice": (Choice((0,)), Choice((0,))),
    "plaintext_cut": (Numbers(40), Choice((0,))),
    "plaintext_bytes": (Numbers(900), _WORD),
}


#: How often a part is changed, compared with others.
_OFTEN = {
    "text": 3,
    "smp_number": 12,
    "smp_proved": 3,
    "smp_congruent": 12,
    "smp_zeros": 2,
    "smp_base": 4,
    "smp_question": 8,
    "tlv_type": 3,
    "tlv_added": 4,
}

#: Draws the moves of an act, given the party under test and one of its correspondents.
_Maker = Callable[[random.Random, str, str], Sequence[Move]]


def _craft(source: random.Random, to: str, parts: _Parts) -> Craft:
    """A change of the message that was sent last; SMP numbers are changed more often than other parts."""
    part = source.choices(list(parts), [_OFTEN.get(name, 1) for name in parts])[0]
    number, value = parts[part]
    return Craft(to, -1, part, number.draw(source), value.draw(source))


def _header(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A text, and ahead of it copies with one field of the header changed."""
    headers = source.choices(_HEADERS, k=source.randint(1, _COPIES))
    copies = ahead(to, [Craft(to, 0, name, 0, value.draw(source)) for name, value in headers])
    return [Settle(), User(other, "send", {"text": _text(source)}), *copies, Settle()]


def _lying_mac(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A text, and ahead of it copies with wrong MACs."""
    lies = source.sample(range(len(LIES)), source.randint(1, _LIES))
    copies = ahead(to, [Craft(to, 0, MAC, lie, 0) for lie in lies])
    return [Settle(), User(other, "send", {"text": _text(source)}), *copies, Settle()]


def _counters(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """Texts without answers, whose counters go up to where an implementation may lose bits of them."""
    moves: list[Move] = [Settle()]
    for counter in sorted(source.sample(_COUNTERS, source.randint(2, 6)), reverse=source.randrange(6) == 0):
        sent = User(other, "send", {"text": _text(source)})
        moves += [sent, Craft(to, -1, "ctr", 0, counter.to_bytes(8)), Settle()]
    return moves


def _next_key(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A text under the correspondent's next key, which need not be accepted, and then texts that make keys obsolete."""
    sent = User(other, "send", {"text": _text(source)})
    said = User(to, "send", {"text": _text(source)})
    counter = source.choice((0, 0, 1))
    moves: list[Move] = [Settle()]
    if source.choice((False, True)):
        moves += [said, Deliver(other)]
    moves += [sent, Settle(), sent, Craft(to, -1, NEXT_KEY, 0, counter.to_bytes(8)), Settle()]
    for _ in range(source.randint(1, 3)):
        moves += [said, Settle(), sent, Settle()]
    return moves


def _another_takes_over(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A text that waits for one correspondent, and then a session with a peer that has another long-term key."""
    waits: list[Move] = [Settle(), User(other, "end", {}), Settle(), User(to, "send", {"text": _text(source)})]
    return [*waits, *up_to_signed(other, to, other), Craft(to, 0, "public_key", 0, 0), Settle()]


def _header_bytes(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A text with changed bytes in its header."""
    made = Craft(to, -1, "header_bytes", source.randrange(260), _WORD.draw(source))
    return [User(other, "send", {"text": _text(source)}), made, Settle()]


def _plaintext(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """Texts with changed text or TLVs."""
    moves: list[Move] = []
    for _ in range(source.randint(1, _TEXTS)):
        crafts = [_craft(source, to, _TEXT_PARTS) for _ in range(source.randint(1, 2))]
        arguments = {"text": _text(source), "padding": source.choice([None, 0, 8])}
        moves += [User(other, "send", arguments), *crafts, Settle()]
    return moves


def _smp(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """Runs of SMP with a lie in each. Before the next one begins, both sides abort the last."""
    moves: list[Move] = []
    for _ in range(source.randint(1, _RUNS)):
        moves += [User(to, "smp_abort", {}), User(other, "smp_abort", {}), Settle(), *_smp_run(source, to, other)]
    return moves


def _smp_run(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A run of SMP, begun by either side, in which the correspondent's first or second message is changed."""
    secret, answer = SECRET.draw(source), SECRET.draw(source)
    starts, answers = source.choice([(to, other), (other, to)])
    question = source.choice([None, b"", b"who goes there?"])
    begun: list[Move] = [User(starts, "smp_start", {"secret": secret, "question": question})]
    made = _craft(source, to, _SMP_PARTS)
    answered: list[Move] = [Settle(), User(answers, "smp_answer", {"secret": answer})]
    if source.choice([False, True]):  # the second message of the correspondent
        reached = [Deliver(other)] if starts == other else [Deliver(to), Deliver(other)]
        return [*begun, *answered, *reached, made, Settle()]
    if starts == other:
        return [*begun, made, *answered, Settle()]
    return [*begun, *answered, made, Settle()]


def _splice(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A message under way, with words of the protocol spliced into it."""
    text = source.choice([False, True])
    cut = source.choice([0, 0, 1, 4, 20])
    return [Splice(to, source.choice([0, 0, -1]), text, source.randrange(600), cut, _WORD.draw(source)), Deliver(to)]


def _text(source: random.Random) -> bytes:
    return b"text number %d" % source.randrange(100_000)


#: The acts, and how often each is drawn.
_MAKERS: Mapping[_Maker, int] = {
    _header: 5,
    _header_bytes: 1,
    _lying_mac: 4,
    _counters: 2,
    _next_key: 2,
    _another_takes_over: 1,
    _plaintext: 5,
    _smp: 6,
    _splice: 3,
    lying_commit: 4,
    known_key: 2,
    lying_dh_key: 2,
    lying_signature: 6,
}


def with_insiders(program: Program, seed: str, number: int) -> Program:
    """The program, with acts of this table at some places if it is one that has them."""
    source = random.Random(f"{seed}/{number}/insiders".encode(errors="surrogatepass"))
    if source.randrange(SHARE):
        return program
    role = program.setup.role
    correspondents = [name for name in sorted(CLIENTS[program.setup.network]) if (name == "alice") != (role == "alice")]
    moves = list(program.moves)
    for maker in source.choices(list(_MAKERS), list(_MAKERS.values()), k=source.randint(1, ACTS)):
        at = source.choice((0, source.randrange(len(moves) + 1)))
        moves[at:at] = maker(source, role, source.choice(correspondents))
    return replace(program, moves=tuple(moves))
