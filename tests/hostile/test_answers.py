"""Oversized answers of drivers: each is refused for its size before much work is done, with a short message."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from otterproof.harness.targets.driver import DriverTarget, TargetDesync
from otterproof.harness.targets.driver import answer as border
from otterproof.harness.targets.driver.answer import MAX_VALUES, result_of
from otterproof.harness.targets.driver.party import MAX_EVENTS
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations import jsonform
from otterproof.implementations.contract import OutgoingMessage, PartyConfig

SABOTEUR = Path(__file__).with_name("saboteur.py")
CONFIG = PartyConfig(published_key("alice"))

#: The start of an answer; what follows is the result.
HEAD, FOOT = b'{"jsonrpc":"2.0","id":1,"result":', b"}\n"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that were decoded: work is counted, not timed."""
    lines: list[str] = []
    genuine = border._decode

    def decode(line: str) -> object:
        lines.append(line)
        return genuine(line)

    monkeypatch.setattr(border, "_decode", decode)
    return lines


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b'""', b'"a,b"', b'{"a":[0]}', b"[[[0]]]"])
def test_too_many_values_are_not_even_decoded(value: bytes, decoded: list[str]) -> None:
    many = b"[" + b",".join([value] * (MAX_VALUES + 1)) + b"]"
    with pytest.raises(TargetDesync, match=f"more than {MAX_VALUES} values") as caught:
        result_of(HEAD + many + FOOT, 1, "x", "receive")
    assert len(str(caught.value)) < 500
    assert decoded == []


@pytest.mark.parametrize(
    "text",
    [",[{" * MAX_VALUES, '",[{' * MAX_VALUES, "\\" * MAX_VALUES + ",[{" * MAX_VALUES, '\\"' * MAX_VALUES],
    ids=["marks", "quotes", "backslashes", "escaped quotes"],
)
def test_what_a_text_holds_does_not_count(text: str) -> None:
    assert result_of(HEAD + json.dumps([text, "x"]).encode() + FOOT, 1, "x", "receive") == [text, "x"]


@pytest.mark.parametrize(
    "open_string", [b'"' + b'\\"' * (1 << 20) + b",[{" * MAX_VALUES, b'"' * (1 << 20) + b"," * MAX_VALUES]
)
def test_a_string_without_an_end_is_gone_through_once(open_string: bytes) -> None:
    """Rescanning the string for each quote would take hours."""
    with pytest.raises(TargetDesync):
        result_of(HEAD + open_string + b"\n", 1, "x", "receive")


def made(statement: str) -> DriverTarget:
    return DriverTarget("saboteur", [sys.executable, "-S", "-E", str(SABOTEUR), "start", statement], 60.0)


def events(count: int) -> str:
    return f"""answer({{"events": [{{"event": "outgoing_message", "message": "x"}}] * {count}}})"""


def test_too_many_events_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    target = made(events(MAX_EVENTS + 1))
    try:
        party = target.party("alice", CONFIG, b"")
        monkeypatch.setattr("otterproof.harness.targets.driver.party.event_from_json", None)
        sentence = f"start answers with {MAX_EVENTS + 1} events, and an answer has at most {MAX_EVENTS}"
        with pytest.raises(TargetDesync, match=sentence) as caught:
            party.start()
        assert len(str(caught.value)) < 500
    finally:
        target.close()


def test_as_many_as_there_may_be_are_taken() -> None:
    target = made(events(MAX_EVENTS))
    try:
        assert target.party("alice", CONFIG, b"").start() == [OutgoingMessage(b"x")] * MAX_EVENTS
    finally:
        target.close()


def test_the_longest_event_fits_as_often_as_there_may_be_events() -> None:
    """The limits fit together: an answer with no more events than allowed never exceeds the limit on values."""
    longest = max(
        (json.dumps({"event": name, **dict.fromkeys(fields)}).encode() for name, fields in _fields().items()), key=len
    )
    assert border._marks(longest + b",") * MAX_EVENTS < MAX_VALUES


def _fields() -> dict[str, list[str]]:
    schema = json.loads(
        (Path(jsonform.__file__).parents[1] / "harness/targets/driver/protocol-events.schema.json").read_text()
    )
    found = {}

    def walk(node: object) -> None:
        if isinstance(node, dict):
            properties = node.get("properties", {})
            if "event" in properties and "const" in properties["event"]:
                found[properties["event"]["const"]] = sorted(properties.keys() - {"event"})
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(schema)
    assert len(found) > 10
    return found
