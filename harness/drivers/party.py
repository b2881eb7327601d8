"""A target behind the driver protocol, and its parties, which have the methods of contract.Engine.

A target keeps one process and uses it for case after case, so that a conversation costs no start of a process. When the
process has died or was killed, the next case gets a new one. [docs/driver-protocol.md]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.drivers.errors import TargetDesync
from harness.drivers.process import TIME_LIMIT, DriverProcess
from implementations.actions import args_to_json
from implementations.contract import Event, PartyConfig, Policy
from implementations.jsonform import JsonFormError, dsa_key_to_json, event_from_json, policy_to_json

PROTOCOL = 1


class DriverTarget:
    """A target of a name, run by a command. Attributes come from the driver's answer to `hello`."""

    def __init__(self, name: str, command: Sequence[str | Path], time_limit: float = TIME_LIMIT) -> None:
        self.name = name
        self._command = command
        self._time_limit = time_limit
        self._process = self._start()
        told = self._hello
        self.version = str(told["version"])
        self.capabilities = frozenset(map(str, told["capabilities"]))
        self.randomness = str(told.get("randomness", "none"))
        self._fresh = True

    def _start(self) -> DriverProcess:
        process = DriverProcess(self.name, self._command, self._time_limit)
        told = process.call("hello", {"protocol": PROTOCOL})
        wanted = {"protocol": int, "name": str, "version": str, "capabilities": list}
        wrong = [
            key for key, kind in wanted.items() if not isinstance(told, dict) or not isinstance(told.get(key), kind)
        ]
        if wrong:
            process.close()
            raise TargetDesync(f"{self.name}: hello: no {', '.join(wrong)} of the right type in {told!r:.200}")
        if told["protocol"] != PROTOCOL:
            process.close()
            raise TargetDesync(f"{self.name}: speaks driver protocol {told['protocol']}, not {PROTOCOL}")
        self._hello: Mapping[str, Any] = told
        return process

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the driver. TargetError."""
        self._fresh = False
        return self._process.call(method, params)

    def party(self, name: str, config: PartyConfig, seed: bytes, book: object) -> DriverParty:
        """A new party of the target. TargetError. `book` is for parties that the model follows, which this is not."""
        if not self._process.alive:
            self._process = self._start()
        return DriverParty(self.call, name, config, seed, self.capabilities)

    def reset(self) -> None:
        """Forget all parties; in a new process if the last one is dead."""
        if not self._process.alive:
            self._process = self._start()
        elif not self._fresh:
            self._process.call("reset")
        self._fresh = True

    def close(self) -> None:
        """End the process."""
        self._process.close()


class DriverParty:
    """A party of a target. Methods and events are those of contract.Engine; fields that it does not tell are empty."""

    def __init__(
        self,
        call: Callable[[str, Mapping[str, Any]], Any],
        name: str,
        config: PartyConfig,
        seed: bytes,
        capabilities: frozenset[str],
    ) -> None:
        self._call = call
        self._name = name
        self._tells_time = "time" in capabilities
        told = call(
            "create",
            {
                "party": name,
                "account": f"{name}@example.org",
                "peer": "peer@example.org",
                "key": dsa_key_to_json(config.key),
                "instance_tag": config.instance_tag,
                "policy": policy_to_json(config.policy),
                "max_message_size": config.max_message_size,
                "heartbeat_interval": config.heartbeat_interval,
                "seed": hashlib.sha256(len(name).to_bytes(8) + name.encode() + seed).hexdigest(),
            },
        )
        try:
            self.instance_tag = int(told["instance_tag"] or 0)
            self.fingerprint = bytes.fromhex(told["fingerprint"])
        except (TypeError, KeyError, ValueError) as error:
            raise TargetDesync(f"{name}: create answers {told!r:.200}, not instance_tag and fingerprint") from error

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        given = {key: value for key, value in args.items() if value is not None}
        told = self._call(action, {"party": self._name, **args_to_json(action, given)})
        events = told.get("events") if isinstance(told, dict) else None
        if not isinstance(events, list):
            raise TargetDesync(f"{self._name}: {action} answers {told!r:.200}, not a list of events")
        try:
            return [event_from_json(event, f"{action}.events[{index}]") for index, event in enumerate(events)]
        except JsonFormError as error:
            raise TargetDesync(f"{self._name}: {action} answers with an event that is none: {error}") from error

    def receive(self, message: bytes) -> Sequence[Event]:
        return self._do("receive", message=message)

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        return self._do("send", text=text, padding=padding, instance=instance)

    def start(self) -> Sequence[Event]:
        return self._do("start")

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("end", instance=instance)

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        return self._do("smp_start", secret=secret, question=question, instance=instance)

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("smp_answer", secret=secret, instance=instance)

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("smp_abort", instance=instance)

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        return self._do("extra_key", use=use, data=data, instance=instance)

    def set_policy(self, policy: Policy) -> None:
        self._do("set_policy", policy=policy)

    def set_time(self, now: int) -> None:
        """Tell the time to a target that asks for it; the others have clocks of their own."""
        if self._tells_time:
            self._call("set_time", {"party": self._name, "now": now})
