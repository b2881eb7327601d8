"""What runs reveal of a target, seen from outside: in which states it received which inputs, and how it reacted.

The state of the party under test is inferred from its events and from the messages that it sends, as the protocol texts
define it, so a third party's library can be followed as an engine is. A cell is a state and an input. Cells are those
of the state tables [harness/spec/states], with versions and policies merged, and a few more for what the tables do not
cover. A transition is a cell and the reaction, a pair is a cell and the one before it, and a count says how often a run
came to a cell, in powers of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache, lru_cache

from otterproof.harness.runs.failure import reaction_name, reactions
from otterproof.harness.simulation.moves import Move, User
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec import states
from otterproof.harness.wire import Kind, parse_once
from otterproof.implementations.contract import (
    AuthState,
    MessageState,
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

#: The message state and the authentication state that a party enters by sending a message, or with an event; None for
#: the state of before.
_THEN: Mapping[Kind | type, tuple[MessageState | None, AuthState | None]] = {
    Kind.DH_COMMIT: (None, AuthState.AWAITING_DHKEY),
    Kind.DH_KEY: (None, AuthState.AWAITING_REVEALSIG),
    Kind.REVEAL_SIGNATURE: (None, AuthState.AWAITING_SIG),
    SessionEstablished: (MessageState.ENCRYPTED, AuthState.NONE),
    PeerEndedSession: (MessageState.FINISHED, None),
    UserEndedSession: (MessageState.PLAINTEXT, None),
}

#: From this many visits on, the number of visits to a cell is behaviour of its own.
_MANY = 4

#: The most characters in a transition's name; a party can do ten thousand things in a step.
_LONGEST = 300

#: Names for the inputs of the state tables that are not simply their first word; "" leaves the input out.
_INPUTS = {"tagged": "tagged_plaintext", "dh": "dh_key", "key": ""}

#: Short names for kinds of messages; and for each kind, its name here and the phrase for a party that receives it.
_SHORTER = {Kind.DH_COMMIT: "commit", Kind.REVEAL_SIGNATURE: "reveal"}
_KINDS = {kind: (_SHORTER.get(kind, kind.value), (Area.KIND, f"receives {kind}")) for kind in Kind}

#: How many cells and outcomes are remembered in words, and the most reactions of an outcome that is.
_REMEMBERED, _FEW = 1 << 12, 16


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
        self._state = _in_words(self._message, self._auth)
        self.cell = ""
        self._counts: dict[str, int] = {}
        self.made = 0
        self.seen: dict[Behaviour, int] = {}

    def __call__(self, step: Step) -> None:
        """Take in a step of the run."""
        if step.party != self._role or step.action == "set_policy":
            return
        given, note, made = step.action, self.seen.setdefault, self.made
        message = step.args.get("message")
        if isinstance(message, bytes):
            given, receives = _KINDS[parse_once(message).kind]
            note(receives, made)
        self.cell, pair = _cell(self._state, given, self.cell)
        note(pair, made)
        self._counts[self.cell] = count = self._counts.get(self.cell, 0) + 1
        if count >= _MANY and count.bit_count() == 1:
            note((Area.COUNT, f"{self.cell} {count} times"), made)
        did = reactions(step)
        for one in did:
            if (then := _THEN.get(one)) is not None:
                self._enter(*then)
        broken = step.failure is not None and not step.failure.unsupported
        outcome = _outcome if len(did) <= _FEW else _outcome.__wrapped__
        for behaviour in outcome(self.cell, self._state, did, broken):
            note(behaviour, made)

    @property
    def established(self) -> bool:
        """Whether the party is in a session and in no handshake."""
        return (self._message, self._auth) == (MessageState.ENCRYPTED, AuthState.NONE)

    def _enter(self, message: MessageState | None, auth: AuthState | None) -> None:
        """Enter a state; None is that of before."""
        self._message = message or self._message
        self._auth = auth or self._auth
        self._state = _in_words(self._message, self._auth)


# Runs show the same things again and again, and to put them into words takes longer than to look them up.


@cache
def _in_words(message: MessageState, auth: AuthState) -> str:
    """A state as MESSAGE/AUTHENTICATION."""
    return f"{message.value}/{auth.value}"


@lru_cache(_REMEMBERED)
def _cell(state: str, given: str, before: str) -> tuple[str, Behaviour]:
    """The cell of a state and an input, and the pair with the cell before it."""
    cell = f"{state}: {given}"
    return cell, (Area.PAIR, f"{before} > {cell}")


@lru_cache(_REMEMBERED)
def _outcome(cell: str, state: str, did: tuple[Kind | type, ...], broken: bool) -> tuple[Behaviour, ...]:
    """What a reaction shows, and the state after it. broken: whether the party broke down."""
    names = [*map(reaction_name, did), *(["breaks down"] if broken else [])]
    sends = [(Area.KIND, reaction_name(one)) for one in did if isinstance(one, Kind)]
    transition = f"{cell} -> {state}: {', '.join(names) or 'nothing'}"
    return *sends, (Area.CELL, cell), (Area.TRANSITION, transition[:_LONGEST])


def moves_of(moves: Iterable[Move]) -> set[Behaviour]:
    """The kinds of these moves, as behaviour."""
    return {(Area.MOVE, move.action if isinstance(move, User) else event_name(type(move))) for move in moves}
