"""Honest but unusual targets: an engine behind the driver protocol, with quirks that the documentation allows.

A judgement must not depend on what the protocol texts and the driver documentation leave open: how much a driver
reports, in which order it reports the events of one answer, what it can be told, which of its capabilities it claims,
and what it sends where the texts leave a choice. An odd target does all that correctly, but in its own way. Everything
that does not depend on its missing capabilities is judged, and it conforms.

The target runs in this process: a driver's answers are converted to and from JSON, without a process in between.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from otterproof.harness.targets.driver.errors import TargetDesync, TargetUnsupported
from otterproof.harness.targets.driver.party import DriverParty, Restrictions
from otterproof.harness.targets.driver.target import CAPABILITIES
from otterproof.harness.targets.odd_engines import odd_engine, variants
from otterproof.harness.targets.screen import simple_screen
from otterproof.harness.wire import TAG_BASE
from otterproof.implementations.contract import PartyConfig, Policy
from otterproof.implementations.drivers.engine.driver import Driver, Make
from otterproof.implementations.drivers.linejson import InvalidParams, Unsupported
from otterproof.implementations.entropy import Tape
from otterproof.implementations.jsonform import EVENTS, event_from_json, may_be_untold, policy_from_json, policy_to_json

#: Events that come from the network layer; all others are reports to the user.
_MESSAGES = frozenset({"outgoing_message"})

#: The fields of events that the peer's user has written.
_WORDS = frozenset({"text", "question"})


#: The capability that a method needs, if any.
_NEEDS = {
    "smp_start": "smp",
    "smp_answer": "smp",
    "smp_abort": "smp_abort",
    "extra_key": "extra_key",
    "set_time": "time",
    "dump": "dump",
    "restart": "restart",
    "logs": "logs",
}

_BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3
_TAGS = Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE

#: The policy flags that mean nothing to a target without a capability.
_FLAGS = {"v2": Policy.ALLOW_V2, "v3": Policy.ALLOW_V3, "whitespace_tag": _TAGS, "policy": ~_BOTH}


@dataclass(frozen=True, slots=True)
class Quirks:
    """What is odd about a target.

    silent: it reports nothing that may be null. untold: fields of events that it does not report. first: whether
    "messages" or "reports" come first within an answer, each in their order; "" for the original order. lacks:
    capabilities that it neither claims nor has. refuses: arguments that it can't take, as (method, argument).
    fixed_policy, longest_text: as in `hello`. nul: what happens to a text with a NUL: "cut" at the first one, "replace"
    by a question mark, "" if the engine decides. early_tag: a whitespace tag precedes the text, with its highest
    version first. screen: it reports what its user is shown. mute: of what it ignored or did not do, it reports only a
    text that it does not send. engine: its differences from the reference engine. heartbeat: its interval, if it can't
    be configured. utf8: texts and questions that are not UTF-8 are shown with replacement characters.
    """

    silent: bool = False
    untold: frozenset[str] = frozenset()
    first: str = ""
    lacks: frozenset[str] = frozenset()
    refuses: frozenset[tuple[str, str]] = frozenset()
    fixed_policy: Policy | None = None
    longest_text: int | None = None
    screen: bool = False
    nul: str = ""
    early_tag: bool = False
    mute: bool = False
    engine: tuple[str, ...] = ()
    heartbeat: int | None = None
    utf8: bool = False


class OddTarget:
    """An engine with quirks, as a Target."""

    version = "1"
    randomness = "seed"
    silent_refresh = False

    def __init__(self, name: str, quirks: Quirks, make: Make | None = None) -> None:
        """make: creates its parties, by default the reference engine."""
        self.name = name
        self.capabilities = CAPABILITIES - quirks.lacks
        self.fixed_policy, self.longest_text = quirks.fixed_policy, quirks.longest_text
        self._quirks = quirks
        question = {("smp_start", "question")} if "smp_question" in quirks.lacks else set()
        self._refuses = quirks.refuses | question
        if make is None and quirks.engine:
            make = odd_engine(quirks.engine)
        self._methods = Driver("reference", make).methods()

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the driver. TargetUnsupported."""
        given = json.loads(json.dumps(dict(params or {})))
        if _NEEDS.get(method) in self._quirks.lacks:
            raise TargetUnsupported(f"{self.name} has no {method}")
        if any(method == name and given.get(argument) is not None for name, argument in self._refuses):
            raise TargetUnsupported(f"{self.name}: {method} can't take that")
        try:
            answer = self._methods[method](self._told(method, given))
        except Unsupported as error:
            raise TargetUnsupported(f"{self.name}: {error}") from error
        except InvalidParams as error:
            self.desync(str(error))
        return json.loads(json.dumps(self._answer(method, answer, given.get("text") or "")))

    def desync(self, what: str) -> NoReturn:
        """End with an error, because an answer is invalid."""
        raise TargetDesync(f"{self.name}: {what}")

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> DriverParty:
        """A new party."""
        limits = Restrictions(self.fixed_policy, self.longest_text)
        return DriverParty(self, name, config, seed, self.capabilities, tape, limits)

    def reset(self) -> None:
        """Begin a case without parties."""
        self._methods["reset"]({})

    finish = reset

    def leave(self) -> None:
        """Do nothing: there is no process to end."""

    close = leave

    def _told(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments that the target can take."""
        if "policy" in given:
            fixed = self.fixed_policy
            given["policy"] = policy_to_json(
                self._policy(policy_from_json(given["policy"])) if fixed is None else fixed
            )
        if method == "send" and self._quirks.nul:
            cut = self._quirks.nul == "cut"
            given["text"] = given["text"].partition("\0")[0] if cut else given["text"].replace("\0", "?")
        if method == "create":
            if "heartbeat" in self._quirks.lacks:
                given["heartbeat_interval"] = self._quirks.heartbeat
            if "instance_tags" in self._quirks.lacks:
                given["instance_tag"] = None
            if "fragmentation_out" in self._quirks.lacks:
                given["max_message_size"] = None
        elif "instance_tags" in self._quirks.lacks:
            given.pop("instance", None)
        return given

    def _policy(self, policy: Policy) -> Policy:
        """A policy without the flags that the target does not know."""
        for capability, flags in _FLAGS.items():
            if capability in self._quirks.lacks:
                policy &= ~flags
        return policy

    def _answer(self, method: str, answer: dict[str, Any], typed: str) -> dict[str, Any]:
        if method in ("create", "restart") and self._leaves_out("instance"):
            return answer | {"instance_tag": None}
        if "events" not in answer:
            return answer
        told = [event for event in answer["events"] if not (self._quirks.mute and _is_dispensable(event))]
        told = [event for event in told if not (self._without_smp and event["event"].startswith("smp_"))]
        if self._quirks.early_tag and TAG_BASE.decode("ascii") not in typed:
            told = [_with_early_tag(event) for event in told]
        shown = {"shown": simple_screen(map(event_from_json, told))} if self._quirks.screen else {}
        return {"events": [self._event(event) for event in self.ordered(told)], **shown}

    def ordered(self, events: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """The events of one answer, in the order in which the target reports them."""
        match self._quirks.first:
            case "messages":
                return sorted(events, key=lambda event: event["event"] not in _MESSAGES)
            case "reports":
                return sorted(events, key=lambda event: event["event"] in _MESSAGES)
            case _:
                return events

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        if self._quirks.utf8:
            event = event | {name: _in_utf8(event[name]) for name in _WORDS & event.keys() if event[name] is not None}
        able = may_be_untold(event["event"])
        return {name: None if name in able and self._leaves_out(name) else value for name, value in event.items()}

    @property
    def _without_smp(self) -> bool:
        return "smp" in self._quirks.lacks

    def _leaves_out(self, field: str) -> bool:
        return self._quirks.silent or field in self._quirks.untold


def _in_utf8(told: str) -> str:
    """What somebody reads, a character for each byte, with replacement characters for what is not UTF-8."""
    return told.encode("latin-1").decode(errors="replace").encode().decode("latin-1")


def _with_early_tag(event: dict[str, Any]) -> dict[str, Any]:
    """An outgoing message with its whitespace tag, if any, moved to the front, and the groups of the tag reversed."""
    if event["event"] != "outgoing_message":
        return event
    text, found, groups = event["message"].partition(TAG_BASE.decode("ascii"))
    turned = "".join(reversed([groups[at : at + 8] for at in range(0, len(groups), 8)]))
    return event | {"message": found + turned + text}


def _is_dispensable(event: dict[str, Any]) -> bool:
    """Whether the protocol texts do not require an event, as they do when a text can't be sent in FINISHED."""
    if event["event"] == "action_refused":
        return bool(event["action"] != "send")
    return bool(event["event"] == "message_rejected")


#: The odd targets that run the whole suite.
ODD: Mapping[str, Quirks] = {
    "silent": Quirks(silent=True),
    "reports-first": Quirks(
        first="reports", untold=frozenset({"same_key", "refreshed", "offset"}), nul="cut", early_tag=True
    ),
    "messages-first": Quirks(first="messages", untold=frozenset({"reason", "warn"}), nul="replace"),
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
        fixed_policy=_BOTH | Policy.WHITESPACE_START_AKE,
        longest_text=400,
        screen=True,
        utf8=True,
    ),
    "mute": Quirks(mute=True),
    "refuses-arguments": Quirks(
        refuses=frozenset({("send", "padding"), ("smp_start", "question"), ("create", "max_message_size")})
    ),
    "talkative": Quirks(
        engine=("pads", "flags-tlvs", "words-errors", "words-queries"), lacks=frozenset({"heartbeat"}), heartbeat=60
    ),
    "numbers": Quirks(engine=("counters", "long-exponents", "reveals-all", "forgets-fragments")),
    "fresh-tags": Quirks(
        engine=("fresh-tags",), lacks=frozenset({"instance_tags"}), untold=frozenset({"instance"}), first="reports"
    ),
}

