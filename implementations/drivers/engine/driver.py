"""The project's own engines behind the driver protocol.

Usage: `python -m otterproof.implementations.drivers.engine.driver reference`.

With a known-good implementation behind the protocol, tests show whether the protocol itself loses or changes anything.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from otterproof.implementations.actions import ACTIONS, perform
from otterproof.implementations.contract import Engine, Entropy, OtrError, PartyConfig
from otterproof.implementations.drivers.adapter import Parties, arguments
from otterproof.implementations.drivers.engine import simple_log
from otterproof.implementations.drivers.linejson import (
    CAPABILITIES,
    PROTOCOL,
    InvalidParams,
    Method,
    Unsupported,
    serve,
)
from otterproof.implementations.entropy import SeededEntropy, TapeEntropy
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.jsonform import (
    JsonFormError,
    dsa_key_from_json,
    event_to_json,
    policy_from_json,
    snapshot_to_json,
)
from otterproof.implementations.reference import ReferenceEngine

#: Makes an engine; without an entropy source it uses the operating system's.
Make = Callable[[PartyConfig, Entropy | None], Engine]

ENGINES: dict[str, Make] = {
    "reference": ReferenceEngine,
    "independent": IndependentEngine,
}


class Driver:
    """Parties by name, each an engine."""

    def __init__(self, name: str, make: Make | None = None) -> None:
        """make: makes the parties, for a name that is not in ENGINES."""
        self._name = name
        self._make = make or ENGINES[name]
        self._parties = Parties[Engine]()
        #: The configuration and parameters of each party, for restarting it.
        self._made_from: dict[str, tuple[PartyConfig, dict[str, Any]]] = {}
        #: For each handle, the parties and the state of each.
        self._snapshots: dict[int, dict[str, tuple[Engine, object]]] = {}

    def methods(self) -> dict[str, Method]:
        """All methods of the protocol."""
        own: dict[str, Method] = {
            "hello": self.hello,
            "create": self.create,
            "set_time": self.set_time,
            "dump": self.dump,
            "snapshot": self.snapshot,
            "restore": self.restore,
            "discard": self.discard,
            "reset": self.reset,
            "close": self._parties.close,
            "restart": self.restart,
            "logs": self.logs,
        }
        return own | {action: self._action(action) for action in ACTIONS}

    def hello(self, params: dict[str, Any]) -> dict[str, Any]:
        return {
            "protocol": PROTOCOL,
            "name": self._name,
            "version": "1",
            "otr_versions": [2, 3],
            "capabilities": list(CAPABILITIES),
            "randomness": "tape",
        }

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        try:
            config = PartyConfig(
                dsa_key_from_json(params["key"]),
                policy_from_json(params["policy"]),
                params.get("instance_tag"),
                params.get("max_message_size"),
            )
            if "heartbeat_interval" in params:
                config = replace(config, heartbeat_interval=params["heartbeat_interval"])
        except (KeyError, JsonFormError) as error:
            raise InvalidParams(f"create: {error}") from error
        if not self._parties.by_name:
            simple_log.begin()
        try:
            engine = self._make(config, _entropy(params))
        except OtrError as error:  # a value that the engine refuses
            raise Unsupported(f"create: {error}") from error
        self._parties.by_name[params["party"]] = engine
        self._made_from[params["party"]] = config, params
        return {"instance_tag": engine.instance_tag, "fingerprint": engine.fingerprint.hex()}

    def restart(self, params: dict[str, Any]) -> dict[str, Any]:
        """Restart as a program that keeps its key and instance tag in files would."""
        party = self._parties.find(params)
        config, made_from = self._made_from[params["party"]]
        config = replace(config, instance_tag=party.instance_tag)
        seed = made_from.get("seed")
        again = {**made_from, "seed": None if seed is None else hashlib.sha256(bytes.fromhex(seed)).hexdigest()}
        engine = self._make(config, _entropy({"seed": again["seed"]}))
        self._parties.by_name[params["party"]] = engine
        self._made_from[params["party"]] = config, again
        return {"instance_tag": engine.instance_tag, "fingerprint": engine.fingerprint.hex()}

    def logs(self, params: dict[str, Any]) -> dict[str, Any]:
        self._parties.find(params)
        return {"logs": [{"name": "log", "content": simple_log.read().decode("latin-1")}]}

    def set_time(self, params: dict[str, Any]) -> dict[str, Any]:
        self._parties.find(params).set_time(params["now"])
        return {"events": []}

    def dump(self, params: dict[str, Any]) -> dict[str, Any]:
        party = self._parties.find(params)
        secrets = {name: secret.hex() for name, secret in party.secrets().items()}
        return {"snapshot": snapshot_to_json(party.inspect()), "secrets": secrets}

    def snapshot(self, params: dict[str, Any]) -> dict[str, Any]:
        parties = self._parties.by_name
        self._snapshots[params["handle"]] = {name: (party, party.snapshot()) for name, party in parties.items()}
        return {}

    def restore(self, params: dict[str, Any]) -> dict[str, Any]:
        self._parties.by_name.clear()
        for name, (party, state) in self._snapshot(params).items():
            party.restore(state)
            self._parties.by_name[name] = party
        return {}

    def discard(self, params: dict[str, Any]) -> dict[str, Any]:
        self._snapshot(params)
        del self._snapshots[params["handle"]]
        return {}

    def _snapshot(self, params: dict[str, Any]) -> dict[str, tuple[Engine, object]]:
        try:
            return self._snapshots[params["handle"]]
        except KeyError:
            raise InvalidParams(f"no snapshot {params.get('handle')!r}") from None

    def reset(self, params: dict[str, Any]) -> dict[str, Any]:
        self._snapshots.clear()
        return self._parties.reset(params)

    def _action(self, action: str) -> Method:
        def method(params: dict[str, Any]) -> dict[str, Any]:
            party, args = self._parties.find(params), arguments(action, params)
            return {"events": [event_to_json(event) for event in perform(party, action, args)]}

        return method


def _entropy(params: dict[str, Any]) -> Entropy | None:
    seed, tape = params.get("seed"), params.get("tape")
    seeded = SeededEntropy(bytes.fromhex(seed)) if seed is not None else None
    if tape is None:
        return seeded
    return TapeEntropy({(one["label"], one["index"]): bytes.fromhex(one["value"]) for one in tape}, seeded)


if __name__ == "__main__":
    gc.set_threshold(10_000, 10, 10)  # collect rarely: answers consist of many objects, almost none in cycles
    if sys.argv[1:] not in (["reference"], ["independent"]):
        sys.exit("usage: python -m otterproof.implementations.drivers.engine.driver reference|independent")
    serve(Driver(sys.argv[1]).methods())
