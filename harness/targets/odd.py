"""Honest targets that are odd: an engine of the project behind the driver protocol, with quirks that the page allows.

A judgement must not depend on what the protocol texts and the driver page leave open: how much a driver tells, in which
order it tells the events of one answer, what it can be told, and which of its abilities it claims. An odd target does
all that right in a way of its own. Everything but what depends on its missing abilities is judged, and it conforms.

The target runs in this process: what a driver answers is made and read as JSON, without a process in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from otterproof.harness.targets.driver.errors import TargetDesync, TargetUnsupported
from otterproof.harness.targets.driver.party import DriverParty
from otterproof.harness.targets.driver.target import CAPABILITIES
from otterproof.implementations.contract import PartyConfig, Policy
from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import InvalidParams, Unsupported
from otterproof.implementations.jsonform import may_be_untold

#: Events that come from the network layer; all others are reports to the user.
_MESSAGES = frozenset({"outgoing_message"})


@dataclass(frozen=True, slots=True)
class Quirks:
    """What is odd about a target.

    silent: it leaves everything untold that may be null. untold: fields of events that it leaves untold. first: within
    an answer, whether "messages" come first or "reports", each in their order; "" as it happened. lacks: capabilities
    that it does not claim, and does not have. refuses: arguments that it can't take, as (method, argument).
    fixed_policy, longest_text: as in `hello`.
    """

    silent: bool = False
    untold: frozenset[str] = frozenset()
    first: str = ""
    lacks: frozenset[str] = frozenset()
    refuses: frozenset[tuple[str, str]] = frozenset()
    fixed_policy: Policy | None = None
    longest_text: int | None = None


class OddTarget:
    """An engine with quirks, as a Target."""

    version = "1"
    randomness = "seed"

    def __init__(self, name: str, quirks: Quirks, engine: str = "reference") -> None:
        self.name = name
        self.capabilities = CAPABILITIES - quirks.lacks
        self.fixed_policy = quirks.fixed_policy
        self._quirks = quirks
        self._methods = Driver(engine).methods()

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the driver. TargetUnsupported."""
        given = json.loads(json.dumps(dict(params or {})))
        if any(method == name and given.get(argument) is not None for name, argument in self._quirks.refuses):
            raise TargetUnsupported(f"{self.name}: {method} can't take that")
        try:
            answer = self._methods[method](self._told(method, given))
        except Unsupported as error:
            raise TargetUnsupported(f"{self.name}: {error}") from error
        except InvalidParams as error:
            self.desync(str(error))
        return json.loads(json.dumps(self._answer(method, answer)))

    def desync(self, what: str) -> NoReturn:
        """It has answered with something that is no answer."""
        raise TargetDesync(f"{self.name}: {what}")

    def party(self, name: str, config: PartyConfig, seed: bytes) -> DriverParty:
        """A new party."""
        policy, longest = self.fixed_policy, self._quirks.longest_text
        return DriverParty(self, name, config, seed, self.capabilities, fixed_policy=policy, longest_text=longest)

    def reset(self) -> None:
        """Begin a case without parties."""
        self._methods["reset"]({})

    finish = reset

    def leave(self) -> None:
        """There is no process that would have to end."""

    close = leave

    def _told(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """What is given, without what the target can't be told."""
        if method == "create":
            if "instance_tags" in self._quirks.lacks:
                given["instance_tag"] = None
            if "fragmentation_out" in self._quirks.lacks:
                given["max_message_size"] = None
        elif "instance_tags" in self._quirks.lacks:
            given.pop("instance", None)
        return given

    def _answer(self, method: str, answer: dict[str, Any]) -> dict[str, Any]:
        if method == "create" and self._leaves_out("instance"):
            return answer | {"instance_tag": None}
        if "events" not in answer:
            return answer
        return {"events": [self._event(event) for event in self.ordered(answer["events"])]}

    def ordered(self, events: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """The events of one answer in the order in which the target tells them."""
        match self._quirks.first:
            case "messages":
                return sorted(events, key=lambda event: event["event"] not in _MESSAGES)
            case "reports":
                return sorted(events, key=lambda event: event["event"] in _MESSAGES)
            case _:
                return events

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        able = may_be_untold(event["event"])
        return {name: None if name in able and self._leaves_out(name) else value for name, value in event.items()}

    def _leaves_out(self, field: str) -> bool:
        return self._quirks.silent or field in self._quirks.untold


#: The odd targets that the whole suite is held against.
ODD: Mapping[str, Quirks] = {
    "silent": Quirks(silent=True),
    "reports-first": Quirks(first="reports", untold=frozenset({"same_key", "refreshed", "offset"})),
    "messages-first": Quirks(first="messages", untold=frozenset({"reason", "warn"})),
    "draws-tags": Quirks(lacks=frozenset({"instance_tags", "time", "dump"})),
    "draws-tags-silently": Quirks(lacks=frozenset({"instance_tags", "heartbeat"}), untold=frozenset({"instance"})),
    "without-actions": Quirks(
        lacks=frozenset({"smp_question", "smp_abort", "extra_key", "policy", "stored_messages"}), first="reports"
    ),
    "without-smp": Quirks(
        lacks=frozenset({"smp", "smp_question", "smp_abort", "fragmentation_out", "whitespace_tag"}), silent=True
    ),
    "chat-program": Quirks(
        lacks=frozenset({"instance_tags", "policy", "time", "dump", "heartbeat"}),
        untold=frozenset({"ssid", "instance"}),
        fixed_policy=Policy.ALLOW_V2 | Policy.ALLOW_V3,
        longest_text=400,
    ),
    "refuses-arguments": Quirks(
        refuses=frozenset({("send", "padding"), ("smp_start", "question"), ("create", "max_message_size")})
    ),
}
