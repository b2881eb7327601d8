"""The JSON form of the contract's types: nothing is lost, and errors name their place."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.implementations import contract
from otterproof.implementations.contract import (
    DsaPrivateKey,
    DsaPublicKey,
    ExtraKeyDerived,
    MessageRejected,
    OutgoingMessage,
    PartyConfig,
    PartySnapshot,
    Policy,
    RejectReason,
    SessionEstablished,
    SmpRequested,
    TextReceived,
)
from otterproof.implementations.jsonform import (
    EVENTS,
    HEX_INT_FIELDS,
    JsonFormError,
    config_from_json,
    config_to_json,
    dsa_key_from_json,
    dsa_key_to_json,
    event_from_json,
    event_to_json,
    may_be_untold,
    policy_from_json,
    policy_to_json,
    snapshot_from_json,
    snapshot_to_json,
    unknown_fields,
)

SMALL = st.integers(0, 2**63 - 1).filter(lambda value: value < 10**19)
BIG = st.integers(0, 2**3072)
POLICIES = st.lists(st.sampled_from(list(Policy))).map(lambda names: Policy(sum({name.value for name in names})))


def values(hint: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a contract type: like st.from_type, but with numbers that are counters, ids or public values."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is int:
        return BIG if name in HEX_INT_FIELDS else SMALL
    if hint is Policy:
        return POLICIES
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: values(hints[field.name], field.name) for field in fields(hint)})  # type: ignore[arg-type]
    if origin is Mapping:
        return st.dictionaries(values(arguments[0]), values(arguments[1], name), max_size=3)
    if origin is frozenset:
        return st.frozensets(values(arguments[0]), max_size=3)
    if origin is tuple:
        if arguments[1:] == (...,):
            return st.lists(values(arguments[0], name), max_size=3).map(tuple)
        return st.tuples(*(values(argument) for argument in arguments))
    if type(None) in arguments:
        return st.none() | values(arguments[0], name)
    return st.from_type(hint)


def through_text(value: Any) -> Any:
    """The value after a round trip through text."""
    return json.loads(json.dumps(value, allow_nan=False))


def test_every_event_of_the_contract_has_a_name() -> None:
    assert set(EVENTS.values()) == set(typing.get_args(contract.Event))
    assert {"outgoing_message", "text_received", "smp_requested", "extra_key_derived"} < set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
def test_events_come_back_unchanged(name: str, data: st.DataObject) -> None:
    event = data.draw(values(EVENTS[name]))
    form = event_to_json(event)
    assert form["event"] == name
    assert event_from_json(through_text(form)) == event
    assert unknown_fields(form) == {one for one in may_be_untold(name) if getattr(event, one) is None}


@given(values(PartySnapshot))
def test_snapshots_come_back_unchanged(snapshot: PartySnapshot) -> None:
    assert snapshot_from_json(through_text(snapshot_to_json(snapshot))) == snapshot


@given(values(DsaPrivateKey))
def test_keys_come_back_unchanged(key: DsaPrivateKey) -> None:
    assert dsa_key_from_json(through_text(dsa_key_to_json(key))) == key
    assert set(dsa_key_to_json(key)) == {"p", "q", "g", "y", "x"}


@given(values(PartyConfig))
def test_configurations_come_back_unchanged(config: PartyConfig) -> None:
    assert config_from_json(through_text(config_to_json(config))) == config


@given(POLICIES)
def test_policies_come_back_unchanged(policy: Policy) -> None:
    assert policy_from_json(through_text(policy_to_json(policy))) == policy


def test_the_form_is_the_documented_one() -> None:
    assert event_to_json(TextReceived(b"h\x00\xff", True, False, 256)) == {
        "event": "text_received",
        "text": "h\x00\xff",
        "secure": True,
        "warn": False,
        "instance": 256,
    }
    assert event_to_json(ExtraKeyDerived(0, True, 1, b"d", b"\x0a\xff"))["key"] == "0aff"
    assert event_to_json(SessionEstablished(1, 3, b"\x01", b"", True, False, False))["ssid"] == "01"
    assert event_to_json(MessageRejected(RejectReason.BAD_MAC))["reason"] == "bad_mac"
    assert event_to_json(SmpRequested(1, None))["question"] is None
    assert policy_to_json(Policy.ALLOW_V3 | Policy.ERROR_START_AKE) == ["allow_v3", "error_start_ake"]
    assert dsa_key_to_json(DsaPrivateKey(DsaPublicKey(16, 2, 3, 4), 255))["x"] == "ff"


def test_the_snapshot_form_is_the_documented_one() -> None:
    ratchet = contract.RatchetSnapshot(
        2, 1, {2: 31, 1: 16}, {1: 7}, {(2, 1): 5, (1, 1): 9}, {}, frozenset({(2, 1), (1, 1)})
    )
    session = contract.SessionSnapshot(
        256,
        3,
        contract.MessageState.ENCRYPTED,
        contract.AuthState.NONE,
        contract.SmpState.EXPECT1,
        False,
        b"\x01",
        b"\x02",
        ratchet,
        (b"\x03",),
    )
    form = snapshot_to_json(PartySnapshot(300, 256, False, True, (session,), (b"text",), {0: (1, 2)}))
    assert list(form["sessions"][0]["ratchet"]["our_keys"].items()) == [("1", "10"), ("2", "1f")]
    assert list(form["sessions"][0]["ratchet"]["sent"].items()) == [("1,1", 9), ("2,1", 5)]
    assert form["sessions"][0]["ratchet"]["verified"] == ["1,1", "2,1"]
    assert form["sessions"][0]["pending_mac_keys"] == ["03"]
    assert form["stored"] == ["text"]
    assert form["fragments"] == {"0": "1,2"}


def test_null_in_an_event_is_what_is_not_told() -> None:
    form: dict[str, object] = {"event": "message_rejected", "reason": None, "field": None, "offset": None}
    assert event_from_json(form) == MessageRejected(None, None, None)
    assert unknown_fields(form) == {"reason", "field", "offset"}
    form = {"event": "text_received", "text": "hi", "secure": True, "warn": None, "instance": None}
    assert event_from_json(form) == TextReceived(b"hi", True, None, None)
    assert event_to_json(event_from_json(form)) == form
    assert unknown_fields(form) == {"warn", "instance"}
    with pytest.raises(JsonFormError, match=r"event\.secure"):
        event_from_json(form | {"secure": None})
    form = {"event": "smp_requested", "instance": 256, "question": None}
    assert event_from_json(form) == SmpRequested(256, None)
    assert unknown_fields(form) == frozenset()


def test_reading_leaves_the_given_object_alone() -> None:
    form = event_to_json(OutgoingMessage(b"x"))
    event_from_json(form)
    assert form == {"event": "outgoing_message", "message": "x"}


@pytest.mark.parametrize(
    ("form", "where", "problem"),
    [
        ([], "event", "expected an object, got a list"),
        ({}, "event", 'missing field "event"'),
        ({"event": 3}, "event.event", "expected a string, got an integer"),
        ({"event": "outgone"}, "event.event", "unknown event 'outgone'; known: outgoing_message, "),
        ({"event": "outgoing_message"}, "event", "missing field 'message'"),
        (
            {"event": "outgoing_message", "message": "", "more": 1},
            "event",
            "unknown field 'more'; the fields are: message",
        ),
        ({"event": "outgoing_message", "message": 5}, "event.message", "expected a string, got an integer"),
        ({"event": "outgoing_message", "message": "ab\u0100"}, "event.message", "character U+0100 at position 2"),
        ({"event": "peer_ended_session", "instance": True}, "event.instance", "expected an integer, got a boolean"),
        ({"event": "peer_ended_session", "instance": 1.0}, "event.instance", "expected an integer, got a fraction"),
        ({"event": "smp_finished", "instance": 1, "equal": 1}, "event.equal", "expected a boolean, got an integer"),
        (
            {"event": "message_rejected", "reason": "bad", "field": "", "offset": 0},
            "event.reason",
            "'bad' is not a valid RejectReason; known",
        ),
        (
            {"event": "extra_key_derived", "instance": 1, "received": True, "use": 1, "data": "", "key": "AB"},
            "event.key",
            "expected lower-case hexadecimal",
        ),
        (
            {"event": "extra_key_derived", "instance": 1, "received": True, "use": 1, "data": "", "key": "abc"},
            "event.key",
            "two digits a byte",
        ),
    ],
)
def test_what_is_wrong_with_an_event_is_said(form: object, where: str, problem: str) -> None:
    with pytest.raises(JsonFormError) as caught:
        event_from_json(form)
    assert caught.value.where == where
    assert problem in caught.value.problem
    assert str(caught.value) == f"{where}: {caught.value.problem}"


def replaced(path: list[str | int], value: object) -> Any:
    """A good snapshot in JSON with one value replaced."""
    ratchet = {"our_keyid": 2, "their_keyid": 1, "our_keys": {"1": "a"}, "their_keys": {"1": "b"}}
    ratchet |= {"sent": {"1,1": 3}, "received": {}, "verified": ["1,1"]}
    session: dict[str, Any] = {"instance": 256, "version": 3, "message_state": "encrypted", "auth_state": "none"}
    session |= {"smp_state": "expect1", "smp_question_waiting": False, "ssid": "00", "fingerprint": "00"}
    session |= {"ratchet": ratchet, "pending_mac_keys": ["00"]}
    form: Any = {"instance_tag": 256, "focus": 0, "announced": False, "heard_plaintext": False}
    form |= {"sessions": [session], "stored": [], "fragments": {"0": "1,2"}}
    place = form
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return form


@pytest.mark.parametrize(
    ("path", "value", "where", "problem"),
    [
        (["focus"], None, "snapshot.focus", "expected an integer, got null"),
        (["sessions"], {}, "snapshot.sessions", "expected a list, got an object"),
        (
            ["sessions", 0, "message_state"],
            "open",
            "snapshot.sessions[0].message_state",
            "is not a valid MessageState; known",
        ),
        (["sessions", 0, "pending_mac_keys"], ["0g"], "snapshot.sessions[0].pending_mac_keys[0]", "hexadecimal"),
        (["sessions", 0, "ratchet", "our_keys"], {"01": "a"}, "snapshot.sessions[0].ratchet.our_keys: a key", "'01'"),
        (["sessions", 0, "ratchet", "our_keys"], {"1": ""}, "snapshot.sessions[0].ratchet.our_keys[1]", "hexadecimal"),
        (["sessions", 0, "ratchet", "sent"], {"1": 2}, "snapshot.sessions[0].ratchet.sent: a key", 'as "a,b"'),
        (["sessions", 0, "ratchet", "sent"], {"1,2": "2"}, "snapshot.sessions[0].ratchet.sent[1,2]", "an integer"),
        (["sessions", 0, "ratchet", "verified"], ["1,1", "1,1"], "snapshot.sessions[0].ratchet.verified", "duplicate"),
        (["fragments"], {"9" * 5000: "1,2"}, "snapshot.fragments: a key", "decimal"),
        (["fragments"], {"0": "1,-2"}, "snapshot.fragments[0]", "decimal"),
        (["fragments"], {"0": "1,２"}, "snapshot.fragments[0]", "decimal"),
    ],
)
def test_what_is_wrong_with_a_snapshot_is_said(path: list[str | int], value: object, where: str, problem: str) -> None:
    snapshot_from_json(replaced(["focus"], 0))
    with pytest.raises(JsonFormError) as caught:
        snapshot_from_json(replaced(path, value))
    assert caught.value.where == where
    assert problem in caught.value.problem


def test_what_is_wrong_with_policies_and_keys_is_said() -> None:
    with pytest.raises(JsonFormError, match=r"policy\[1\]: 'allow_v1' is not a valid Policy; known: allow_v2"):
        policy_from_json(["allow_v2", "allow_v1"])
    with pytest.raises(JsonFormError, match=r"policy\[1\]: duplicate 'allow_v2'"):
        policy_from_json(["allow_v2", "allow_v2"])
    with pytest.raises(JsonFormError, match="key: missing field 'x'"):
        dsa_key_from_json({"p": "1", "q": "1", "g": "1", "y": "1"})
    with pytest.raises(JsonFormError, match="key: missing field 'y'"):
        dsa_key_from_json({"p": "1", "q": "1", "g": "1", "x": "1"})
    with pytest.raises(JsonFormError, match=r"key\.x: expected a number in lower-case hex"):
        dsa_key_from_json({"p": "1", "q": "1", "g": "1", "y": "1", "x": "0x1"})
