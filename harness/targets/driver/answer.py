"""A driver's answer: one line of JSON-RPC, strictly validated before anything in it is believed.

The driver is not trusted. Bytes that are not UTF-8, lone surrogates, almost-JSON (NaN, a second "id"), numbers without
end, nesting that would exhaust the stack and too many fields are all rejected, so all later code can rely on a valid
answer. [docs/reference/driver-protocol.md]
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver.errors import TargetDesync, TargetFailed, TargetStranded, TargetUnsupported

#: Error codes with a meaning of their own. All others say that driver and harness misunderstand each other.
UNSUPPORTED, LIBRARY_FAILED, STRANDED, METHOD_NOT_FOUND = -32001, -32002, -32003, -32601

#: The most characters of an error's message that are shown.
_MESSAGE = 2000

#: The most characters of a number: enough for 64 bits with a sign, or for a full fraction.
_NUMBER = 30


#: The most values of any kind in an answer, counted by the characters that separate and open them. An answer has at
#: most 10,000 events with nine members. They are counted before any value is created: 16 MiB of "[]," would take
#: seconds.
MAX_VALUES = 250_000

#: A string in a line, terminated or not. Possessive, so that every line takes a single pass.
_STRING = re.compile(rb'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)')


class _Refused(ValueError):
    """Something that Python's parser accepts and the protocol does not allow."""


#: How the message of an implementation's own error begins: the name of its class, and a colon.
_ERROR_CLASS = re.compile(r"([A-Za-z_][\w.]{0,80}):", re.ASCII)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Refused("a name appears twice in one object")
    return result


def _constant(word: str) -> NoReturn:
    raise _Refused(f"{word} is not JSON")


def _whole(digits: str) -> int:
    return int(_short(digits))


def _fraction(digits: str) -> float:
    number = float(_short(digits))
    if not math.isfinite(number):
        raise _Refused(f"{digits} is too large for a number")
    return number


def _short(digits: str) -> str:
    if len(digits) > _NUMBER:
        raise _Refused(f"a number of {len(digits)} characters, where {_NUMBER} are the most")
    return digits


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_whole, parse_float=_fraction
).decode

#: How a line spells one half of a surrogate pair; whether it is alone is determined after decoding.
_HALF = (b"\\ud", b"\\uD")


def _check_unicode(value: Any) -> None:
    """Reject a lone surrogate in any text: it can't be written to a file or a terminal."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        lone = ord(error.object[error.start])
        raise _Refused(f"U+{lone:04X} stands alone, so the text is not valid Unicode") from None


def shown_words(text: str, most: int = _MESSAGE) -> str:
    """A driver's text for a person, on one line and safe for a terminal, with at most this many characters."""
    whole = printable(text[: most + 1])
    return whole if len(whole) <= most else f"{whole[: most - 3]}..."


def result_of(line: bytes, request_id: int, name: str, method: str) -> Any:
    """The result in an answer of the target of this name to a request.

    Raises TargetUnsupported, TargetFailed or TargetStranded if the target answers so, TargetDesync if this is no answer
    to that request.
    """
    what = f"{name}: {method}"
    answer = parsed(line, what)
    number = answer.get("id")
    if type(number) is not int or number != request_id:
        raise TargetDesync(f"{what}: not an answer to request {request_id}: {shown(line)}")
    if answer.get("jsonrpc") != "2.0" or not answer.keys() <= {"jsonrpc", "id", "result", "error"}:
        raise TargetDesync(f"{what}: not a JSON-RPC 2.0 response: {shown(line)}")
    if ("result" in answer) == ("error" in answer):
        raise TargetDesync(f"{what}: an answer has either result or error: {shown(line)}")
    if "result" in answer:
        return answer["result"]
    error = answer["error"]
    code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    if type(code) is not int or not isinstance(message, str):
        raise TargetDesync(f"{what}: an error has a code and a message: {shown(line)}")
    if code in (UNSUPPORTED, METHOD_NOT_FOUND):
        raise TargetUnsupported(f"{what}: {shown_words(message)}", method=method)
    if code == LIBRARY_FAILED:
        named = _ERROR_CLASS.match(message)
        raise TargetFailed(f"{what}: {shown_words(message)}", method=method, how=named[1] if named else "")
    if code == STRANDED:
        said = f"{what}: {shown_words(message)}"
        raise TargetStranded(f"{said}. The driver needs that to run {name}, of which this says nothing", method=method)
    raise TargetDesync(f"{what}: the driver rejects the request with error {code}: {shown_words(message)}")


def _check_count(line: bytes) -> None:
    """Reject a line with too many values, without creating them."""
    if _marks(line) > MAX_VALUES and _marks(_STRING.sub(b"", line)) > MAX_VALUES:
        raise _Refused(f"more than {MAX_VALUES} values")


def _marks(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def parsed(line: bytes, what: str) -> dict[str, Any]:
    """The JSON object in a line. If it is not strictly valid, raises TargetDesync, whose text begins with `what`."""
    try:
        _check_count(line)
        answer = _decode(line.decode())
        if any(half in line for half in _HALF):
            _check_unicode(answer)
    except RecursionError:
        raise TargetDesync(f"{what}: the answer is nested too deeply: {shown(line)}") from None
    except _Refused as error:
        raise TargetDesync(f"{what}: the answer is refused ({error}): {shown(line)}") from None
    except ValueError as error:  # from JSON, or from UTF-8
        raise TargetDesync(f"{what}: the answer is not JSON ({error}): {shown(line)}") from None
    if not isinstance(answer, dict):
        raise TargetDesync(f"{what}: the answer is not an object: {shown(line)}")
    return answer


def shown(data: bytes | bytearray) -> str:
    """The beginning of some bytes, safe for a message."""
    text = ascii(bytes(data[:200]).decode(errors="replace"))
    return text if len(data) <= 200 else f"{text}... ({len(data)} bytes)"
