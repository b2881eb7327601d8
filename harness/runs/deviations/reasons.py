"""Which reason a new entry gets when a file is rewritten: never one that was given for another failure.

A reason explains why a scenario fails one check. If the scenario then fails another check, something else is wrong that
nobody has looked at, and the old reason would hide it. So a reason is reused only for the same check: from an entry for
the same scenario; otherwise from entries for the same check in the same area (the scenario file), if they all give one
reason and the check is not general.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from otterproof.harness.runs.causes import is_general
from otterproof.harness.runs.deviations.entries import Deviation, failed_cases
from otterproof.harness.runs.runner import Result

#: The reason of an entry that --fix has made.
NOT_LOOKED_AT = "Not looked at yet."

#: The most unexplained cases that an entry names.
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason of a new entry, and the date until which it counts."""

    text: str = NOT_LOOKED_AT
    expires: date | None = None


def is_unexplained(reason: str) -> bool:
    """Whether an entry, or some of its cases, still needs somebody to look at it."""
    return NOT_LOOKED_AT.removesuffix(".") in reason


class Reasons:
    """The reasons in a file before it is rewritten."""

    def __init__(self, tables: Iterable[Mapping[str, Any]]) -> None:
        """tables: the entries as they are in the file, mistakes included."""
        named = [(about, table) for table in tables for about in ("scenario", "requirement") if about in table]
        found = [_read(about, table) for about, table in named]
        told = [one for one in found if one.reason not in ("", NOT_LOOKED_AT)]
        self._entries = [one for one in told if one.check]
        self._earlier = [one for one in told if not one.check]

    def of(self, result: Result, checks: Collection[str]) -> Reason:
        """The reason of a new entry for this failure. checks: those that the scenario fails, in any version."""
        same = [one for one in self._entries if one.check == result.check]
        own = [one for one in same if one.covers(result)]
        own = [one for one in own if one.name == result.scenario] or own
        if own:
            taken = {_for(one, result) for one in own}
            return taken.pop() if len(taken) == 1 else Reason()
        if len(checks) == 1:  # an entry in the former format names its scenario, but no check
            earlier = {Reason(one.reason, one.expires) for one in self._earlier if one.covers(result)}
            if len(earlier) == 1:
                return earlier.pop()
        near = {one.reason for one in same if _area(one.name) == _area(result.scenario)}
        return Reason(near.pop()) if len(near) == 1 and not is_general(result.check) else Reason()


def _read(about: str, table: Mapping[str, Any]) -> Deviation:
    """An entry, as far as it can be read."""
    name, check, reason = (str(table.get(field, "")) for field in (about, "check", "reason"))
    expires, cases = table.get("expires"), table.get("cases")
    until = expires if isinstance(expires, date) else None
    return Deviation(about, name, check, reason, until, 0, False, tuple(cases) if isinstance(cases, list) else ())


def _for(entry: Deviation, result: Result) -> Reason:
    """The reason of an entry for the same scenario and check; it lists the cases that it was not given for."""
    more = [case for case in failed_cases(result) if entry.cases and case not in entry.cases]
    if not more:
        return Reason(entry.reason, entry.expires)
    listed = ", ".join(more[:_LISTED]) + (f", and {len(more) - _LISTED} more" if len(more) > _LISTED else "")
    return Reason(f"{entry.reason} {NOT_LOOKED_AT.removesuffix('.')}: {listed}.", entry.expires)


def _area(scenario: str) -> str:
    """The file of a scenario."""
    return scenario.partition("[")[0].rpartition(".")[0]
