"""What Python drivers share besides the line loop: parties by name, and randomness from a seed.

A driver subclasses `Adapted` for the parties of its library and passes the class to `Adapter`. Actions are methods with
the names and arguments of contract.Engine. They report events with `emit`, in the order in which the library reports
them.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Generic, TypeVar

from otterproof.implementations.actions import ACTIONS, args_from_json
from otterproof.implementations.contract import DsaPrivateKey, Policy
from otterproof.implementations.drivers.edges import Edges, countable
from otterproof.implementations.drivers.linejson import PROTOCOL, InvalidParams, Method, Unsupported
from otterproof.implementations.jsonform import JsonFormError, dsa_key_from_json, policy_from_json

P = TypeVar("P")


class Parties(Generic[P]):
    """The parties of a driver, by the names that the harness gave them."""

    def __init__(self) -> None:
        self.by_name: dict[str, P] = {}

    def find(self, params: dict[str, Any]) -> P:
        """The party that a request names. InvalidParams if there is none."""
        try:
            return self.by_name[params["party"]]
        except (KeyError, TypeError):
            raise InvalidParams(f"no party {params.get('party')!r}; create it first") from None

    def close(self, params: dict[str, Any]) -> dict[str, Any]:
        """The protocol method `close`."""
        self.find(params)
        del self.by_name[params["party"]]
        return {}

    def reset(self, params: dict[str, Any]) -> dict[str, Any]:
        """The protocol method `reset`."""
        self.by_name.clear()
        return {}


def arguments(action: str, params: dict[str, Any]) -> dict[str, Any]:
    """The decoded arguments of an action. InvalidParams if they are not valid."""
    given = {name: value for name, value in params.items() if name != "party"}
    try:
        return args_from_json(action, given, action)
    except JsonFormError as error:
        raise InvalidParams(str(error)) from error


class SeededRandom:
    """A stream of random numbers: SHA-256 of a counter and the seed; without a seed, the operating system's."""

    def __init__(self, seed: bytes | None) -> None:
        self._seed = seed
        self._blocks = 0
        self._left = b""

    def bytes(self, size: int) -> bytes:
        if self._seed is None:
            return os.urandom(size)
        while len(self._left) < size:
            self._left += hashlib.sha256(self._blocks.to_bytes(8) + self._seed).digest()
            self._blocks += 1
        drawn, self._left = self._left[:size], self._left[size:]
        return drawn

    def getrandbits(self, bits: int) -> int:
        """Like random.getrandbits."""
        size = (bits + 7) // 8
        return int.from_bytes(self.bytes(size)) >> (8 * size - bits)

    def randrange(self, start: int, stop: int) -> int:
        """Like random.randrange with two arguments; 64 extra bits make the bias negligible."""
        return start + self.getrandbits((stop - start).bit_length() + 64) % (stop - start)


@dataclass(frozen=True, slots=True)
class Settings:
    """The decoded parameters of `create`."""

    account: str
    peer: str
    key: DsaPrivateKey
    policy: Policy
    max_message_size: int | None
    random: SeededRandom
    instance_tag: int | None = None


class Adapted:
    """A party of the library: the base class for a driver's own.

    An action without a method, and an argument that the method does not take, are answered as unsupported.
    """

    #: Our own instance tag; None if the library has none, or draws it later.
    instance_tag: int | None = None

    #: The party that is acting: the library uses its randomness and its time.
    current: Adapted

    #: Of our own key, 20 bytes.
    fingerprint: bytes

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = 0
        self.events: list[dict[str, Any]] = []
        #: For a program with a screen: the lines that it has shown its user.
        self.shown: list[str] = []

    def emit(self, event: str, **fields: object) -> None:
        """Report an event. Give bytes as they are, but hexadecimal fields (ssid, fingerprint, key) as digits."""
        told = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in fields.items()}
        self.events.append({"event": event, **told})

    def forget(self) -> None:
        """Called when the party is closed, for drivers that keep data about it elsewhere."""

    def restart(self) -> None:
        """The user ends the program and starts it again. For drivers that claim `restart`."""
        raise Unsupported("a library is not started")

    def logs(self) -> Mapping[str, bytes]:
        """The contents of the program's logs, by name. For drivers that claim `logs`."""
        raise Unsupported("a library has no logs")

    def set_time(self, now: int) -> None:
        """Set the time, in seconds, for a library that reads a clock."""
        self.now = now


