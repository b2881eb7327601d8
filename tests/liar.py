"""Drivers that misbehave: `python liar.py MODE`. Most are the reference engine's driver with one change."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import Unsupported, serve

Params = dict[str, Any]
Methods = dict[str, Callable[[Params], Any]]

driver = Driver("reference")
methods: Methods = driver.methods()
honest: Methods = dict(methods)
calls = 0


def accept_everything(params: Params) -> Any:
    """Shows every message as a secure text."""
    text = {"text": params["message"], "secure": True, "warn": False, "instance": 0}
    return {"events": [{"event": "text_received", **text}]}


def refuse_everything(params: Params) -> Any:
    return {"events": [{"event": "message_rejected", "reason": "unexpected", "field": "", "offset": 0}]}


def echo(params: Params) -> Any:
    return {"events": [{"event": "outgoing_message", "message": params["message"]}]}


def stall(params: Params) -> Any:
    time.sleep(600)


def crash(params: Params) -> Any:
    global calls
    calls += 1
    if calls == 3:
        print("about to die", file=sys.stderr)
        os.abort()
    return honest["receive"](params)


def leave(params: Params) -> Any:
    os._exit(7)


def garbage(params: Params) -> Any:
    # At once: this must already be there when the first line is read.
    os.write(answers, b"Traceback, or is it?\nFile, line 1\n")
    return {"events": []}


def half_a_line(params: Params) -> Any:
    os.write(answers, b'{"jsonrpc":"2.0","id"')
    os._exit(0)


def late_answer(params: Params) -> Any:
    os.write(answers, b'{"jsonrpc":"2.0","id":1,"result":{"events":[]}}\n')
    return {"events": []}


def flood(params: Params) -> Any:
    while True:
        os.write(answers, b"x" * 65536)


def eat(params: Params) -> Any:
    return {"events": [], "eaten": [bytearray(1 << 24) for _ in range(1 << 10)]}


def raises(params: Params) -> Any:
    raise ValueError("no idea")


def can_not(params: Params) -> Any:
    raise Unsupported("it was only talk")


def different_each_time(params: Params) -> Any:
    return honest["create"]({**params, "seed": os.urandom(32).hex(), "tape": None})


#: The methods that answer with events.
ACTIONS = ("receive", "send", "start", "end", "smp_start", "smp_answer", "smp_abort", "extra_key")


def with_messages(times: int) -> Methods:
    """All actions, with each outgoing message repeated this many times: 0 for a target that sends nothing."""

    def changed(method: str) -> Callable[[Params], Any]:
        def act(params: Params) -> Any:
            found = []
            for event in honest[method](params)["events"]:
                found += [event] * (times if event["event"] == "outgoing_message" else 1)
            return {"events": found}

        return act

    return {method: changed(method) for method in ACTIONS}


#: The changes of each mode: method -> replacement.
MODES: dict[str, Methods] = {
    "honest": {},
    "accept_everything": {"receive": accept_everything},
    "refuse_everything": {"receive": refuse_everything},
    "echo": {"receive": echo},
    "stall": {"receive": stall},
    "crash": {"receive": crash},
    "leave": {"receive": leave},
    "garbage": {"receive": garbage},
    "half_a_line": {"receive": half_a_line},
    "late_answer": {"receive": late_answer},
    "flood": {"receive": flood},
    "eat": {"receive": eat},
    "raises": {"receive": raises},
    "sends_nothing": with_messages(0),
    "sends_all_a_hundred_times": with_messages(100),
    "only_talk": {"smp_start": can_not},
    "nondeterministic": {"create": different_each_time},
}

if __name__ == "__main__":
    answers = os.dup(1)
    methods.update(MODES[sys.argv[1]])
    serve(methods)
