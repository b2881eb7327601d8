"""What the rules of the protocol promise, whatever happens: invariants of two honest parties and an adversary between.

Some are about where the parties are, the others about one step. Each is a sentence and a function that says what breaks
it, with names for keys as the model has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from otterproof.harness.judges.model.expect import DataMessage, Verbatim
from otterproof.harness.judges.model.names import MacKey
from otterproof.harness.judges.model.plain import Smp
from otterproof.harness.judges.model.state import Session, State
from otterproof.harness.runs.explore.symbolic.world import Edge
from otterproof.implementations.contract import MessageState, SmpFinished, TextReceived


@dataclass(frozen=True, slots=True)
class Seen:
    """A step. who: the party that made it. states: of all parties after it. sent: the Data Messages that each party has
    sent before it. received: the Data Message that it received, if it is one of another party's. accepted: those that
    it had accepted before.
    """

    who: str
    edge: Edge
    states: Mapping[str, State]
    sent: Mapping[str, tuple[DataMessage, ...]]
    received: DataMessage | None
    accepted: frozenset[DataMessage]


Invariant: TypeAlias = Callable[[Seen], Iterator[str]]


def accepts(seen: Seen) -> bool:
    """Whether the party accepted the Data Message that it received: the counter of its keys is noted then."""
    one = seen.received
    if one is None:
        return False
    before, after = (seen.edge.before.sessions, seen.edge.node.state.sessions)
    return any(_noted(before.get(tag), one) != _noted(session, one) for tag, session in after.items()) or any(
        isinstance(event, TextReceived) and event.secure for event in seen.edge.events
    )


def _noted(session: Session | None, message: DataMessage) -> object:
    """Which session it is, and the last counter for the keys of a message."""
    if session is None or session.ratchet is None:
        return None
    ids = message.recipient_keyid, message.sender_keyid
    return session.ssid, session.ratchet.received.get(ids), session.ratchet.our_keyid


def _same_keys(seen: Seen) -> Iterator[str]:
    names = list(seen.states)
    for one, other in ((a, b) for a in names for b in names if a != b):
        for mine in seen.states[one].sessions.values():
            for theirs in seen.states[other].sessions.values():
                if mine.ratchet is None or theirs.ratchet is None or mine.ssid != theirs.ssid:
                    continue
                known, own = mine.ratchet.theirs, theirs.ratchet.ours
                if any(known[number] != own[number] for number in known.keys() & own.keys()):
                    yield f"{one} takes other keys for those of {other}: {dict(known)}, {dict(own)}"
                if mine.ratchet.their_keyid not in (theirs.ratchet.our_keyid, theirs.ratchet.our_keyid - 1):
                    yield f"{one} is at key {mine.ratchet.their_keyid} of {other}, who is at {theirs.ratchet.our_keyid}"


def _both_drew_it(seen: Seen) -> Iterator[str]:
    for name, state in seen.states.items():
        for session in state.sessions.values():
            owners = (
                {getattr(key, "owner", None) for key in session.ssid.keys} if session.ssid is not None else {name, ""}
            )
            if name not in owners or len(owners) != 2 or None in owners:
                yield f"{name} has a session whose keys were drawn by {sorted(map(str, owners))}"


def _accepted_once(seen: Seen) -> Iterator[str]:
    if seen.received in seen.accepted and accepts(seen):
        yield f"{seen.who} accepts a Data Message again: {seen.received}"


def _counters_rise(seen: Seen) -> Iterator[str]:
    earlier = list(seen.sent[seen.who])
    for _, one in seen.edge.sent:
        if one is None:
            continue
        same = [each.counter for each in earlier if (each.sender, each.receiver) == (one.sender, one.receiver)]
        if same and one.counter <= max(same):
            yield f"{seen.who} sends counter {one.counter} after {max(same)} with the same keys"
        earlier.append(one)


def _revealed(seen: Seen) -> set[MacKey]:
    now = (one for _, one in seen.edge.sent if one is not None)
    return {key for one in (*seen.sent[seen.who], *now) for key in one.reveals}


def _revealed_is_dropped(seen: Seen) -> Iterator[str]:
    for session in seen.states[seen.who].sessions.values():
        if session.ratchet is not None:
            pairs = [(our, their) for our in session.ratchet.ours for their in session.ratchet.theirs]
            for key in _revealed(seen).intersection(session.ratchet.mac_keys(pairs)):
                yield f"{seen.who} has revealed the {key}, and still accepts it"


def _used_is_revealed(seen: Seen) -> Iterator[str]:
    """A MAC key that verified something and was dropped is revealed, or waits for it."""
    for tag, before in seen.edge.before.sessions.items():
        after = seen.edge.node.state.sessions.get(tag)
        if before.ratchet is None or after is None:
            continue
        kept = set(after.ratchet.mac_keys(after.ratchet.verified)) if after.ratchet is not None else set()
        for key in set(before.ratchet.mac_keys(before.ratchet.verified)) - kept - set(after.pending) - _revealed(seen):
            yield f"{seen.who} has forgotten the {key} without revealing it"


def _smp_tells_the_truth(seen: Seen) -> Iterator[str]:
    for event in seen.edge.events:
        if isinstance(event, SmpFinished) and seen.received is not None:
            own = {one.smp.compared for one in seen.edge.before.sessions.values()} - {None}
            theirs = {tlv.compared for tlv in seen.received.plain.tlvs if isinstance(tlv, Smp)}
            if event.equal != bool(own & theirs):
                told = "equal" if event.equal else "different"
                yield f"{seen.who} is told that the secrets are {told}: {own}, {theirs}"


def _no_text_in_clear(seen: Seen) -> Iterator[str]:
    if seen.edge.action != "send":
        return
    before = seen.edge.before
    focus, text = before.sessions.get(before.focus), seen.edge.args.get("text")
    if focus is None or focus.message_state is MessageState.PLAINTEXT:
        return
    if any(getattr(one, "template", None) == Verbatim(text) for one in seen.edge.events):  # type: ignore[arg-type]
        yield f"{seen.who} sends a text in the clear in {focus.message_state.value}"


#: Each invariant as a sentence, by its name.
INVARIANTS: Mapping[str, tuple[str, Invariant]] = {
    "same-keys": (
        "Two parties in one session have the same public keys of each other under the same ids, at most one id apart.",
        _same_keys,
    ),
    "honest-session": ("A session is made of one key of its own and one of the correspondent.", _both_drew_it),
    "accepted-once": ("No Data Message is accepted twice.", _accepted_once),
    "counters-rise": ("Data Messages with the same keys have rising counters.", _counters_rise),
    "revealed-is-dropped": ("A MAC key that was revealed is not accepted any more.", _revealed_is_dropped),
    "used-is-revealed": (
        "A MAC key that verified a message and is dropped is revealed, or waits for it.",
        _used_is_revealed,
    ),
    "smp-truth": ("SMP tells that the secrets are equal if they are, and only then.", _smp_tells_the_truth),
    "no-text-in-clear": (
        "A text is not sent in the clear in a session, nor after the peer has ended it.",
        _no_text_in_clear,
    ),
}
