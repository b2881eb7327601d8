"""The driver protocol: page, schema and code agree, and engines behave the same through it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from otterproof.harness.targets.driver import (
    CAPABILITIES,
    DriverTarget,
    TargetDesync,
    TargetUnsupported,
)
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from otterproof.harness.targets.engines import CAPABILITIES as ALL_CAPABILITIES
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_PRIME
from otterproof.implementations.actions import ACTIONS
from otterproof.implementations.contract import (
    ActionRefused,
    Engine,
    Entropy,
    ExtraKeyDerived,
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    Policy,
    RefuseReason,
    RejectReason,
    SessionEstablished,
    SmpAbortReason,
    SmpFinished,
    TextReceived,
)
from otterproof.implementations.entropy import RecordingEntropy, SeededEntropy
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.jsonform import EVENTS, NULL_IS_A_VALUE, event_to_json, may_be_untold, policy_to_json
from otterproof.implementations.reference import ReferenceEngine
from tests.driver_pair import REGISTRY, SCHEMAS, Conversation, Traffic, check_line, config, definitions, validator
from tests.raising import raises_check

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "driver-protocol.md"
ENGINES: dict[str, Callable[[PartyConfig, Entropy], Engine]] = {
    "reference": ReferenceEngine,
    "independent": IndependentEngine,
}


def variants(name: str) -> dict[str, dict[str, object]]:
    """The alternatives of a part of the schema, by the constant that distinguishes them."""
    found = {}
    for one in definitions()[name]["oneOf"]:
        (key,) = (one["properties"][field]["const"] for field in ("method", "event") if field in one["properties"])
        found[key] = one
    return found


def rows(heading: str) -> dict[str, str]:
    """The table of the page whose first column has this heading. A first cell may name several things."""
    table = re.findall(
        r"^\| (`[^|]+) \|(.*)\|$", PAGE.read_text().partition(f"\n| {heading} |")[2].partition("\n\n")[0], re.M
    )
    return {name: rest for cell, rest in table for name in re.findall(r"`([^`]+)`", cell)}


# ---- page, schema and code -------------------------------------------------------------------------------------------


def test_both_files_are_schemas() -> None:
    for content in SCHEMAS.values():
        Draft202012Validator.check_schema(content)


def test_methods() -> None:
    others = {"hello", "create", "set_time", "dump", "close", "reset", "shutdown"}
    others |= {"snapshot", "restore", "discard", "restart", "logs", "picture", "coverage"}
    assert set(variants("request")) == set(ACTIONS) | others == set(rows("method"))
    assert set(definitions()["results"]["$defs"]) == set(variants("request"))
    for name, one in variants("request").items():
        required = one["properties"].get("params", {}).get("required", ())  # type: ignore[attr-defined]
        params = one["properties"].get("params", {"properties": {}})["properties"]  # type: ignore[attr-defined]
        if name in ACTIONS:
            assert set(params) == {"party", *ACTIONS[name].arguments}
        for param in params:
            told = rows("method")[name].partition(f"`{param}`")
            assert told[1], f"{name}: the page does not tell of {param}"
            assert (param in required) != told[2].startswith(" (optional"), f"{name}: is {param} optional?"


def test_capabilities() -> None:
    assert set(definitions()["capability"]["enum"]) == set(CAPABILITIES) == set(rows("capability"))
    assert ALL_CAPABILITIES - {"lockstep"} == CAPABILITIES


def test_policies() -> None:
    assert definitions()["policy"]["items"]["enum"] == policy_to_json(~Policy.NONE)
    for name in policy_to_json(~Policy.NONE):
        assert f"`{name}`" in PAGE.read_text()


def test_events() -> None:
    assert set(variants("event")) == set(EVENTS) == set(rows("event"))
    for name, one in variants("event").items():
        fields = {field: form for field, form in one["properties"].items() if field != "event"}  # type: ignore[attr-defined]
        assert set(fields) == {field.name for field in dataclasses.fields(EVENTS[name])}
        for field, form in fields.items():
            assert f"`{field}`" in rows("event")[name], f"{name}: the page does not tell of {field}"
            nullable = Draft202012Validator(form, registry=REGISTRY).is_valid(None)
            assert nullable == (field in may_be_untold(name) | NULL_IS_A_VALUE), f"{name}.{field}: null in the schema"
            assert nullable == (f"`{field}`?" in rows("event")[name]), f"{name}.{field}: null on the page"


@pytest.mark.parametrize(
    ("event", "reasons"),
    [
        ("message_unreadable", RejectReason),
        ("message_rejected", RejectReason),
        ("action_refused", RefuseReason),
        ("smp_aborted", SmpAbortReason),
    ],
)
def test_reasons(event: str, reasons: type[Enum]) -> None:
    form = variants("event")[event]["properties"]["reason"]  # type: ignore[index]
    name = form["$ref"].rpartition("/")[2]
    assert definitions()[name]["enum"] == [*(one.value for one in reasons), None]
    for one in reasons:
        assert f"`{one.value}`" in PAGE.read_text()


def test_errors() -> None:
    codes = set(re.findall(r"^\| (-\d+) \|", PAGE.read_text(), re.MULTILINE))
    assert codes == {"-32001", "-32002", "-32003", "-32601", "-32602"}


def test_the_session_on_the_page_is_one() -> None:
    session = PAGE.read_text().partition("\n## A session\n")[2]
    lines = re.findall(r"^([<>]) (\{.*\})$", session, re.MULTILINE)
    asked, method = set(), ""
    for direction, line in lines:
        # The page shortens long values; those with a fixed length are restored.
        whole = re.sub(r'"(fingerprint|key|ssid)":"(\w+)\.\.\."', _padded, line).replace("...", "")
        method = check_line(direction, json.loads(whole), method)
        asked.add(method)
    assert [direction for direction, _ in lines] == [">", "<"] * (len(lines) // 2)
    assert {"hello", "create", "receive", "send", "smp_start", "smp_answer", "end", "reset", "shutdown"} <= asked


def _padded(match: re.Match[str]) -> str:
    length = {"fingerprint": 40, "key": 64, "ssid": 16}[match[1]]
    return f'"{match[1]}":"{match[2].ljust(length, "0")}"'


@pytest.mark.parametrize(
    "line",
    [
        {"jsonrpc": "2.0", "id": 1, "method": "levitate"},
        {"jsonrpc": "2.0", "id": 1, "method": "start"},
        {"jsonrpc": "2.0", "id": 1, "method": "receive", "params": {"party": "a", "message": "\u0100"}},
        {"jsonrpc": "2.0", "id": 1, "method": "end", "params": {"party": "a", "instance": -1}},
        {"jsonrpc": "2.0", "id": 0, "method": "reset"},
    ],
)
def test_the_schema_refuses(line: object) -> None:
    with pytest.raises(ValidationError):
        validator("request").validate(line)


# ---- the engines behind it -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sorted(ENGINES))
def target(request: pytest.FixtureRequest) -> Iterator[DriverTarget]:
    target = DriverTarget(request.param, ENGINE_DRIVERS[request.param], trace=Traffic())
    yield target
    target.close()


def test_an_engine_says_hello(target: DriverTarget) -> None:
    assert (target.otr_versions, target.capabilities, target.randomness) == ((2, 3), CAPABILITIES, "tape")


@pytest.mark.parametrize("version", [2, 3])
def test_engines_through_the_protocol(target: DriverTarget, version: int) -> None:
    target.reset()
    talk = Conversation(target, config("alice", version, max_message_size=300), config("bob", version))
    talk.do("alice", lambda party: party.start())
    assert [one.version for one in talk.of("alice", SessionEstablished)] == [version]
    talk.do("alice", lambda party: party.send(bytes(range(1, 256)), padding=10))
    assert [one.text for one in talk.of("bob", TextReceived)] == [bytes(range(1, 256))]
    talk.do("bob", lambda party: party.smp_start(b"\0\xff", question=b"why?"))
    talk.do("alice", lambda party: party.smp_answer(b"\0\xff"))
    assert [one.equal for one in talk.of("bob", SmpFinished)] == [True]
    talk.do("alice", lambda party: party.extra_key(7, b"\0data"))
    expected: list[type] = [ExtraKeyDerived] if version == 3 else [ActionRefused]
    assert [type(one) for one in talk.events["alice"][-1:]] == expected
    talk.do("alice", lambda party: party.end())
    assert talk.of("bob", PeerEndedSession)
    assert [type(one) for one in talk.parties["bob"].send(b"too late")] == [ActionRefused]


def test_a_seed_makes_the_same_conversation(target: DriverTarget) -> None:
    seen = []
    for _ in range(2):
        target.reset()
        talk = Conversation(target, config("alice"), config("bob"))
        talk.do("alice", lambda party: party.start())
        talk.do("bob", lambda party: party.send(b"hello"))
        seen.append((talk.sent, talk.events))
    assert seen[0] == seen[1]


def test_what_an_engine_cannot_have_is_unsupported(target: DriverTarget) -> None:
    target.reset()
    with pytest.raises(TargetUnsupported, match="create: max_message_size 1 is below 64"):
        target.party("alice", config("alice", max_message_size=1), b"seed")
    assert target.party("alice", config("alice", max_message_size=64), b"seed").start()


def test_a_tape_is_obeyed(target: DriverTarget) -> None:
    target.reset()
    drawn = RecordingEntropy(SeededEntropy(b"tape"))
    engine = ENGINES[target.name](config("alice"), drawn)
    expected = list(engine.receive(b"?OTRv3?"))
    party = target.party("alice", config("alice"), b"another seed", tape=drawn.drawn)
    assert party.receive(b"?OTRv3?") == expected


def test_a_dump_shows_everything(target: DriverTarget) -> None:
    target.reset()
    talk = Conversation(target, config("alice"), config("bob"))
    talk.do("alice", lambda party: party.start())
    dump = talk.parties["alice"].dump()
    snapshot = dump.snapshot()
    assert snapshot is not None
    assert dump.differences(snapshot) == []
    ratchet = snapshot.sessions[-1].ratchet
    assert ratchet is not None
    exponents = {pow(2, int.from_bytes(secret), DH_PRIME) for secret in dump.secrets.values()}
    assert set(ratchet.our_keys.values()) <= exponents
    talk.do("alice", lambda party: party.send(b"one"))
    talk.do("bob", lambda party: party.send(b"two"))
    assert any("our_keyid" in line for line in talk.parties["alice"].dump().differences(snapshot))


def test_what_a_target_does_not_tell_does_not_differ(target: DriverTarget) -> None:
    target.reset()
    party = target.party("alice", config("alice"), b"seed")
    snapshot = party.dump().snapshot()
    assert snapshot is not None
    shown = dict(party.dump().shown) | {"focus": None}
    del shown["stored"]
    partial = type(party.dump())(shown, {})
    assert partial.snapshot() is None
    assert partial.differences(snapshot) == []


def test_parties_are_closed_and_names_used_again(target: DriverTarget) -> None:
    target.reset()
    party = target.party("alice", config("alice"), b"seed")
    party.close()
    assert target.party("alice", config("alice"), b"seed").start()
    with pytest.raises(TargetDesync, match=r"rejects the request .* no party 'bob'"):
        target.call("start", {"party": "bob"})


def test_an_error_of_the_engine_is_told(target: DriverTarget) -> None:
    target.reset()
    party = target.party("alice", PartyConfig(published_key("alice")), b"seed")
    party.set_time(10)
    with raises_check("exception.set_time.OtrError"):
        party.set_time(5)
    assert [event_to_json(one)["event"] for one in party.start()] == ["outgoing_message"]
    assert isinstance(party.start()[0], OutgoingMessage)
