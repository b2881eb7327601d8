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
from otterproof.harness.wire.shown import counted, message_in_words, shown
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

#: What is said of an argument that is not given; of others, nothing.
_WITHOUT: Mapping[str, str] = {"question": "without a question"}

#: Moves other than users' actions, by their fields and what `_words` adds. which: of the messages that wait.
_MOVES: Mapping[type[Move], str] = {
    Tick: "{time}",
    Deliver: "the network delivers {which}",
    Drop: "the network loses {which}",
    Duplicate: "the network copies {which}",
    Delay: "the network puts {which} behind the others",
    Replay: "the adversary gives {to} a copy of {sent}",
    FlipBit: "the adversary inverts bit {bit} of {which}",
    ChangeField: "the adversary sets {name} to {value} in {which}",
    Truncate: "the adversary cuts {which} after {length_bytes}",
    Inject: "the adversary gives {to} {message}",
    Fragment: "the network cuts {which} into pieces of {size_bytes}",
    Shuffle: "the network shuffles the messages waiting for {to}, with seed {seed}",
    Forge: "the adversary forges a message for {to} with a MAC key that was revealed",
    Splice: "the adversary puts {put} in place of {cut_bytes} of {which}, from byte {at} on",
    Craft: "the insider changes {part} {number} to {value} in {which}",
    Settle: "the network delivers what is under way and what that causes, at most {messages}",
}

#: Changes by an insider, and the parts of handshake messages whose words are not in VARIANTS.
_REPLACED = "the insider replaces {which} with one that has {lie}"
_WRONG_MAC = "the insider gives {which} a MAC that {lie}"
_NEXT_KEY = "the insider sends {which} under its next key, with the counter {value}"
_PARTS: Mapping[str, Sequence[str]] = {
    "gx": ("g^x {value}",),
    "gx_key": ("the key {value}",),
    OWN_KEY: ("its client's previous D-H key as g^x", "its client's current D-H key as g^x"),
    "gy": ("g^y {value}",),
    "keyid": ("key id {value}",),
    "key_type": ("a public key of type {value}, signed", "a public key of type {value}, not signed"),
    "block_cut": ("an X without its last {number_bytes}",),
    "block_added": ("{value} behind X",),
    "block_bytes": ("{value} at byte {number} of X",),
    "revealed_key": ("the revealed key {value}",),
    FOR_COMMIT: ("the contents that fit the insider's own commit",),
}

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

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
        given = ", ".join(filter(None, (_argument(name, value) for name, value in move.args.items())))
        did = f"{_called(move.party)}'s user {_ACTIONS.get(move.action, move.action)}"
        return f"{did}: {given}" if given else did
    words = _words(move)
    if isinstance(move, Craft) and move.part in HANDSHAKE_PARTS:
        lies = VARIANTS.get(move.part) or _PARTS[move.part]
        words["lie"] = lies[move.number % len(lies)].format(**words)
        return _REPLACED.format(**words)
    if isinstance(move, Craft) and move.part == NEXT_KEY:
        return _NEXT_KEY.format(**words)
    if isinstance(move, Craft) and move.part == MAC:
        return _WRONG_MAC.format(lie=LIES[move.number % len(LIES)], **words)
    return _MOVES[type(move)].format(**words)


def _argument(name: str, value: object) -> str:
    """An argument of a user's action; "" for one that is not given and needs no mention."""
    return _WITHOUT.get(name, "") if value is None else f"{name.replace('_', ' ')} {shown(value)}"


def _words(move: Move) -> dict[str, str]:
    """The fields of a move in words, and what follows from them: which message it is about, and numbers of things."""
    told: Mapping[str, object] = {one.name: getattr(move, one.name) for one in fields(move)}
    words = {name: value if isinstance(value, str) else shown(value) for name, value in told.items()}
    for name, value in told.items():
        match name, value:
            case "position", int(place):
                words["which"] = f"the {_ordinal(place)} message waiting for {words['to']}"
            case "index", int(place):
                words["sent"] = f"the {_ordinal(place)} message of all that were sent"
            case "limit", int(limit):
                words["messages"] = counted(limit, "message")
            case "seconds", int(seconds):
                words["time"] = f"{counted(seconds, 'second')} {'passes' if seconds == 1 else 'pass'}"
            case (("length" | "size" | "cut" | "number"), int(size)):
                words[f"{name}_bytes"] = counted(size, "byte")
            case "message", b"":
                words["message"] = "an empty message"
    return words


def _ordinal(place: int) -> str:
    """A place that counts from 0 at the front, or from -1 at the end."""
    if place < 0:
        return "last" if place == -1 else f"{_ordinal(-place - 1)}-to-last"
    number = place + 1
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return _ORDINALS[place] if place < len(_ORDINALS) else f"{number}{ending}"


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