@dataclass(frozen=True, slots=True)
class About:
    """What a driver answers to `hello`. [docs/reference/driver-protocol.md]

    randomness: "seed" if the library draws only from the party's `settings.random`. fixed_policy: the flags of the only
    policy that it can have. longest_text: in bytes, the longest text that its user can send. silent_refresh: a
    handshake that refreshes a session may go unreported. pictures: the party class has a method `picture`, which
    returns what the user sees as a PNG file. code: the library's folder, whose code coverage is reported if the package
    `coverage` is installed. [edges.py]
    """

    name: str
    version: str
    otr_versions: Sequence[int]
    capabilities: Sequence[str]
    randomness: str = "none"
    fixed_policy: Sequence[str] | None = None
    longest_text: int | None = None
    silent_refresh: bool = False
    pictures: bool = False
    code: Path | None = None


class Adapter:
    """The methods of the driver protocol, carried out by parties of one class."""

    def __init__(self, about: About, party: type[Adapted]) -> None:
        self._about = about
        self._class = party
        self._parties = Parties[Adapted]()
        self._edges = Edges(about.code) if about.code is not None and countable() else None

    def methods(self) -> Mapping[str, Method]:
        """The table of methods for linejson.serve."""
        own: dict[str, Method] = {
            "hello": self.hello,
            "create": self.create,
            "set_time": self.set_time,
            "close": self.close,
            "reset": self.reset,
            "restart": self.restart,
            "logs": self.logs,
        }
        if self._about.pictures:
            own["picture"] = self.picture
        if self._edges is not None:
            own["coverage"] = self._edges.answer
        return own | {action: self._action(action) for action in ACTIONS if hasattr(self._class, action)}

    def hello(self, params: dict[str, Any]) -> dict[str, Any]:
        return {
            "protocol": PROTOCOL,
            "name": self._about.name,
            "version": self._about.version,
            "otr_versions": list(self._about.otr_versions),
            "capabilities": list(self._about.capabilities),
            "randomness": self._about.randomness,
            "fixed_policy": self._about.fixed_policy,
            "longest_text": self._about.longest_text,
            "silent_refresh": self._about.silent_refresh,
            "pictures": self._about.pictures,
            "coverage": self._edges is not None,
        }

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        try:
            name, seed = params["party"], params.get("seed")
            settings = Settings(
                params["account"],
                params["peer"],
                dsa_key_from_json(params["key"]),
                policy_from_json(params["policy"]),
                params.get("max_message_size"),
                SeededRandom(None if seed is None else bytes.fromhex(seed)),
                params.get("instance_tag"),
            )
        except (KeyError, TypeError, ValueError) as error:  # JsonFormError is a ValueError
            raise InvalidParams(f"create: {type(error).__name__}: {error}") from error
        if name in self._parties.by_name:
            raise InvalidParams(f"there is a party {name!r} already; close it first")
        party = self._class(settings)
        self._parties.by_name[name] = party
        return _identity(party)

    def restart(self, params: dict[str, Any]) -> dict[str, Any]:
        party = self._parties.find(params)
        party.restart()
        return _identity(party)

    def logs(self, params: dict[str, Any]) -> dict[str, Any]:
        logs = self._parties.find(params).logs()
        return {"logs": [{"name": name, "content": content.decode("latin-1")} for name, content in logs.items()]}

    def close(self, params: dict[str, Any]) -> dict[str, Any]:
        self._parties.find(params).forget()
        return self._parties.close(params)

    def reset(self, params: dict[str, Any]) -> dict[str, Any]:
        for party in self._parties.by_name.values():
            party.forget()
        return self._parties.reset(params)

    def picture(self, params: dict[str, Any]) -> dict[str, Any]:
        """The protocol method `picture`, for a party class that has it."""
        png: bytes = getattr(self._parties.find(params), "picture")()  # noqa: B009 (few classes have it)
        return {"png": b64encode(png).decode()}

    def set_time(self, params: dict[str, Any]) -> dict[str, Any]:
        if type(params.get("now")) is not int:
            raise InvalidParams("set_time needs now, whole seconds")
        self._parties.find(params).set_time(params["now"])
        return {"events": []}

    def _action(self, action: str) -> Method:
        def method(params: dict[str, Any]) -> dict[str, Any]:
            party, args = self._parties.find(params), arguments(action, params)
            carry_out = getattr(party, action)
            for name in args.keys() - signature(carry_out).parameters.keys():
                raise Unsupported(f"{action} takes no {name}")
            # Discard what a failed earlier action has left behind.
            party.events, party.shown = [], []
            Adapted.current = party
            carry_out(**args)
            shown = {"shown": party.shown} if party.shown else {}
            return {"events": party.events, **shown}

        return method


def _identity(party: Adapted) -> dict[str, Any]:
    """What `create` and `restart` answer."""
    return {"instance_tag": party.instance_tag, "fingerprint": party.fingerprint.hex()}