#: Capabilities that depend on another one, and are lost with it.
_WITH = {"smp": frozenset({"smp_question", "smp_abort"}), "v3": frozenset({"instance_tags", "extra_key"})}

#: Targets that lack one capability each, and those that depend on it.
LACKING: Mapping[str, Quirks] = {
    f"without-{name.replace('_', '-')}": Quirks(lacks=frozenset({name}) | _WITH.get(name, frozenset()))
    for name in sorted(CAPABILITIES)
}


def drawn(seed: int) -> Quirks:
    """A combination of quirks, drawn from a seed."""
    source = random.Random(seed)
    lacks = frozenset(one for one in sorted(CAPABILITIES - {"v2", "v3"}) if source.random() < 0.3)
    lacks |= source.choice([frozenset(), frozenset(), frozenset({"v2"}), frozenset({"v3"})])
    for name, others in _WITH.items():
        lacks |= others if name in lacks else frozenset()
    untold = sorted({field for event in EVENTS for field in may_be_untold(event)})
    quirks = Quirks(
        silent=source.random() < 0.2,
        untold=frozenset(one for one in untold if source.random() < 0.3),
        first=source.choice(["", "messages", "reports"]),
        lacks=lacks,
        nul=source.choice(["", "cut", "replace"]),
        early_tag=source.random() < 0.5,
        mute=source.random() < 0.3,
        engine=tuple(one for one in sorted(variants()) if source.random() < 0.2),
    )
    if "fresh-tags" in quirks.engine:  # it can't know a tag that will change
        return replace(quirks, untold=quirks.untold | {"instance"})
    return quirks
