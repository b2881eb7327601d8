"""The driver protocol's schema against real traffic: it accepts every line of a conversation and rejects damaged ones.

A schema that accepts everything would also pass on good lines, so each member of each line is tried under another name,
with another type and out of range.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import ValidationError

from otterproof.harness.targets.driver import THIRD_PARTIES, DriverTarget, TargetMissing
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from otterproof.implementations.contract import Policy
from tests.driver_pair import ALLOW, Conversation, Traffic, check_line, config

Line = tuple[str, dict[str, Any], str]

#: What the schema does not restrict: users may request the impossible, which is refused; names of secrets are up to the
#: driver.
FREE = [("params", "use"), ("params", "padding"), ("result", "secrets")]


def command(name: str) -> list[str]:
    """The command of a driver; skips the test if it can't be run."""
    if name in ENGINE_DRIVERS:
        return list(ENGINE_DRIVERS[name])
    try:
        return list(THIRD_PARTIES[name].ready())
    except TargetMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", params=["reference", "libotr"])
def lines(request: pytest.FixtureRequest) -> list[Line]:
    """Every kind of line of a conversation in both versions, once each: direction, content and method."""
    traffic = Traffic()  # also checks every line in passing
    target = DriverTarget(request.param, command(request.param), trace=traffic)
    try:
        for version in (2, 3):
            target.reset()
            converse(Conversation(target, config("alice", version, max_message_size=300), config("bob", version)))
    finally:
        target.close()
    kinds, method = {}, ""
    for direction, line in traffic.lines:
        content = json.loads(line)
        method = content.get("method", method)
        events = content.get("result", {}).get("events", ())
        kinds[direction, method, *(event["event"] for event in events)] = (direction, content, method)
    return list(kinds.values())


def converse(talk: Conversation) -> None:
    """Uses every method and causes most events."""
    talk.do("alice", lambda party: party.start())
    talk.do("alice", lambda party: party.send(b"\0\xff", padding=10))
    talk.do("bob", lambda party: party.send(b"hi", instance=0))
    talk.do("bob", lambda party: party.smp_start(b"secret", question=b"why?"))
    talk.do("alice", lambda party: party.smp_answer(b"secret"))
    talk.do("alice", lambda party: party.smp_start(b"secret"))
    talk.do("alice", lambda party: party.smp_abort())
    talk.do("bob", lambda party: party.extra_key(7, b"data"))
    talk.do("bob", lambda party: party.receive(b"?OTR Error: no"))
    talk.do("bob", lambda party: party.receive(b"in the clear"))
    talk.do("bob", lambda party: party.receive(talk.sent["alice"][-1][:-9] + b"AAAAAAAA."))
    talk.parties["alice"].set_time(100)
    talk.parties["alice"].set_policy(ALLOW[2] | Policy.REQUIRE_ENCRYPTION)
    talk.parties["alice"].dump()
    talk.do("alice", lambda party: party.end())
    talk.do("bob", lambda party: party.smp_start(b"secret"))
    talk.parties["alice"].close()


@pytest.mark.slow
def test_the_conversation_has_everything(lines: list[Line]) -> None:
    asked = {method for direction, _, method in lines if direction == ">"}
    told = {event["event"] for _, content, _ in lines for event in content.get("result", {}).get("events", ())}
    assert {"hello", "create", "dump", "close", "reset", "shutdown", "set_time", "set_policy", "extra_key"} <= asked
    assert {
        "outgoing_message",
        "text_received",
        "session_established",
        "peer_ended_session",
        "user_ended_session",
    } <= told
    assert {"error_message_received", "action_refused"} <= told
    assert {"smp_requested", "smp_finished", "smp_aborted", "extra_key_derived"} <= told


def damaged(content: Any) -> Iterator[Any]:
    """Copies of a line, each with one change, at every place in it."""
    for path, value in places(content, ()):
        if isinstance(value, dict):
            yield changed(content, path, value | {"surplus": 1})
            yield changed(content, path, list(value.values()))
        else:
            yield changed(content, path, {})
        if isinstance(value, bool):
            yield changed(content, path, 1)
        elif isinstance(value, int):
            if path not in FREE:
                yield changed(content, path, -1)
            yield changed(content, path, 1.5)
            yield changed(content, path, str(value))
        elif isinstance(value, str):
            yield changed(content, path, 1)
        for name in value if isinstance(value, dict) and path not in FREE else ():
            rest = {key: item for key, item in value.items() if key != name}
            yield changed(content, path, rest | {f"{name}_": value[name]})


def places(content: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value within a value. Maps and lists of a state count as places; their content is up to the driver."""
    yield path, content
    if path[-1:] in [("snapshot",), ("secrets",)]:
        return
    for key, value in content.items() if isinstance(content, dict) else ():
        yield from places(value, (*path, key))
    for index, value in enumerate(content) if isinstance(content, list) else ():
        yield from places(value, (*path, index))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    result = inner = copy.deepcopy(content)
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return result


@pytest.mark.slow
def test_no_damaged_line_is_taken(lines: list[Line]) -> None:
    taken = []
    for direction, content, method in lines:
        for bad in damaged(content):
            try:
                check_line(direction, bad, method)
            except ValidationError:
                continue
            taken.append((method, bad))
    assert taken == []
