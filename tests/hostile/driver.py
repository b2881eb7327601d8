"""The reference engine's driver with hostile text in one place: `python driver.py PLACE`, the text in the environment.

PLACE is "hello" (name and version), "error" (the answer to `receive`), "member" (a name in an answer), "stderr" (said
before it dies in `receive`), or EVENT.FIELD: that field of every such event.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from implementations.drivers.engine.driver import Driver

#: Where the text is, as a JSON string in ASCII: the environment can't hold all of it as it is.
VARIABLE = "OTTERPROOF_HOSTILE_TEXT"

#: Fields of events that hold bytes, whose text form knows no characters above U+00FF.
BYTES = {"message", "text", "question", "data"}

Method = Callable[[dict[str, Any]], Any]


class HostileError(Exception):
    """What the driver answers an error for."""


def honest() -> dict[str, Method]:
    """The methods of the driver that is wrapped."""
    return Driver("reference").methods()


def altered(methods: dict[str, Method], place: str, text: str) -> dict[str, Method]:
    """The methods, with the text in its place."""
    if place == "hello":
        return methods | {"hello": lambda params: methods["hello"](params) | {"name": text, "version": text}}
    if place == "member":
        return methods | {"start": lambda params: methods["start"](params) | {text: 0}}
    if place in ("error", "stderr"):
        return methods | {"receive": failing(place, text)}
    event, _, field = place.partition(".")
    said = text.encode("latin-1", "replace").decode("latin-1") if field in BYTES else text
    return {name: replacing(method, event, field, said) for name, method in methods.items()}


def failing(place: str, text: str) -> Method:
    def method(params: dict[str, Any]) -> Any:
        if place == "error":
            raise HostileError(text)
        os.write(2, text.encode(errors="surrogatepass"))
        os._exit(9)

    return method


def replacing(method: Method, event: str, field: str, said: str) -> Method:
    def changed(params: dict[str, Any]) -> Any:
        result = method(params)
        for one in result.get("events", ()):
            if one["event"] == event:
                one[field] = said
        return result

    return changed


def main() -> None:
    methods = altered(honest(), sys.argv[1], json.loads(os.environ[VARIABLE]))
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
