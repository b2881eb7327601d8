"""A party of a target behind the driver protocol, with the methods of contract.Engine.

A driver's answers are checked here: an unknown event, or a field of the wrong type, is a TargetDesync and ends the
process. Fields that the implementation does not report are None in the events. [docs/reference/driver-protocol.md]
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from otterproof.harness.targets.driver.errors import TargetUnsupported
from otterproof.harness.targets.party import ActionDispatcher
from otterproof.implementations.actions import ACTIONS, args_to_json
from otterproof.implementations.contract import Event, PartyConfig, PartySnapshot, Policy
from otterproof.implementations.entropy import Tape
from otterproof.implementations.jsonform import (
    JsonFormError,
    dsa_key_to_json,
    event_from_json,
    policy_to_json,
    snapshot_from_json,
    snapshot_to_json,
    unknown_fields,
)

#: Hexadecimal digits: a fingerprint, and a secret of any length.
_FINGERPRINT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)

#: Checks of event fields beyond their types; without them, a bad value would cause errors later.
_WITHIN: Mapping[str, Container[object]] = {
    "instance": range(1 << 32),
    "use": range(1 << 32),
    "offset": range(1 << 63),
    "version": (2, 3),
    "action": ACTIONS.keys() - {"receive", "set_policy"},
}


#: The number of bytes in fields of events. [DERIVE-SSID-1, KEYS-FPR-1]
SIZES: Mapping[str, int] = {"ssid": 8, "fingerprint": 20}


#: The version flags of a policy.
_VERSIONS = Policy.ALLOW_V2 | Policy.ALLOW_V3

#: The most events in an answer. No request needs more than some thousands: a padding of 64 KiB, in fragments of 64
#: bytes. Creating and judging this many takes less than a second.
MAX_EVENTS = 10_000


class Caller(Protocol):
    """What a party needs of its target."""

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the driver. TargetError."""
        ...

    def desync(self, what: str) -> NoReturn:
        """End the process because its answer is invalid."""
        ...


@dataclass(frozen=True, slots=True)
class StateDump:
    """What a target shows of its state.

    shown: in the form of a PartySnapshot (implementations/jsonform.py), with null, or without the member, for what the
    target does not show. secrets: those in memory, by names of its own; big-endian.
    """

    shown: Mapping[str, Any]
    secrets: Mapping[str, bytes]

    def snapshot(self) -> PartySnapshot | None:
        """The whole state; None if something in it is not shown."""
        try:
            return snapshot_from_json(self.shown)
        except JsonFormError:
            return None

    def differences(self, expected: PartySnapshot) -> list[str]:
        """Where the shown state differs from what is expected, a line each. What is not shown does not differ."""
        return list(_differences(self.shown, snapshot_to_json(expected), ""))


