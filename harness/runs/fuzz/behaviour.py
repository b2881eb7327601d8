"""What runs reveal of a target, seen from outside: in which states it received which inputs, and how it reacted.

The state of the party under test is inferred from its events and from the messages that it sends, as the protocol texts
define it, so a third party's library can be followed as an engine is. A cell is a state and an input. Cells are those
of the state tables [harness/spec/states], with versions and policies merged, and a few more for what the tables do not
cover. A transition is a cell and the reaction, a pair is a cell and the one before it, and a count says how often a run
came to a cell, in powers of two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from otterproof.harness.runs.failure import observed
from otterproof.harness.simulation.moves import Move, User
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec import states
from otterproof.harness.wire import Kind, parse_once
from otterproof.implementations.contract import (
    AuthState,
    Event,
    MessageState,
    OutgoingMessage,
    PeerEndedSession,
    SessionEstablished,
    UserEndedSession,
)
from otterproof.implementations.jsonform import event_name


class Area(StrEnum):
    """The kinds of behaviour that are counted."""

    CELL = "cell"
    TRANSITION = "transition"
    KIND = "kind"
    MOVE = "move"
    PAIR = "pair"
    COUNT = "count"
    #: An edge of the target's code, if the target reports which it reached. [edges.py]
    EDGE = "edge"


#: Something that a run has shown: its area, and its name there.
Behaviour = tuple[Area, str]

#: The authentication state that a party enters by sending a message.
_AWAITS = {
    Kind.DH_COMMIT: AuthState.AWAITING_DHKEY,
    Kind.DH_KEY: AuthState.AWAITING_REVEALSIG,
    Kind.REVEAL_SIGNATURE: AuthState.AWAITING_SIG,
}

#: From this many visits on, the number of visits to a cell is behaviour of its own.
_MANY = 4

#: The most characters in a transition's name; a party can do ten thousand things in a step.
_LONGEST = 300

#: Names for the inputs of the state tables that are not simply their first word; "" leaves the input out.
_INPUTS = {"tagged": "tagged_plaintext", "dh": "dh_key", "key": ""}

#: Short names for kinds of messages; and for each kind, its name here and the phrase for a party that receives it.
_SHORTER = {Kind.DH_COMMIT: "commit", Kind.REVEAL_SIGNATURE: "reveal"}
_KINDS = {kind: (_SHORTER.get(kind, kind.value), f"receives {kind}") for kind in Kind}


@cache
def cells() -> frozenset[str]:
    """The cells of the state tables."""
    found = set()
    for cell in states.possible():
        first = str(cell.input).partition("_")[0]
        if name := _INPUTS.get(first, first):
            found.add(f"{cell.message.value}/{cell.auth.value}: {name}")
    return frozenset(found)


@cache
def kinds() -> frozenset[str]:
    """The kinds of messages that a target can receive, and those that it can send."""
    unsendable = (Kind.UNKNOWN_ENCODED, Kind.BAD_ARMOUR)
    return frozenset({f"receives {one}" for one in Kind} | {f"sends {one}" for one in Kind if one not in unsendable})


class Tracker:
    """Follows one party through the steps of a run. role: that party. established: the run starts in a session.

    cell: of the party's last step, "" before the first. made: how many moves have been made; the run sets it. seen:
    what was shown, and after how many moves first.
    """

    def __init__(self, role: str, *, established: bool) -> None:
        self._role = role
        self._message = MessageState.ENCRYPTED if established else MessageState.PLAINTEXT
        self._auth = AuthState.NONE
        self._state = self._in_words()
        self.cell = ""
        self._counts: Counter[str] = Counter()
        self.made = 0
        self.seen: dict[Behaviour, int] = {}

    def __call__(self, step: Step) -> None:
        """Take in a step of the run."""
        if step.party != self._role or step.action == "set_policy":
            return
        given = step.action
        message = step.args.get("message")
        if isinstance(message, bytes):
            given, receives = _KINDS[parse_once(message).kind]
            self._note(Area.KIND, receives)
        before, self.cell = self.cell, f"{self._state}: {given}"
        self._note(Area.PAIR, f"{before} > {self.cell}")
        self._counts[self.cell] += 1
        if (count := self._counts[self.cell]) >= _MANY and count.bit_count() == 1:
            self._note(Area.COUNT, f"{self.cell} {count} times")
        if step.events:
            was = (self._message, self._auth)
            for event in step.events:
                self._follow(event)
            if (self._message, self._auth) != was:
                self._state = self._in_words()
        did = observed(step)
        for one in did:
            if one.startswith("sends "):
                self._note(Area.KIND, one)
        broken = ["breaks down"] if step.failure is not None and not step.failure.unsupported else []
        self._note(Area.CELL, self.cell)
        then = f"{self.cell} -> {self._state}: {', '.join([*did, *broken]) or 'nothing'}"
        self._note(Area.TRANSITION, then[:_LONGEST])

    @property
    def established(self) -> bool:
        """Whether the party is in a session and in no handshake."""
        return (self._message, self._auth) == (MessageState.ENCRYPTED, AuthState.NONE)

    def _note(self, area: Area, name: str) -> None:
        self.seen.setdefault((area, name), self.made)

    def _in_words(self) -> str:
        """The state of the party, as MESSAGE/AUTHENTICATION."""
        return f"{self._message.value}/{self._auth.value}"

    def _follow(self, event: Event) -> None:
        match event:
            case OutgoingMessage():
                self._auth = _AWAITS.get(parse_once(event.message).kind, self._auth)
            case SessionEstablished():
                self._message, self._auth = MessageState.ENCRYPTED, AuthState.NONE
            case PeerEndedSession():
                self._message = MessageState.FINISHED
            case UserEndedSession():
                self._message = MessageState.PLAINTEXT
            case _:
                pass


def moves_of(moves: Iterable[Move]) -> set[Behaviour]:
    """The kinds of these moves, as behaviour."""
    return {(Area.MOVE, move.action if isinstance(move, User) else event_name(type(move))) for move in moves}
