"""The reference engine's driver with snapshots that break its claims: `snapshots_driver.py LIE`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import InvalidParams, Method, Unsupported, serve

Params = dict[str, Any]

driver = Driver("reference")
honest = driver.methods()
restored = False


def nothing(params: Params) -> Any:
    """Continues as if it had not been asked."""
    return {}


def dies(params: Params) -> Any:
    os._exit(7)


def hangs(params: Params) -> Any:
    time.sleep(600)


def knows_none(params: Params) -> Any:
    raise InvalidParams("no such snapshot")


def says_more(params: Params) -> Any:
    return honest["restore"](params) | {"restored": True}


def notes(params: Params) -> Any:
    global restored
    restored = True
    return honest["restore"](params)


def dies_later(params: Params) -> Any:
    if restored:
        os._exit(7)
    return honest["receive"](params)


def cannot(params: Params) -> Any:
    raise Unsupported("no more processes")


LIES: dict[str, dict[str, Callable[[Params], Any]]] = {
    "restores nothing": {"restore": nothing},
    "dies of restore": {"restore": dies},
    "dies of snapshot": {"snapshot": dies},
    "never restores": {"restore": hangs},
    "never keeps": {"snapshot": hangs},
    "knows no snapshot": {"restore": knows_none},
    "says more": {"restore": says_more},
    "dies after restore": {"restore": notes, "receive": dies_later},
    "cannot": {"snapshot": cannot},
}

if __name__ == "__main__":
    methods: dict[str, Method] = honest | LIES[sys.argv[1]]
    serve(methods)
