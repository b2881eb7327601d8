"""The turns of the users in a conversation, as data: the shipped script, or a file of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.inputs import LIMITS, parse_toml, read_input
from otterproof.harness.targets.engines import Target

#: The conversation that is shipped.
SHIPPED = Path(__file__).with_name("conversation.toml")

#: The parties, by the names that a file uses.
PARTIES: Mapping[str, str] = {"first": "alice", "second": "bob"}

#: What a user can do: the arguments, the required ones, and the capabilities that a target needs.
_DOES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "start": ((), (), ""),
    "send": (("text",), ("text",), ""),
    "end": ((), (), ""),
    "smp_start": (("secret", "question"), ("secret",), "smp"),
    "smp_answer": (("secret",), ("secret",), "smp"),
    "smp_abort": ((), (), "smp_abort"),
}

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """One action of a party's user."""

    party: str
    action: str
    args: Mapping[str, bytes] = field(default_factory=dict)

    def suits(self, target: Target) -> bool:
        """Whether a target can take this turn."""
        needs = _DOES[self.action][2]
        if needs and needs not in target.capabilities:
            return False
        if "question" in self.args and "smp_question" not in target.capabilities:
            return False
        return target.longest_text is None or len(self.args.get("text", b"")) <= target.longest_text


def turns_of(path: Path = SHIPPED) -> list[Turn]:
    """Read the turns in a file. Raises InputError, UsageError."""
    try:
        read = parse_toml(read_input(path, limit=LIMITS["settings"], what="a conversation"))
    except ValueError as error:
        raise UsageError(f"{path}: it is not TOML: {error}") from error
    found = read.get("turn", [])
    if set(read) - {"turn"} or not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UsageError(f"{path}: a conversation file may contain only [[turn]] tables")
    if not 1 <= len(found) <= _MOST:
        raise UsageError(f"{path}: it has {len(found)} turns; a file may have 1 to {_MOST}")
    return [_turn(one, f"{path}, turn {number}") for number, one in enumerate(found, 1)]


def _turn(given: Mapping[str, object], where: str) -> Turn:
    who, action = given.get("who"), given.get("do")
    if not isinstance(who, str) or who not in PARTIES:
        raise UsageError(f"{where}: who must be one of {', '.join(PARTIES)}, not {who!r:.40}")
    if not isinstance(action, str) or action not in _DOES:
        raise UsageError(f"{where}: do must be one of {', '.join(_DOES)}, not {action!r:.40}")
    takes, needs, _ = _DOES[action]
    args: dict[str, bytes] = {}
    for name, value in given.items():
        if name in ("who", "do"):
            continue
        if name not in takes:
            raise UsageError(f"{where}: {action} does not take {name!r:.40}; it takes {', '.join(takes) or 'nothing'}")
        if not isinstance(value, str):
            raise UsageError(f"{where}: {name} is a text between quotation marks")
        args[name] = value.encode()
    for name in needs:
        if name not in args:
            raise UsageError(f"{where}: {action} needs {name}")
    return Turn(PARTIES[who], action, args)
