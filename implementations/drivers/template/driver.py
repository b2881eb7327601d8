"""A driver template. Copy this file, fill in the places marked TODO, and run it:

    otterproof check 'exec:python3 my_driver.py'

It needs only Python's standard library. As it stands, it answers every action with "unsupported".
docs/reference/driver-protocol.md explains each method and event.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

UNSUPPORTED, LIBRARY_FAILED = -32001, -32002
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602

Params = dict[str, Any]
Event = dict[str, Any]


class Unsupported(Exception):
    """The implementation can't do what was asked."""


def from_latin1(text: str) -> bytes:
    """The bytes of a message, text, question, secret or data: each character, U+0000 to U+00FF, is one byte."""
    return text.encode("latin-1")


def to_latin1(data: bytes) -> str:
    return data.decode("latin-1")


class Party:
    """One local account with one correspondent. Parties are independent of each other."""

    def __init__(self, params: Params) -> None:
        # TODO: set up the implementation. Use the given long-term key, so that fingerprints stay the same:
        #   p, q, g, y, x = (int(params["key"][name], 16) for name in "pqgyx")
        # Apply params["policy"], ["instance_tag"], ["max_message_size"] and ["heartbeat_interval"] as far as the
        # implementation can; all but the first may be null. If params["seed"] is not null and you can seed its random
        # generator, do so and set "randomness" below to "seed": then runs are repeatable.
        self.events: list[Event] = []

    def created(self) -> Params:
        # TODO: our own instance tag (null if there is none), and the fingerprint of our own key.
        return {"instance_tag": None, "fingerprint": "00" * 20}

    # Each action appends events to self.events in the order in which they happen. The most important one is
    #   {"event": "outgoing_message", "message": to_latin1(message)}
    # for each message to transmit. A field that the implementation does not tell is null. Report only what it does.

    def receive(self, message: str) -> None:
        # TODO: pass from_latin1(message) to the implementation. Example events:
        #   {"event": "text_received", "text": to_latin1(text), "secure": True, "warn": False, "instance": 0}
        #   {"event": "session_established", "instance": 0, "version": 2, "ssid": ssid.hex(),
        #    "fingerprint": theirs.hex(),
        #    "sent_reveal_signature": None, "refreshed": None, "same_key": None}
        raise Unsupported("receive")

    def send(self, text: str, padding: int | None = None, instance: int | None = None) -> None:
        raise Unsupported("send")

    def start(self) -> None:
        raise Unsupported("start")

    def end(self, instance: int | None = None) -> None:
        raise Unsupported("end")

    def smp_start(self, secret: str, question: str | None = None, instance: int | None = None) -> None:
        raise Unsupported("smp_start")

    def smp_answer(self, secret: str, instance: int | None = None) -> None:
        raise Unsupported("smp_answer")

    def smp_abort(self, instance: int | None = None) -> None:
        raise Unsupported("smp_abort")

    def extra_key(self, use: int, data: str = "", instance: int | None = None) -> None:
        raise Unsupported("extra_key")

    def set_policy(self, policy: list[str]) -> None:
        raise Unsupported("set_policy")

    def set_time(self, now: int) -> None:
        # Called only if the driver claims "time".
        raise Unsupported("set_time")


ACTIONS = (
    "receive",
    "send",
    "start",
    "end",
    "smp_start",
    "smp_answer",
    "smp_abort",
    "extra_key",
    "set_policy",
    "set_time",
)

parties: dict[str, Party] = {}


def hello(params: Params) -> Params:
    return {
        "protocol": 2,
        "name": "template",  # TODO
        "version": "0",  # TODO: the version that the implementation reports
        "otr_versions": [2, 3],  # TODO
        "capabilities": [],  # TODO: "v2", "v3", "smp", ...; what you list here is judged
        "randomness": "none",
    }


def create(params: Params) -> Params:
    party = parties[params["party"]] = Party(params)
    return party.created()


def close(params: Params) -> Params:
    del parties[params["party"]]
    return {}


def reset(params: Params) -> Params:
    parties.clear()
    return {}


METHODS: dict[str, Callable[[Params], Params]] = {"hello": hello, "create": create, "close": close, "reset": reset}


def answer(method: str, params: Params) -> Params:
    """The part of an answer that depends on the method: a result or an error."""
    try:
        if method in METHODS:
            return {"result": METHODS[method](params)}
        if method not in ACTIONS:
            return {"error": {"code": METHOD_NOT_FOUND, "message": f"no method {method}"}}
        if params.get("party") not in parties:
            return {"error": {"code": INVALID_PARAMS, "message": f"no party {params.get('party')!r}; create it first"}}
        party = parties[params["party"]]
        party.events = []
        getattr(party, method)(**{name: value for name, value in params.items() if name != "party"})
        return {"result": {"events": party.events}}
    except Unsupported as error:
        return {"error": {"code": UNSUPPORTED, "message": f"it can't {error}"}}
    except Exception as error:  # noqa: BLE001 (report what the implementation raises)
        return {"error": {"code": LIBRARY_FAILED, "message": f"{type(error).__name__}: {error}"}}


def main() -> None:
    # Only the protocol may use standard output; everything else that prints goes to standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        last = request["method"] == "shutdown"
        content = {"result": {}} if last else answer(request["method"], request.get("params", {}))
        reply = {"jsonrpc": "2.0", "id": request["id"], **content}
        answers.write(json.dumps(reply).encode() + b"\n")
        answers.flush()
        if last:
            return


if __name__ == "__main__":
    main()
