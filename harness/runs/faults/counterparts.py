"""The counterparts of the scenarios that only work for the project's engines in lockstep, and what is wrong with them.

Two engines that run side by side differ wherever one is wrong, so lockstep hides what the other scenarios miss. Each
scenario that needs it therefore has an entry in counterparts.toml: the scenarios that judge the same in a target of
which only messages and events are seen, or a reason why there are none. If a fault that trips the scenario can also be
caught as a third party's, the scenario that catches it must be among them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otterproof.harness.runs.faults.sightings import View, unseen
from otterproof.harness.runs.faults.trips import tripped_by_hint, trips
from otterproof.harness.support.errors import CommandError
from otterproof.harness.targets.faults.entries import faults
from otterproof.harness.testkit.scenario import Scenario, scenarios

#: The entries, by the ids of scenarios without versions.
COUNTERPARTS = Path(__file__).parent / "counterparts.toml"


class CounterpartError(CommandError, ValueError):
    """The file is malformed. The message says where."""


@dataclass(frozen=True, slots=True)
class Counterpart:
    """by: ids of scenarios without versions, or of modules with all of theirs. reason: what can't be judged, or ""."""

    by: tuple[str, ...]
    reason: str

    def judges(self, scenario: str) -> bool:
        """Whether a scenario, without its version, is one of them."""
        return any(scenario == one or scenario.startswith(f"{one}.") for one in self.by)


def counterparts(path: Path = COUNTERPARTS) -> Mapping[str, Counterpart]:
    """The entries. CounterpartError."""
    found = {}
    for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
        by, reason = entry.get("by", []), entry.get("reason", "")
        if entry.keys() - {"by", "reason"} or not isinstance(reason, str) or not (by or reason.strip()):
            raise CounterpartError(f"{path}: {name}: an entry has by, or reason, or both, and nothing else")
        if not isinstance(by, list) or not all(isinstance(one, str) for one in by):
            raise CounterpartError(f"{path}: {name}: by is {by!r:.80}; give a list of scenarios and modules")
        found[name] = Counterpart(tuple(by), reason.strip())
    return found


def problems(entries: Mapping[str, Counterpart]) -> Iterator[str]:
    """What is wrong with the entries, one sentence each. Loads all scenarios."""
    everything = list(scenarios())
    internal = {_base(one.id) for one in everything if one.internal}
    yield from (f"{name} has no entry" for name in sorted(internal - entries.keys()))
    yield from (f"{name} is no scenario for lockstep alone" for name in sorted(entries.keys() - internal))
    for one in everything:
        if one.internal and (entry := entries.get(_base(one.id))) is not None:
            yield from _problems(one, entry, everything)


def _problems(one: Scenario, entry: Counterpart, everything: Sequence[Scenario]) -> Iterator[str]:
    able = [other for other in everything if View.THIRD_PARTY.adds(other)]
    for name in entry.by:
        if not any(Counterpart((name,), "").judges(_base(other.id)) for other in able):
            yield f"{one.id}: {name} judges no third party"
    if entry.by and not any(entry.judges(_base(other.id)) for other in able if other.version == one.version):
        yield f"{one.id}: no counterpart judges a third party in version {one.version}"
    fault = {**tripped_by_hint(), **trips()}.get(one.id)
    if entry.by and fault is not None and fault not in unseen() and not entry.judges(faults()[fault].hint):
        yield f"{one.id}: {fault} trips it, and {faults()[fault].hint}, which catches that fault, is no counterpart"


def _base(scenario: str) -> str:
    """The id of a scenario without its version."""
    return scenario.partition("[")[0]
