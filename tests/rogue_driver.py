"""A driver that misbehaves, for the tests of the supervisor: `python rogue_driver.py MISDEED`.

It answers everything correctly except `start`, where it commits the misdeed. It imports no module of the project,
because it has to be wrong on its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

HELLO = {
    "protocol": 2,
    "name": "rogue",
    "version": "1",
    "otr_versions": [3],
    "capabilities": ["v3"],
    "randomness": "none",
}
CREATED = {"instance_tag": 256, "fingerprint": "00" * 20}

Misdeed = Callable[[Any], None]


def put(data: bytes) -> None:
    """Write all of it to standard output."""
    while data:
        data = data[os.write(1, data) :]


def answer(request_id: Any, **content: Any) -> None:
    put(json.dumps({"jsonrpc": "2.0", "id": request_id, **content}).encode() + b"\n")


def good(request_id: Any) -> None:
    answer(request_id, result={"events": []})


def forever() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1000)


def die(how: int, words: bytes = b"") -> None:
    os.write(2, words)
    os.kill(os.getpid(), how)
    forever()


def with_child(request_id: Any) -> None:
    """Leave a child that keeps all pipes open, and die."""
    if os.fork() == 0:
        forever()
    os._exit(4)


def child_and_stall(request_id: Any) -> None:
    child = os.fork()
    if child == 0:
        forever()
    os.write(2, b"child %d" % child)
    forever()


def late(request_id: Any) -> None:
    good(request_id)
    time.sleep(0.05)
    good(request_id + 1)


def flood(line: bytes, pipe: int) -> None:
    while True:
        os.write(pipe, line)


def eat(request_id: Any) -> None:
    held = []
    for _ in range(64):
        held.append(os.urandom(1 << 20) * 16)
    good(request_id)


def close_stdout(request_id: Any) -> None:
    os.close(1)
    forever()


def close_stdin(request_id: Any) -> None:
    os.close(0)
    good(request_id)
    forever()


def chatter(request_id: Any) -> None:
    for number in range(20000):
        os.write(2, b"%06d words nobody needs\n" % number)
    good(request_id)


def trickle(request_id: Any) -> None:
    while True:
        put(b"x")
        time.sleep(0.01)


def half_and(then: Callable[[], None]) -> Misdeed:
    def misdeed(request_id: Any) -> None:
        put(b'{"jsonrpc":"2.0","id":%d,"resu' % request_id)
        then()

    return misdeed


def bytes_only(data: bytes) -> Misdeed:
    return lambda request_id: put(data.replace(b"ID", b"%d" % request_id))


def event(content: Any) -> Misdeed:
    return lambda request_id: answer(request_id, result={"events": content})


MISDEEDS: dict[str, Misdeed] = {
    "none": good,
    "exit": lambda request_id: os._exit(3),
    "exit_0": lambda request_id: os._exit(0),
    "segfault": lambda request_id: die(signal.SIGSEGV, b"last words"),
    "realtime_signal": lambda request_id: die(40),
    "child": with_child,
    "child_and_stall": child_and_stall,
    "stall": lambda request_id: forever(),
    "trickle": trickle,
    "garbage": bytes_only(b"Segmentation fault (just joking)\n"),
    "not_utf8": bytes_only(b'{"jsonrpc":"2.0","id":ID,"result":"\xff"}\n'),
    "utf16": lambda request_id: put('{"jsonrpc":"2.0","id":1,"result":{}}\n'.encode("utf-16")),
    "nan": bytes_only(b'{"jsonrpc":"2.0","id":ID,"result":NaN}\n'),
    "two_ids": bytes_only(b'{"jsonrpc":"2.0","id":ID,"id":ID,"result":{}}\n'),
    "nested": bytes_only(b'{"jsonrpc":"2.0","id":ID,"result":' + b"[" * 100_000 + b"\n"),
    "list": bytes_only(b"[]\n"),
    "empty_line": bytes_only(b"\n"),
    "wrong_id": lambda request_id: good(request_id + 1),
    "old_id": lambda request_id: good(request_id - 1),
    "id_string": lambda request_id: good(str(request_id)),
    "id_float": lambda request_id: good(float(request_id)),
    "no_version": bytes_only(b'{"id":ID,"result":{"events":[]}}\n'),
    "extra_member": lambda request_id: answer(request_id, result={"events": []}, extra=1),
    "neither": lambda request_id: answer(request_id),
    "both": lambda request_id: answer(request_id, result={"events": []}, error={"code": -32001, "message": ""}),
    "bare_error": lambda request_id: answer(request_id, error="failed"),
    "own_code": lambda request_id: answer(request_id, error={"code": 7, "message": "seven"}),
    "invalid_params": lambda request_id: answer(request_id, error={"code": -32602, "message": "no such party"}),
    "unsupported": lambda request_id: answer(request_id, error={"code": -32001, "message": "not here"}),
    "no_method": lambda request_id: answer(request_id, error={"code": -32601, "message": "no method"}),
    "failed": lambda request_id: answer(request_id, error={"code": -32002, "message": "IndexError: 7"}),
    "stranded": lambda request_id: answer(request_id, error={"code": -32003, "message": "the screen has ended"}),
    "twice": bytes_only(b'{"jsonrpc":"2.0","id":ID,"result":{"events":[]}}\n' * 2),
    "late": late,
    "half_and_stall": half_and(forever),
    "half_and_exit": half_and(lambda: os._exit(5)),
    "flood": lambda request_id: flood(b"x" * 65536, 1),
    "flood_of_lines": lambda request_id: flood(b"x\n" * 32768, 1),
    "flood_of_errors": lambda request_id: flood(b"y" * 65536, 2),
    "huge": lambda request_id: answer(request_id, result={"events": [], "padding": "x" * (17 << 20)}),
    "large": lambda request_id: answer(
        request_id, result={"events": [{"event": "outgoing_message", "message": "\xff" * (1 << 20)}] * 2}
    ),
    "eat": eat,
    "chatter": chatter,
    "close_stdout": close_stdout,
    "close_stdin": close_stdin,
    "no_events": lambda request_id: answer(request_id, result={}),
    "events_object": event({}),
    "unknown_event": event([{"event": "levitated"}]),
    "missing_field": event([{"event": "peer_ended_session"}]),
    "extra_field": event([{"event": "peer_ended_session", "instance": 1, "mood": "good"}]),
    "no_byte": event([{"event": "outgoing_message", "message": "\u0100"}]),
    "null_message": event([{"event": "outgoing_message", "message": None}]),
    "nulls": event([{"event": "message_unreadable", "instance": None, "reason": None, "field": None, "offset": None}]),
}


def main() -> None:
    misdeed = MISDEEDS[sys.argv[1]]
    for line in sys.stdin.buffer:
        request = json.loads(line)
        method = request["method"]
        if method == "start":
            misdeed(request["id"])
        elif method == "hello":
            answer(request["id"], result=HELLO)
        elif method == "create":
            answer(request["id"], result=CREATED)
        elif method == "receive" and sys.argv[1] == "stall":
            forever()
        else:
            answer(request["id"], result={} if method in ("reset", "close", "shutdown") else {"events": []})
        if method == "shutdown":
            return


if __name__ == "__main__":
    main()
