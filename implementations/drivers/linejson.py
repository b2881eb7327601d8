"""The line loop of a driver written in Python: JSON-RPC 2.0 requests on standard input, answers on standard output.

A driver passes a table of methods to `serve`, which handles lines, ids and errors. Only the protocol may use standard
output, so everything else that prints goes to standard error. [docs/reference/driver-protocol.md]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

PROTOCOL = 2

#: The capabilities that a driver can claim for its target. [docs/reference/driver-protocol.md, Capabilities]
CAPABILITIES = (
    "v2",
    "v3",
    "smp",
    "smp_question",
    "smp_abort",
    "extra_key",
    "fragmentation_out",
    "instance_tags",
    "policy",
    "heartbeat",
    "time",
    "dump",
    "whitespace_tag",
    "stored_messages",
    "snapshot",
    "restart",
    "logs",
)

UNSUPPORTED, LIBRARY_FAILED, STRANDED = -32001, -32002, -32003
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602

#: Takes the params of a request and returns the result of the answer.
Method = Callable[[dict[str, Any]], Any]


class Unsupported(Exception):
    """The implementation can't do what was asked."""


class Stranded(Exception):
    """A helper that the driver needs besides the implementation has ended or can't start; the text says which."""


class InvalidParams(Exception):
    """The request is not valid: a mistake of the harness."""


def serve(methods: Mapping[str, Method], wait: Callable[[int], object] = lambda fd: None) -> None:
    """Answer requests until `shutdown` or the end of input.

    wait: called before each request with the descriptor of the input; returns when there is something to read. A method
    that raises Unsupported, Stranded or InvalidParams answers with that error. Any other exception counts as one of the
    implementation's and is reported with its text; the driver goes on.
    """
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        wait(requests.fileno())
        if not (line := requests.readline()):
            return
        request = json.loads(line)
        method = request["method"]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        if method == "shutdown":
            answer["result"] = {}
        elif method not in methods:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": f"no method {method}"}
        else:
            answer |= _answer(methods[method], request.get("params", {}))
        answers.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        if method == "shutdown":
            return


def _answer(method: Method, params: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": method(params)}
    except Unsupported as error:
        return _error(UNSUPPORTED, str(error))
    except Stranded as error:
        return _error(STRANDED, str(error))
    except InvalidParams as error:
        return _error(INVALID_PARAMS, str(error))
    except Exception as error:  # noqa: BLE001 (report what the implementation raises)
        return _error(LIBRARY_FAILED, f"{type(error).__name__}: {error}")


def _error(code: int, message: str) -> dict[str, Any]:
    """An error answer. Python's own messages may contain lone surrogates, which the protocol refuses."""
    return {"error": {"code": code, "message": message.encode(errors="backslashreplace").decode()}}
