"""For the tests of drivers: targets that are started once for all tests, and two parties of one target that talk.

Every line of the traffic can be checked against the schema in passing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

import otterproof.harness.targets.driver
from otterproof.harness.simulation.exchange import exchange, other_events, outgoing
from otterproof.harness.targets.driver import THIRD_PARTIES, DriverParty, DriverTarget, TargetMissing
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import Event, PartyConfig, Policy

E = TypeVar("E", bound=Event)

#: The two files of the schema, by their `$id`; they refer to each other.
SCHEMAS: dict[str, Any] = {
    content["$id"]: content
    for path in sorted(Path(otterproof.harness.targets.driver.__file__).parent.glob("protocol*.schema.json"))
    for content in [json.loads(path.read_text())]
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(content)) for name, content in SCHEMAS.items()
)

ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
TAGS = {"alice": 0x1A1A, "bob": 0x2B2B}


_started: dict[str, DriverTarget] = {}


def started(name: str) -> DriverTarget:
    """One process for all tests, as in a run over all cases. Skips the test if the target can't be run."""
    if name not in THIRD_PARTIES:
        pytest.skip(f"{name} is not among the targets")
    if name not in _started:
        try:
            _started[name] = DriverTarget(name, THIRD_PARTIES[name].ready())
        except TargetMissing as missing:
            pytest.skip(str(missing))
    _started[name].reset()
    return _started[name]


def end_started() -> None:
    """End all of these processes."""
    while _started:
        _started.popitem()[1].close()


def definitions() -> dict[str, Any]:
    """The definitions of both files, by name."""
    return {name: definition for content in SCHEMAS.values() for name, definition in content["$defs"].items()}


@cache
def validator(where: str) -> Draft202012Validator:
    """A validator for the part of the schema at a JSON pointer below "#/$defs/"."""
    file = next(name for name, content in SCHEMAS.items() if where.partition("/")[0] in content["$defs"])
    return Draft202012Validator({"$ref": f"{file}#/$defs/{where}"}, registry=REGISTRY)


class Traffic:
    """Checks and keeps every line that crosses. Passed to DriverTarget as its trace."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes]] = []
        self._method = ""

    def __call__(self, direction: str, line: bytes) -> None:
        if direction == "!":  # a message in words, not a line of the protocol
            return
        self.lines.append((direction, line))
        self._method = check_line(direction, json.loads(line), self._method)


def check_line(direction: str, content: Any, method: str) -> str:
    """Check a request, or the answer to a request for `method`; returns the method. jsonschema.ValidationError."""
    if direction == ">":
        validator("request").validate(content)
        return str(content["method"])
    validator("answer").validate(content)
    if "result" in content:
        validator(f"results/$defs/{method}").validate(content["result"])
    return method


class Conversation:
    """alice and bob of one target. `events`: what each was told, without messages; `sent`: the messages."""

    def __init__(self, target: DriverTarget, alice: PartyConfig, bob: PartyConfig, seed: bytes = b"otterproof") -> None:
        self.parties: dict[str, DriverParty] = {
            "alice": target.party("alice", alice, seed),
            "bob": target.party("bob", bob, seed),
        }
        self.events: dict[str, list[Event]] = {"alice": [], "bob": []}
        self.sent: dict[str, list[bytes]] = {"alice": [], "bob": []}

    def do(self, who: str, act: Callable[[DriverParty], Sequence[Event]]) -> None:
        """One party acts, and everything this causes is delivered in order."""
        for name, events in exchange(self.parties, who, act(self.parties[who])).items():
            self.sent[name] += outgoing(events)
            self.events[name] += other_events(events)

    def of(self, who: str, kind: type[E]) -> list[E]:
        """The events of one kind that a party was told since the last call; the others are discarded."""
        told: list[E] = [event for event in self.events[who] if isinstance(event, kind)]
        self.events[who].clear()
        return told


def config(name: str, version: int = 3, **more: Any) -> PartyConfig:
    """For a party that only allows this version and has its own tag, unless told otherwise."""
    given: dict[str, Any] = {"policy": ALLOW[version], "instance_tag": TAGS[name]}
    return PartyConfig(published_key(name), **given | more)
