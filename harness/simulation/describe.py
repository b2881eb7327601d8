"""The steps and moves of a run in words, one line each, for people who read a failure: who did what, what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from otterproof.harness.simulation.moves import (
    ChangeField,
    Craft,
    Delay,
    Deliver,
    Drop,
    Duplicate,
    FlipBit,
    Forge,
    Fragment,
    Inject,
    Move,
    Replay,
    Settle,
    Shuffle,
    Splice,
    Tick,
    Truncate,
    User,
)
from otterproof.harness.simulation.world import Step
from otterproof.harness.wire.craft import MAC, NEXT_KEY
from otterproof.harness.wire.craft_handshake import FOR_COMMIT, HANDSHAKE_PARTS, OWN_KEY, VARIANTS
from otterproof.harness.wire.data_lies import LIES
from otterproof.harness.wire.shown import message_in_words, shown
from otterproof.implementations.contract import Event

#: What a user does, by the name of the action.
_ACTIONS: Mapping[str, str] = {
    "start": "starts a conversation",
    "end": "ends the conversation",
    "smp_start": "starts SMP",
    "smp_answer": "answers SMP",
    "smp_abort": "gives up SMP",
    "extra_key": "asks for the extra symmetric key",
    "set_policy": "changes the policy",
}

#: Moves other than users' actions, by their fields. Positions and indexes count from 0, as in the moves.
_MOVES: Mapping[type[Move], str] = {
    Tick: "{seconds} seconds pass",
    Deliver: "the network delivers message {position} of those waiting for {to}",
    Drop: "the network loses message {position} of those waiting for {to}",
    Duplicate: "the network copies message {position} of those waiting for {to}",
    Delay: "the network puts message {position} of those waiting for {to} behind the others",
    Replay: "the adversary hands over to {to} a copy of message {index} of all that were sent",
    FlipBit: "the adversary inverts bit {bit} of message {position} of those waiting for {to}",
    ChangeField: "the adversary sets {name} to {value} in message {position} of those waiting for {to}",
    Truncate: "the adversary cuts message {position} of those waiting for {to} after {length} bytes",
    Inject: "the adversary hands over to {to} {message}",
    Fragment: "the network cuts message {position} of those waiting for {to} into pieces of {size} bytes",
    Shuffle: "the network shuffles the messages waiting for {to}, with seed {seed}",
    Forge: "the adversary forges a message for {to} with a MAC key that was revealed",
    Splice: "the adversary puts {put} in place of {cut} bytes from {at} on of message {position} waiting for {to}",
    Craft: "the insider changes {part} {number} to {value} in message {position} of those waiting for {to}",
    Settle: "the network delivers what is under way and what that causes, at most {limit} messages",
}

#: Changes by an insider, and the parts of handshake messages whose words are not in VARIANTS.
_REPLACED = "the insider replaces message {position} of those waiting for {to} with one that has {lie}"
_WRONG_MAC = "the insider gives message {position} of those waiting for {to} a MAC that {lie}"
_NEXT_KEY = (
    "the insider sends message {position} of those waiting for {to} under its next key, with the counter {value}"
)
_PARTS: Mapping[str, Sequence[str]] = {
    "gx": ("g^x {value}",),
    "gx_key": ("the key {value}",),
    OWN_KEY: ("its client's previous D-H key as g^x", "its client's current D-H key as g^x"),
    "gy": ("g^y {value}",),
    "keyid": ("key id {value}",),
    "key_type": ("a public key of type {value}, signed", "a public key of type {value}, not signed"),
    "block_cut": ("an X without its last {number} bytes",),
    "block_added": ("{value} behind X",),
    "block_bytes": ("{value} at byte {number} of X",),
    "revealed_key": ("the revealed key {value}",),
    FOR_COMMIT: ("the contents that fit the insider's own commit",),
}

#: Parties that are called by their names; the others are called by their roles.
_NAMES = frozenset({"alice", "bob", "bob1", "bob2"})


def describe_input(step: Step) -> str:
    """The input of a step: the target receives a D-H Key Message."""
    party = _called(step.party)
    match step.args:
        case {"message": bytes() as message} if step.action == "receive":
            return f"{party} receives {message_in_words(message)}"
        case {"text": bytes() as text} if step.action == "send":
            return f"{party}'s user sends {shown(text)}"
        case _:
            return f"{party}'s user {_ACTIONS.get(step.action, step.action)}"


def describe_move(move: Move) -> str:
    """A move with its arguments: alice's user starts SMP: secret "x"."""
    if isinstance(move, User):
        text = move.args.get("text")
        if move.action == "send" and isinstance(text, bytes):
            return f"{_called(move.party)}'s user sends {shown(text)}"
        given = ", ".join(f"{name.replace('_', ' ')} {shown(value)}" for name, value in move.args.items())
        did = f"{_called(move.party)}'s user {_ACTIONS.get(move.action, move.action)}"
        return f"{did}: {given}" if given else did
    told = {one.name: getattr(move, one.name) for one in fields(move)}
    words = {name: value if isinstance(value, str) else shown(value) for name, value in told.items()}
    if isinstance(move, Craft) and move.part in HANDSHAKE_PARTS:
        lies = VARIANTS.get(move.part) or _PARTS[move.part]
        words["lie"] = lies[move.number % len(lies)].format(**words)
        return _REPLACED.format(**words)
    if isinstance(move, Craft) and move.part == NEXT_KEY:
        return _NEXT_KEY.format(**words)
    if isinstance(move, Craft) and move.part == MAC:
        return _WRONG_MAC.format(lie=LIES[move.number % len(LIES)], **words)
    return _MOVES[type(move)].format(**words)


def _called(party: str) -> str:
    return party if party in _NAMES else f"the {party}"


def describe_result(step: Step) -> str:
    """The result of a step: answers with a Reveal Signature Message."""
    if step.failure is not None:
        return "breaks down"
    return describe_events(step.events)


def describe_events(events: Sequence[Event]) -> str:
    """Events in words, with repeated ones counted."""
    words = [shown(event) for event in events]
    unique = list(dict.fromkeys(words))
    parts = [one if words.count(one) == 1 else f"{one} ({words.count(one)} times)" for one in unique]
    return "; ".join(parts) or "nothing happens"
