"""Rules: which messages an action applies to, as data from a TOML file or from the command line.

    [[rule]]
    from = "alice"
    kind = "data"
    nth = 2
    do = "flip"
    field = "encrypted_message"

The first rule that matches a message counts. `do` and the action's parameters are in `actions`; the rest selects
messages.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otterproof.harness.runs.proxy.actions import PASS, Action, action_of
from otterproof.harness.runs.proxy.items import Item
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.inputs import LIMITS, parse_toml, read_input
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.wire import Kind

#: Stands for any value.
ANY = "any"

#: Kinds that stand for several kinds.
GROUPS: Mapping[str, frozenset[str]] = {
    ANY: frozenset(kind.value for kind in Kind),
    "handshake": frozenset({"dh_commit", "dh_key", "reveal_signature", "signature"}),
    "fragment": frozenset({"fragment_v2", "fragment_v3"}),
}

#: The fields by which a rule selects messages.
_SAYS = ("from", "kind", "nth", "every", "where", "do")

#: The most rules in a file.
_MOST = 1000


@dataclass(slots=True)
class Rule:
    """One rule.

    sender: "any", or who sends. nth: only this one of the messages that match otherwise, 0 for all. every: only one in
    this many of them. where: fields and their values. seen: how many messages have matched otherwise.
    """

    action: Action
    sender: str = ANY
    kind: str = ANY
    nth: int = 0
    every: int = 1
    where: Mapping[str, object] | None = None
    seen: int = 0

    def fits(self, item: Item) -> bool:
        """Whether it matches a message, which is then counted."""
        if self.sender not in (ANY, item.sender) or item.kind not in GROUPS.get(self.kind, {self.kind}):
            return False
        if not all(_has(item, name, value) for name, value in (self.where or {}).items()):
            return False
        self.seen += 1
        return self.seen == self.nth if self.nth else self.seen % self.every == 0


def _has(item: Item, name: str, value: object) -> bool:
    if not item.message.has(name):
        return False
    there = item.message.value(name)
    return there == (bytes.fromhex(value) if isinstance(value, str) and isinstance(there, bytes) else value)


class Rules:
    """A director: the action of the first rule that matches, else the default action."""

    def __init__(self, rules: Sequence[Rule], otherwise: Action = PASS) -> None:
        self._rules = rules
        self.otherwise = otherwise

    def decide(self, item: Item) -> Action:
        fitting = [rule for rule in self._rules if rule.fits(item)]  # every rule must count the message
        return fitting[0].action if fitting else self.otherwise


def rules_of(path: Path) -> list[Rule]:
    """Read the rules in a file. Raises InputError, UsageError."""
    try:
        read = parse_toml(read_input(path, limit=LIMITS["settings"], what="a rules file"))
    except ValueError as error:
        raise UsageError(f"{path}: it is not TOML: {error}") from error
    rules = read.get("rule", [])
    if set(read) - {"rule"} or not isinstance(rules, list) or not all(isinstance(one, dict) for one in rules):
        raise UsageError(f"{path}: a rules file may contain only [[rule]] tables")
    if not 1 <= len(rules) <= _MOST:
        raise UsageError(f"{path}: it has {len(rules)} rules; a file may have 1 to {_MOST}")
    return [rule_of(one, f"{path}, rule {number}") for number, one in enumerate(rules, 1)]


def rule_from_words(words: str) -> Rule:
    """Parse a rule from the command line: NAME=VALUE words, separated by blanks, in TOML syntax. Raises UsageError.

    A value that is a plain word needs no quotation marks; one with blanks is quoted as in a shell.
    """
    given: dict[str, object] = {}
    where = f"the rule {words!r:.100}"
    try:
        parts = shlex.split(words)
    except ValueError as error:
        raise UsageError(f"{where}: {error}; mind the quotation marks") from error
    for word in parts:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{where}: {word!r:.40} is not NAME=VALUE; an example is kind=data nth=2 do=drop")
        try:
            given[name] = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            given[name] = value
    return rule_of(given, where)


def rule_of(given: Mapping[str, object], where: str) -> Rule:
    """Parse a rule that a user wrote. where: the place, for messages. Raises UsageError."""
    kind, sender = given.get("kind", ANY), given.get("from", ANY)
    known = [*GROUPS, *(one.value for one in Kind)]
    if not isinstance(kind, str) or kind not in known:
        hint = did_you_mean(str(kind), known, f"there are {', '.join(known)}")
        raise UsageError(f"{where}: there is no kind {str(kind)!r:.60}{hint}")
    if not isinstance(sender, str):
        raise UsageError(f'{where}: from must be the name of a party, or "{ANY}"')
    nth, every, fields = given.get("nth", 0), given.get("every", 1), given.get("where")
    for name, number, least in (("nth", nth, 0), ("every", every, 1)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise UsageError(f"{where}: {name} must be a whole number, at least {least}")
    if fields is not None and not isinstance(fields, Mapping):
        raise UsageError(f"{where}: where must be a table of fields and values, such as {{ flags = 1 }}")
    if "do" not in given:
        raise UsageError(f'{where}: it has no action; add one, such as do = "drop"')
    action = action_of(given["do"], {name: value for name, value in given.items() if name not in _SAYS}, where)
    assert isinstance(nth, int)
    assert isinstance(every, int)
    return Rule(action, sender, kind, nth, every, _checked(fields, where))


def _checked(fields: Mapping[str, object] | None, where: str) -> Mapping[str, object] | None:
    """Check the values of `where`: numbers, or bytes in hexadecimal."""
    for name, value in (fields or {}).items():
        if isinstance(value, str):
            try:
                bytes.fromhex(value)
            except ValueError as error:
                raise UsageError(f"{where}: where.{name} is a number, or bytes in hexadecimal") from error
    return fields
