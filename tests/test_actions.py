"""Actions as JSON: every action method of the contract is covered, and arguments survive the round trip."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.implementations.actions import ACTIONS, args_from_json, args_to_json, perform
from otterproof.implementations.contract import Engine, Event, OutgoingMessage, Policy
from otterproof.implementations.jsonform import JsonFormError

SEND = st.fixed_dictionaries(
    {"text": st.binary()}, optional={"padding": st.none() | st.integers(), "instance": st.none() | st.integers()}
)


class Mock:
    """Records the calls it gets."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def receive(self, message: bytes) -> Sequence[Event]:
        self.calls.append(message)
        return [OutgoingMessage(message)]

    def set_policy(self, policy: Policy) -> None:
        self.calls.append(policy)


def test_every_method_that_gives_events_is_an_action() -> None:
    methods = {name for name, method in vars(Engine).items() if inspect.isfunction(method) and not name.startswith("_")}
    acting = {name for name in methods if typing.get_type_hints(getattr(Engine, name))["return"] == Sequence[Event]}
    assert set(ACTIONS) == acting | {"set_policy"}
    assert methods - set(ACTIONS) == {"set_time", "inspect", "secrets", "snapshot", "restore"}


@given(SEND)
def test_arguments_come_back_unchanged(args: dict[str, object]) -> None:
    assert args_from_json("send", json.loads(json.dumps(args_to_json("send", args)))) == args


def test_the_form_is_the_documented_one() -> None:
    assert args_to_json("smp_start", {"secret": b"\xff", "question": None}) == {"secret": "\xff", "question": None}
    assert args_to_json("extra_key", {"use": 1, "data": b"d"}) == {"use": 1, "data": "d"}
    assert args_to_json("set_policy", {"policy": Policy.ALLOW_V2}) == {"policy": ["allow_v2"]}
    assert args_from_json("end", {}) == {}


@pytest.mark.parametrize(
    ("action", "args", "problem"),
    [
        ("fly", {}, "args: unknown action 'fly'; known: receive, send, "),
        ("send", {}, "args: missing argument 'text' of send; the arguments are: text, padding, instance"),
        ("start", {"now": 1}, "args: unknown argument 'now' of start; the arguments are: none"),
        ("send", [], "args: expected an object, got list"),
        ("send", {"text": 1}, "args.text: expected a string, got an integer"),
        ("set_policy", {"policy": ["fly"]}, "args.policy[0]: 'fly' is not a valid Policy"),
    ],
)
def test_what_is_wrong_is_said(action: str, args: object, problem: str) -> None:
    with pytest.raises(JsonFormError) as caught:
        args_from_json(action, args)
    assert problem in str(caught.value)


def test_an_action_is_performed_by_name() -> None:
    party = Mock()
    assert perform(party, "receive", {"message": b"x"}) == (OutgoingMessage(b"x"),)
    assert perform(party, "set_policy", {"policy": Policy.NONE}) == ()
    assert party.calls == [b"x", Policy.NONE]
    with pytest.raises(JsonFormError, match="unknown action '__init__'"):
        perform(party, "__init__", {})