def _differences(shown: Any, expected: Any, where: str) -> list[str]:
    if shown is None:
        return []
    if isinstance(shown, Mapping) and isinstance(expected, Mapping):
        found = [f"{where}.{name}: not expected" for name in shown.keys() - expected.keys()]
        for name in sorted(expected.keys() & shown.keys()):
            found += _differences(shown[name], expected[name], f"{where}.{name}".lstrip("."))
        return sorted(found)
    if isinstance(shown, list) and isinstance(expected, list) and len(shown) == len(expected):
        pairs = enumerate(zip(shown, expected, strict=True))
        return [line for index, pair in pairs for line in _differences(*pair, f"{where}[{index}]")]
    return [] if shown == expected else [f"{where}: {shown!r:.80}, expected {expected!r:.80}"]


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What a target can't be configured to do differently.

    fixed_policy: the only policy it can have. longest_text: the most bytes in a text that its user can send.
    silent_refresh: its user might not be told of a handshake that renews an encrypted session.
    """

    fixed_policy: Policy | None = None
    longest_text: int | None = None
    silent_refresh: bool = False


_NO_RESTRICTIONS = Restrictions()


class DriverParty(ActionDispatcher):
    """A party of a target. Create it with DriverTarget.party."""

    def __init__(
        self,
        target: Caller,
        name: str,
        config: PartyConfig,
        seed: bytes,
        capabilities: frozenset[str],
        tape: Tape | None = None,
        limits: Restrictions = _NO_RESTRICTIONS,
    ) -> None:
        """Raises TargetUnsupported for a policy that the target can't have."""
        self._target = target
        self._name = name
        self._tells_time = "time" in capabilities
        #: (event, field) of everything that the implementation left out although it applied.
        self.untold: set[tuple[str, str]] = set()
        #: What its user was shown in the last step, by line, for a program with a screen.
        self.shown: Sequence[str] = ()
        #: The events of set_policy and set_time, which the next action reports.
        self.late: list[Event] = []
        self._limits = limits
        self._check_policy(config.policy)
        request: dict[str, Any] = {
            "party": name,
            "account": f"{name}@example.org",
            "peer": "peer@example.org",
            "key": dsa_key_to_json(config.key),
            "instance_tag": config.instance_tag,
            "policy": policy_to_json(config.policy),
            "max_message_size": config.max_message_size,
            "heartbeat_interval": config.heartbeat_interval,
            "seed": hashlib.sha256(len(name).to_bytes(8) + name.encode() + seed).hexdigest(),
        }
        if tape is not None:
            request["tape"] = [
                {"label": label, "index": index, "value": value.hex()} for (label, index), value in tape.items()
            ]
        self._configured_tag = config.instance_tag or 0 if "instance_tags" in capabilities else 0
        self._identify("create", target.call("create", request))

    def _identify(self, method: str, told: Any) -> None:
        """Read the party's identity from an answer."""
        target, name = self._target, self._name
        surplus = told.keys() - {"instance_tag", "fingerprint"} if isinstance(told, dict) else ()
        if surplus:
            target.desync(f"{name}: {method} answers with unknown {', '.join(map(ascii, sorted(surplus)))}")
        given = (told.get("instance_tag", ""), told.get("fingerprint")) if isinstance(told, dict) else ("", None)
        tag, fingerprint = given
        if not (tag is None or (type(tag) is int and 0 <= tag < 1 << 32)):
            target.desync(f"{name}: {method} answers {told!r:.200}, without an instance_tag")
        if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
            what = f"{method} answers {told!r:.200}, without the 40 hexadecimal digits of a fingerprint"
            target.desync(f"{name}: {what}")
        #: Its instance tag: as it reported it, or as it was given if it obeys that; 0 if unknown. A tag that it draws
        #: may differ from session to session, so it is not learned from messages here.
        self.instance_tag: int = tag or self._configured_tag
        self.fingerprint = bytes.fromhex(fingerprint)

    @property
    def silent_refresh(self) -> bool:
        """Whether its user might not be told when a session is refreshed."""
        return self._limits.silent_refresh

    def _check_policy(self, policy: Policy) -> None:
        """Raise Unsupported unless only the target's own versions and flags are requested.

        What the target does on top, such as answering a whitespace tag, does not matter here: a scenario for which it
        matters needs the capability.
        """
        fixed = self._limits.fixed_policy
        if fixed is not None and (policy & ~fixed or fixed & _VERSIONS != policy & _VERSIONS):
            raise TargetUnsupported(f"{self._name}: the policy of this target is fixed, and another one is needed")

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        text, longest = args.get("text"), self._limits.longest_text
        if longest is not None and isinstance(text, bytes) and len(text) > longest:
            what = f"its user sends texts of at most {longest} bytes"
            raise TargetUnsupported(f"{self._name}: {what}, and this one has {len(text)}", method=action)
        given = {key: value for key, value in args.items() if value is not None}
        late, self.late = self.late, []
        return [*late, *self._events(action, args_to_json(action, given))]

    def _events(self, action: str, args: Mapping[str, Any]) -> list[Event]:
        answer = self._target.call(action, {"party": self._name, **args})
        whole = isinstance(answer, dict) and {"events"} <= answer.keys() <= {"events", "shown"}
        told = answer["events"] if whole else None
        if not isinstance(told, list):
            self._target.desync(
                f"{self._name}: {action} answers {answer!r:.200}, not an object with `events` and, at most, `shown`"
            )
        shown = answer.get("shown", [])
        if not isinstance(shown, list) or not all(isinstance(line, str) for line in shown):
            self._target.desync(f"{self._name}: {action} answers {shown!r:.200} as shown, not a list of lines")
        self.shown = shown
        if len(told) > MAX_EVENTS:
            what = f"{len(told)} events, and an answer has at most {MAX_EVENTS}"
            self._target.desync(f"{self._name}: {action} answers with {what}")
        try:
            events = [event_from_json(event, f"{action}.events[{index}]") for index, event in enumerate(told)]
        except JsonFormError as error:
            self._target.desync(f"{self._name}: {action} answers with a malformed event: {error}")
        for event in told:
            for field, value in event.items():
                if value is not None and field in SIZES and len(value) != 2 * SIZES[field]:
                    what = f"{event['event']}, whose {field} has {len(value) // 2} bytes, not {SIZES[field]}"
                    self._target.desync(f"{self._name}: {action} answers with {what}")
                if value is not None and value not in _WITHIN.get(field, (value,)):
                    what = f"{event['event']}, whose {field} can't be {value!r:.80}"
                    self._target.desync(f"{self._name}: {action} answers with {what}")
        self.untold.update((event["event"], field) for event in told for field in unknown_fields(event))
        return events

    def set_policy(self, policy: Policy) -> None:
        self._check_policy(policy)
        self.late += self._events("set_policy", {"policy": policy_to_json(policy)})

    def set_time(self, now: int) -> None:
        """Give the time to a target that asks for it; others have their own clocks.

        The contract has no events here, so those caused by the passing of time precede the events of the next action.
        """
        if self._tells_time:
            self.late += self._events("set_time", {"now": now})

    def dump(self) -> StateDump:
        """The target's state. Raises TargetUnsupported if it shows nothing."""
        answer = self._target.call("dump", {"party": self._name})
        whole = isinstance(answer, dict) and answer.keys() == {"snapshot", "secrets"}
        shown, secrets = (answer["snapshot"], answer["secrets"]) if whole else (None, None)
        if not isinstance(shown, dict) or not isinstance(secrets, dict):
            self._target.desync(f"{self._name}: dump answers {answer!r:.200}, not a snapshot and secrets alone")
        wrong = [name for name, value in secrets.items() if not isinstance(value, str) or not _HEX.fullmatch(value)]
        if wrong:
            self._target.desync(f"{self._name}: dump: secret {wrong[0]!r:.80} is not in hexadecimal digits")
        return StateDump(shown, {name: bytes.fromhex(value) for name, value in secrets.items()})

    def restart(self) -> None:
        """Have its user end the program and start it again, which ends all sessions. Raises TargetUnsupported."""
        self._identify("restart", self._target.call("restart", {"party": self._name}))
        self.late, self.shown = [], ()

    def logs(self) -> Mapping[str, bytes]:
        """What the program has written into logs, by file name. Raises TargetUnsupported."""
        answer = self._target.call("logs", {"party": self._name})
        logs = answer.get("logs") if isinstance(answer, dict) and answer.keys() == {"logs"} else None
        if not isinstance(logs, list) or not all(map(_is_log, logs)):
            what = f"logs answers {answer!r:.200}, not an object with `logs`, a list of names and contents"
            self._target.desync(f"{self._name}: {what}")
        return {one["name"]: one["content"].encode("latin-1") for one in logs}

    def close(self) -> None:
        """Have the target forget this party. The name can then be used for another one."""
        self._target.call("close", {"party": self._name})


def _is_log(one: object) -> bool:
    """Whether this is a name and the bytes of a file, one character per byte."""
    if not isinstance(one, dict) or one.keys() != {"name", "content"}:
        return False
    name, content = one["name"], one["content"]
    return isinstance(name, str) and isinstance(content, str) and all(ord(char) < 256 for char in content)
