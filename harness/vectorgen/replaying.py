"""Plays from the committed files: replayed with the file's randomness, and checked by the harness's codec.

A party that draws from a tape (an engine, or a target that declares it) must give exactly the same events. The codec is
not a client. It checks that every message can be parsed and rebuilt byte by byte, that the messages clients send have
no problems and, if a case has intermediate values, that every Data Message verifies under the keys they name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from otterproof.harness import wire
from otterproof.harness.targets.party import state_of
from otterproof.harness.vectorgen.answers import private_key
from otterproof.harness.vectorgen.client_session import reaction, seen, state
from otterproof.harness.vectorgen.wrong import Wrong
from otterproof.harness.wire import Kind, crypto
from otterproof.implementations.actions import args_from_json, perform
from otterproof.implementations.contract import Event, PartyConfig
from otterproof.implementations.entropy import Tape, TapeEntropy
from otterproof.implementations.jsonform import event_from_json, policy_from_json
from otterproof.vectors import Case, Fields, Group

#: The problem with a case, by reading; None for a reading without a problem.
Problems = Mapping[str, Wrong | None]

StepFields = Mapping[str, Any]


class Replayer(Protocol):
    """A party that plays are replayed with."""

    def receive(self, message: bytes) -> Sequence[Event]: ...
    def set_time(self, now: int) -> None: ...


#: Makes a party from its configuration and its tape.
Maker = Callable[[PartyConfig, Tape], Replayer]


def config_of(group: Fields) -> PartyConfig:
    """The configuration in a group of plays. KeyFileError when its key is not a DSA key."""
    party = group.table("party")
    return PartyConfig(
        private_key(party["key"]),
        policy_from_json(list(party["policy"])),
        party["instance_tag"],
        party["max_message_size"],
        party["heartbeat_interval"],
    )


def tape_of(group: Fields) -> Tape:
    """The randomness in a group of plays."""
    named = (name.rpartition(" ") for name in group.table("entropy"))
    return {(label, int(index)): group.table("entropy")[f"{label} {index}"] for label, _, index in named}


def run(party: Replayer, steps: Sequence[StepFields]) -> tuple[Wrong | None, tuple[Event, ...]]:
    """Perform steps. Returns the first difference, and the events of the last step."""
    events: tuple[Event, ...] = ()
    for number, step in enumerate(steps, 1):
        if "time" in step:
            party.set_time(step["time"])
        args = args_from_json(step["action"], step["args"])
        events = perform(party, step["action"], args)
        expected = tuple(event_from_json(event) for event in step["events"])
        if events != expected:
            at = next((n for n, pair in enumerate(zip(events, expected, strict=False)) if pair[0] != pair[1]), None)
            here = f"step {number} ({step['action']})"
            if at is None:
                return Wrong("the events", f"{len(expected)}", f"{len(events)}", here), events
            return Wrong.value(f"event {at}", expected[at], events[at]).at(here), events
    return None, events


def play_again(make: Maker) -> Callable[[Group, Case], Problems]:
    """A checker for plays. Engines reach the state of a group once; other parties do so for each case."""
    reached: dict[str, tuple[Replayer, object, Wrong | None]] = {}

    def start(group: Group) -> tuple[Replayer, Wrong | None]:
        party, moment, problem = reached.get(group.id, (None, None, None))
        if party is not None:
            party.restore(moment)  # type: ignore[attr-defined]
            return party, problem
        fresh = make(config_of(group.fields), tape_of(group.fields))
        problem, _ = run(fresh, group.fields.items_of("prefix"))
        if hasattr(fresh, "snapshot"):
            reached.clear()
            reached[group.id] = fresh, fresh.snapshot(), problem
        return fresh, problem

    def ask(group: Group, case: Case) -> Problems:
        first = next(iter(case.outcomes))
        party, problem = start(group)
        return {first: problem.at("the prefix") if problem else _judge(party, group, case)}

    return ask


def _judge(party: Replayer, group: Group, case: Case) -> Wrong | None:
    outcome = case.outcome()
    before = state_of(party)
    problem, events = run(party, case.fields.items_of("steps"))
    if problem:
        return problem
    found: dict[str, Any] = {**seen(events), "reason": reaction(events)[1]}
    after = state_of(party)
    if before is not None and after is not None:
        found["unchanged"] = before == after
        found["state"] = state(after)
    for name, right in outcome.expect.items():
        if name in found and found[name] != right:
            return Wrong.value(name, right, found[name])
    told = reaction(events)[0]
    if told and outcome.reaction not in (told, "accepted"):
        return Wrong("the reaction", outcome.reaction or "that of something valid", told)
    if "sequel" in group.fields and outcome.expect.get("unchanged"):
        problem, _ = run(party, group.fields.items_of("sequel"))
        return problem.at("the sequel") if problem else None
    return None


def engine_maker(engine: Callable[[PartyConfig, TapeEntropy], Replayer]) -> Maker:
    """Makes parties of an engine that draw only from a tape."""
    return lambda config, tape: engine(config, TapeEntropy(tape))


# ---- the codec -------------------------------------------------------------------------------------------------------


def messages(steps: Sequence[StepFields]) -> Iterator[tuple[bytes, bool]]:
    """All messages, and whether the client made each. A user's text that went out unchanged was not made by it."""
    for step in steps:
        if step["action"] == "receive":
            yield step["args"]["message"].encode("latin-1"), False
        for event in step["events"]:
            if event["event"] == "outgoing_message":
                yield event["message"].encode("latin-1"), event["message"] != step["args"].get("text")


def read_through(group: Group, case: Case) -> Problems:
    """What the harness's own codec finds in a play."""
    first = next(iter(case.outcomes))
    for number, (message, sent) in enumerate(messages(case.fields.items_of("steps")), 1):
        parsed = wire.parse(message)
        if wire.build(parsed) != message:
            return {first: Wrong("it is not given back byte by byte", where=f"message {number}")}
        if sent and parsed.problems:
            return {first: Wrong(f"what is sent has a problem: {parsed.problems[0]}", where=f"message {number}")}
        values = case.outcome().expect.get("values")
        if values and parsed.kind is Kind.DATA and not _verifies(parsed, sent, values):
            return {first: Wrong("it does not verify under the keys in values", where=f"message {number}")}
    return {first: None}


def _verifies(message: wire.Message, sent: bool, values: Mapping[str, bytes]) -> bool:
    """Whether a Data Message verifies under the keys that its ids name, in any of the handshakes."""
    ids = (message.number("sender_keyid"), message.number("recipient_keyid"))
    ours, theirs = ids if sent else ids[::-1]
    name = f":{ours},{theirs} {'sending' if sent else 'receiving'}_mac"
    return any(crypto.verifies(message, key) for label, key in values.items() if label.endswith(name))
