"""A driver's answer: one line of JSON-RPC, checked to the letter before anything in it is believed.

Whoever answers is not trusted: bytes that are no UTF-8, JSON that only looks like it (NaN, a second "id"), nesting that
would exhaust the stack and fields too many are all told apart from an answer. [docs/driver-protocol.md]
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from harness.drivers.errors import TargetDesync, TargetFailed, TargetUnsupported

#: Codes of errors that have a meaning of their own. All others say that driver and harness misunderstand each other.
UNSUPPORTED, LIBRARY_FAILED, METHOD_NOT_FOUND = -32001, -32002, -32601

#: Characters of an error's message that are shown.
_MESSAGE = 2000


class _NotJson(ValueError):
    """Something that Python's reader takes and JSON does not have."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _NotJson("a name is there twice in one object")
    return result


def _constant(word: str) -> NoReturn:
    raise _NotJson(f"{word} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


def result_of(line: bytes, request_id: int, what: str) -> Any:
    """The result in the answer to a request. `what` begins every message.

    TargetUnsupported and TargetFailed when the target answers so, TargetDesync when this is no answer to that request.
    """
    answer = _parsed(line, what)
    number = answer.get("id")
    if type(number) is not int or number != request_id:
        raise TargetDesync(f"{what}: not an answer to request {request_id}: {shown(line)}")
    if answer.get("jsonrpc") != "2.0" or not answer.keys() <= {"jsonrpc", "id", "result", "error"}:
        raise TargetDesync(f"{what}: not an answer as JSON-RPC 2.0 has it: {shown(line)}")
    if ("result" in answer) == ("error" in answer):
        raise TargetDesync(f"{what}: an answer has either result or error: {shown(line)}")
    if "result" in answer:
        return answer["result"]
    error = answer["error"]
    code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    if type(code) is not int or not isinstance(message, str):
        raise TargetDesync(f"{what}: an error has a code and a message: {shown(line)}")
    if code in (UNSUPPORTED, METHOD_NOT_FOUND):
        raise TargetUnsupported(f"{what}: {message[:_MESSAGE]}")
    if code == LIBRARY_FAILED:
        raise TargetFailed(f"{what}: {message[:_MESSAGE]}")
    raise TargetDesync(f"{what}: the driver rejects the request with error {code}: {message[:_MESSAGE]}")


def _parsed(line: bytes, what: str) -> dict[str, Any]:
    try:
        answer = _decode(line.decode())
    except RecursionError:
        raise TargetDesync(f"{what}: the answer is nested too deeply: {shown(line)}") from None
    except ValueError as error:  # of JSON, of UTF-8, or our own
        raise TargetDesync(f"{what}: the answer is not JSON ({error}): {shown(line)}") from None
    if not isinstance(answer, dict):
        raise TargetDesync(f"{what}: the answer is not an object: {shown(line)}")
    return answer


def shown(data: bytes | bytearray) -> str:
    """The beginning of some bytes, fit for a message."""
    text = ascii(bytes(data[:200]).decode(errors="replace"))
    return text if len(data) <= 200 else f"{text}... ({len(data)} bytes)"
