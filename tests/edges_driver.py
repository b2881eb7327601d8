"""The reference engine behind a driver that reports edges: `python edges_driver.py [EXPRESSION [METHOD]]`.

An edge stands for a method together with the events it led to, so it is the same in every process. The expression gives
the answer to `coverage`: `edges` is the correct answer, and `count` is the number of such requests. After answering
METHOD, the driver exits at the next request of any kind.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from zlib import crc32

from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import Method, serve

#: The answer of a correct driver.
GOOD = '{"edges": edges}'


class Telling:
    """What the driver adds to the engine's."""

    def __init__(self, expression: str, fatal: str) -> None:
        self._expression, self._fatal = compile(expression, "<expression>", "eval"), fatal
        self._driver = Driver("reference")
        self._reached: set[int] = set()
        self._told: set[int] = set()
        self._asked = 0
        self._doomed = False

    def methods(self) -> dict[str, Method]:
        """All of the protocol's."""
        own: dict[str, Method] = {"hello": self.hello, "coverage": self.coverage}
        return {name: self._watched(name, method) for name, method in (self._driver.methods() | own).items()}

    def hello(self, params: dict[str, Any]) -> Any:
        return self._driver.hello(params) | {"coverage": True}

    def coverage(self, params: dict[str, Any]) -> Any:
        if params["begin"]:
            self._reached, self._told = set(), set()
        edges, self._asked = sorted(self._reached - self._told), self._asked + 1
        self._told |= self._reached
        return eval(self._expression, {"edges": edges, "count": self._asked})

    def _watched(self, name: str, method: Method) -> Method:
        def call(params: dict[str, Any]) -> Any:
            if self._doomed:
                os._exit(7)
            self._doomed = name == self._fatal
            answer = method(params)
            events = [event["event"] for event in answer.get("events", ())] if isinstance(answer, dict) else []
            if name not in ("hello", "coverage"):
                self._reached.add(crc32(json.dumps([name, events]).encode()))
            return answer

        return call


if __name__ == "__main__":
    serve(Telling(*[*sys.argv[1:], *(GOOD, "")[len(sys.argv) - 1 :]]).methods())
