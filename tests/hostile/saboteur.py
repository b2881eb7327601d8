"""A driver that is correct except in one method: `python saboteur.py METHOD STATEMENT`.

It imports nothing of the project, so it starts quickly. In the statement, `good()` sends the correct answer,
`answer(result)` and `fail(code, message)` send another one, and `count` is the number of calls of the method so far. No
answer to an action has an event.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

HELLO = {
    "protocol": 2,
    "name": "saboteur",
    "version": "1",
    "otr_versions": [3],
    "capabilities": ["v3"],
    "randomness": "none",
}
CREATED = {"instance_tag": 256, "fingerprint": "00" * 20}
ACTIONS = ("start", "send", "receive", "end", "set_policy")


def main(method: str, statement: str) -> None:
    program = compile(statement, "<statement>", "exec")
    count = 0
    for line in sys.stdin.buffer:
        request = json.loads(line)

        def answer(result: Any, number: int = request["id"]) -> None:
            left = json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode() + b"\n"
            while left:
                left = left[os.write(1, left) :]

        def fail(code: int, message: str, number: int = request["id"]) -> None:
            error = {"code": code, "message": message}
            os.write(1, json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode() + b"\n")

        def good(asked: str = request["method"]) -> None:
            quiet: Any = {"events": []} if asked in ACTIONS else {}
            answer({"hello": HELLO, "create": CREATED}.get(asked, quiet))

        if request["method"] == method:
            count += 1
            exec(program, {"good": good, "answer": answer, "fail": fail, "count": count})
        else:
            good()
        if request["method"] == "shutdown":
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
