"""What insiders do in the handshakes of a random run: they tell lies in messages that are otherwise right.

A handshake goes on until the message in question is under way. Signed messages with lies go ahead of the genuine one,
often several, so an implementation that ignores them gets the genuine one after all. A commit or a D-H value with a lie
takes the place of the genuine one for the whole handshake. [harness.wire.craft_handshake]
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from otterproof.harness.runs.fuzz.actions import Choice, Numbers
from otterproof.harness.runs.fuzz.altered import ahead
from otterproof.harness.simulation.moves import Craft, Deliver, Move, Settle, User
from otterproof.harness.wire import DH_PRIME
from otterproof.harness.wire.craft_handshake import FOR_COMMIT, OWN_KEY, VARIANTS
from otterproof.harness.wire.dictionary import WORDS

#: D-H values: of small order, outside the group, at its limits, and right ones.
_DH = Choice(
    (
        0,
        1,
        1,
        2,
        DH_PRIME - 2,
        DH_PRIME - 1,
        DH_PRIME - 1,
        DH_PRIME,
        DH_PRIME + 1,
        2 * DH_PRIME - 1,
        1 << 1536,
    )
)

_KEYID = Choice((0, 0, 0, 2, 300, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFF))
_KEY_TYPE = Choice((1, 2, 3, 0x0100, 0xFFFF))
_AES_KEY = Choice((bytes(16), bytes(range(24)), bytes(range(32)), bytes(15) + b"\x17"))
_REVEALED = Choice((b"", b"\x17", bytes(15), bytes(16), bytes(17), bytes(32)))
_NOTHING = Choice((0,))

#: The parts of a signed message that can be a lie: how often each is drawn, its numbers and its values.
_SIGNED: Mapping[str, tuple[int, Choice | Numbers, Choice]] = {
    "keyid": (3, _NOTHING, _KEYID),
    "key_type": (2, Numbers(1), _KEY_TYPE),
    "block_cut": (1, Numbers(60), _NOTHING),
    "block_added": (1, _NOTHING, Choice((b"\0", bytes(40)))),
    "block_bytes": (1, Numbers(500), Choice(tuple(WORDS.values()))),
    "revealed_key": (1, _NOTHING, _REVEALED),
    "public_key": (5, Numbers(len(VARIANTS["public_key"]) - 1), _NOTHING),
    "signature": (3, Numbers(len(VARIANTS["signature"]) - 1), _NOTHING),
    "signed_value": (5, Numbers(len(VARIANTS["signed_value"]) - 1), _NOTHING),
    "signed_direction": (1, _NOTHING, _NOTHING),
    "block_form": (2, Numbers(len(VARIANTS["block_form"]) - 1), _NOTHING),
    "block_encryption": (2, Numbers(len(VARIANTS["block_encryption"]) - 1), _NOTHING),
    "block_mac": (3, Numbers(len(VARIANTS["block_mac"]) - 1), _NOTHING),
}

#: The most lies ahead of one signed message.
_LIES = 16

#: A text that shows which keys are in use.
_TEXT = {"text": b"under which keys?"}


def lying_commit(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A handshake in which the correspondent commits to something else, and then reveals that."""
    part = source.choice(("gx", "gx", "gx", "gx_encoding", "gx_encoding", "gx_hash", "gx_hash", "gx_key"))
    lies = len(VARIANTS.get(part, "x"))
    number = source.choice((source.randrange(lies), lies - 1)) if part == "gx_hash" else source.randrange(lies)
    value = {"gx": _DH, "gx_key": _AES_KEY}.get(part, _NOTHING).draw(source)
    handshake = _committing(to, other, Craft(to, -1, part, number, value), source.randrange(2))
    return [*handshake, *_talk(source, to, other)]


def known_key(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A handshake within a session, in which the correspondent uses a key of that session, with its id or another."""
    which, number = source.randrange(2), source.randrange(2)
    handshake = _committing(to, other, Craft(to, -1, OWN_KEY, which, 0), number)
    return [*_texts(to, other) * source.randrange(4), *handshake, Settle(), User(to, "send", _TEXT), Settle()]


def _committing(to: str, other: str, commit: Craft, number: int) -> list[Move]:
    """A handshake with another commit of the correspondent's, up to the Reveal Signature Message that fits it."""
    begun: list[Move] = [Settle(), User(to, "start", {}), Deliver(other), commit]
    return [*begun, Deliver(to), Deliver(other), Craft(to, -1, FOR_COMMIT, number, 0)]


def lying_dh_key(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A handshake in which the correspondent answers a commit with another D-H value."""
    begun: list[Move] = [Settle(), User(other, "start", {}), Deliver(to), Deliver(other)]
    return [*begun, Craft(to, -1, "gy", 0, _DH.draw(source)), *_talk(source, to, other)]


def lying_signature(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """A handshake with lies ahead of the correspondent's signed message; one that is accepted takes its place."""
    begun = [Settle(), *up_to_signed(source.choice((to, other)), to, other)]
    lies = []
    for part in source.choices(list(_SIGNED), [one[0] for one in _SIGNED.values()], k=source.randint(1, _LIES)):
        _, number, value = _SIGNED[part]
        lies.append(Craft(to, 0, part, number.draw(source), value.draw(source)))
    right = [lie for lie in lies if _may_be_right(lie)][:1]  # once one is accepted, the others come too late
    wrong = [lie for lie in lies if not _may_be_right(lie)]
    return [*begun, *ahead(to, (*wrong, *right)), *_as_told(to, other, right), *_talk(source, to, other)]


def up_to_signed(begins: str, to: str, other: str) -> list[Move]:
    """A handshake up to the correspondent's signed message, which is under way."""
    reached = [other, to, other] if begins == to else [to, other, to, other]
    return [User(begins, "start", {}), *(Deliver(name) for name in reached)]


def _as_told(to: str, other: str, right: Sequence[Craft]) -> list[Move]:
    """Texts under the key id that the correspondent claimed, and under the next one, which may not exist."""
    moves: list[Move] = [Settle()]
    for lie in right:
        if isinstance(lie.value, int) and lie.part == "keyid":
            for keyid in (lie.value, min(lie.value + 1, 0xFFFFFFFF)):
                moves += [User(other, "send", _TEXT), Craft(to, -1, "sender_keyid", 0, keyid), Settle()]
    return moves


def _may_be_right(lie: Craft) -> bool:
    """Whether a message with this lie may be accepted."""
    return lie.part in ("public_key", "signature") or (lie.part == "keyid" and lie.value != 0)


def _talk(source: random.Random, to: str, other: str) -> Sequence[Move]:
    """The rest of the handshake, and perhaps texts, which show the present keys and those that follow them."""
    return [Settle(), *_texts(to, other) * source.choice((0, 1, 3))]


def _texts(to: str, other: str) -> list[Move]:
    """A text of either side, which arrives."""
    return [User(to, "send", _TEXT), Settle(), User(other, "send", _TEXT), Settle()]
