"""The reference engine's driver with hostile text in some places: `driver.py PLACES`, with the text in the environment.

PLACES are separated by commas: "hello" (name and version), "error" (the answer to `receive`), "member" (a member name
in that answer), "stderr" (printed before it dies in `receive`), "events" (every field of every event that `receive` can
return).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.jsonform import EVENTS

#: Holds the text as an ASCII JSON string, because some text can't be put into an environment variable directly.
VARIABLE = "OTTERPROOF_HOSTILE_TEXT"

#: Values for those fields of events that do not accept every value of their type.
GIVEN = {"version": 3, "action": "send", "ssid": "00" * 8, "fingerprint": "00" * 20, "key": "00" * 32}

Method = Callable[[dict[str, Any]], Any]


class HostileError(Exception):
    """The driver answers this with an error."""


def honest() -> dict[str, Method]:
    """The methods of the wrapped driver."""
    return Driver("reference").methods()


def altered(methods: dict[str, Method], place: str, text: str) -> dict[str, Method]:
    """The methods, with the text in one place."""
    if place == "hello":
        return methods | {"hello": lambda params: methods["hello"](params) | {"name": text, "version": text}}
    return methods | {"receive": lambda params: received(place, text)}


def received(place: str, text: str) -> Any:
    """The answer to `receive`."""
    if place == "member":
        return {"events": [], text: 0}
    if place == "events":
        return {"events": [event(name, kind, text) for name, kind in EVENTS.items()]}
    if place == "error":
        raise HostileError(text)
    os.write(2, text.encode(errors="surrogatepass"))
    os._exit(9)


def event(name: str, kind: Any, text: str) -> dict[str, Any]:
    """An event with the text in every field that can hold it."""
    return {"event": name} | {one.name: GIVEN.get(one.name, value(one.type, text)) for one in fields(kind)}


def value(kind: object, text: str) -> Any:
    """The text, as far as a field of this type can hold it."""
    if str(kind).startswith("str"):
        return text
    if str(kind).startswith("bytes"):
        return text.encode("latin-1", "replace").decode("latin-1")
    return {"int": 1, "bool": True}.get(str(kind).removesuffix(" | None"))


def main() -> None:
    methods = honest()
    for place in sys.argv[1].split(","):
        methods = altered(methods, place, json.loads(os.environ[VARIABLE]))
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            method = methods.get(request["method"])
            answer["result"] = {} if method is None else method(request.get("params", {}))
        except HostileError as error:
            answer["error"] = {"code": -32002, "message": str(error)}
        os.write(1, json.dumps(answer).encode() + b"\n")
        if request["method"] == "shutdown":
            return


if __name__ == "__main__":
    main()
