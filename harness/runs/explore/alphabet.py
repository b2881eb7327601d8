"""Alphabets: what users, time and the adversary may do in an exploration.

Each covers one part of the protocol, and is small enough to explore all its runs up to a useful length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from otterproof.harness import wire
from otterproof.harness.simulation.moves import User
from otterproof.harness.wire.mutate import change_field, fragment, truncate


@dataclass(frozen=True)
class Alphabet:
    """The moves of an exploration.

    about: a sentence. start: "scratch", or the version in which the parties have a session. users: what each user may
    do at any time. alone: what only one party's user does. reflects: the adversary also returns messages to their
    sender. pieces: it also delivers them in this many fragments. changes: it also delivers them with one change of each
    kind. ticks: seconds that may pass. depth: the number of moves explored by default; healing: up to this depth, the
    parties must be able to talk again from every pair of states. replayed: both depths for a target behind a driver.
    guaranteed: the depth that `check` explores for an engine; replayed_in_check, restored_in_check: for a target behind
    a driver, without and with snapshots.
    """

    about: str
    start: str
    users: tuple[User, ...]
    depth: int
    guaranteed: int
    healing: int
    replayed: tuple[int, int] = (4, 2)
    replayed_in_check: int = 2
    restored_in_check: int = 3
    alone: Mapping[str, tuple[User, ...]] = field(default_factory=dict)
    network: str = "pair"
    reflects: bool = False
    pieces: int = 0
    changes: bool = False
    ticks: tuple[int, ...] = ()

    def suits(self, capabilities: frozenset[str]) -> bool:
        """Whether a target with these capabilities can run it: in version 2, two clients can't be told apart."""
        return self.network == "pair" or {"v3", "instance_tags"} <= capabilities

    def actions(self, party: str) -> tuple[User, ...]:
        """What the user of a party may do."""
        return (*(User(party, one.action, one.args) for one in self.users), *self.alone.get(party, ()))

    def forms(self, message: bytes) -> Iterator[bytes]:
        """The forms in which the adversary delivers a message, other than the one in which it was sent."""
        parsed = wire.parse(message)
        if self.pieces and parsed.kind in wire.ENCODED:
            yield from fragment(message, -(-len(message) // self.pieces))
        if self.changes and parsed.kind in wire.ENCODED:
            yield from dict.fromkeys(_changed(message, parsed))


def _changed(message: bytes, parsed: wire.Message) -> Iterator[bytes]:
    """A message with the last bit of each field inverted, and without its last byte."""
    for one in parsed.fields:
        value = one.value
        if isinstance(value, int):
            changed = change_field(message, one.name, value ^ 1)
        elif value:
            changed = change_field(message, one.name, value[:-1] + bytes([value[-1] ^ 1]))
        else:
            continue
        if changed != message:
            yield changed
    yield truncate(message, len(parsed.body) - 1)


def _user(action: str, **args: object) -> User:
    return User("", action, args)


#: The parties that a target can play.
ROLES = ("alice", "bob")

_START, _SEND, _END = _user("start"), _user("send", text=b"hello"), _user("end")
_STARTS = {"alice": (User("alice", "start", {}),)}

ALPHABETS: Mapping[str, Alphabet] = {
    "handshake": Alphabet(
        "Users begin sessions, talk and end them.", "scratch", (_START, _SEND, _END), depth=10, guaranteed=9, healing=6
    ),
    "data": Alphabet(
        "In a session, users talk and end it, and time passes.",
        "3",
        (_SEND, _END),
        depth=6,
        guaranteed=4,
        healing=4,
        ticks=(61,),
    ),
    "smp": Alphabet(
        "In a session, users compare secrets, talk and give up.",
        "3",
        (_user("smp_answer", secret=b"otter"), _user("smp_abort"), _SEND),
        depth=5,
        guaranteed=4,
        healing=3,
        alone={
            "alice": (User("alice", "smp_start", {"secret": b"otter"}),),
            "bob": (User("bob", "smp_start", {"secret": b"seal"}),),
        },
    ),
    "refresh": Alphabet(
        "A session is renewed while texts are under way, and messages also come back to their senders.",
        "3",
        (_START, _SEND),
        depth=6,
        guaranteed=4,
        healing=4,
        reflects=True,
    ),
    "instances": Alphabet(
        "A correspondent has two clients: sessions with both begin and end.",
        "scratch",
        (_SEND, _END),
        depth=9,
        guaranteed=8,
        healing=3,
        alone=_STARTS,
        network="three",
    ),
    "fragments": Alphabet(
        "In a session, messages also arrive in pieces.", "3", (_SEND,), depth=5, guaranteed=4, healing=3, pieces=3
    ),
    "forgery": Alphabet(
        "Each message also arrives with one of its fields changed, and cut short.",
        "scratch",
        (_SEND, _END),
        depth=7,
        guaranteed=6,
        healing=4,
        alone=_STARTS,
        changes=True,
    ),
}
