"""Which fault trips which scenario: what a score has found, kept so that tests need not search again.

A fault names the scenario that notices it (`hint` in the catalogue). The files in `tripping/` have a fault for each
scenario that no fault names; a scenario's file is that of its kind, such as tripping/attacks.toml.
`otterproof faults --score --write` brings both up to date.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from otterproof.harness.runs.faults.score import ScoreCard
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.faults.entries import Fault, FaultError, catalogue_files, faults

#: The folder of the files: scenario with version -> a fault that trips it.
TRIPS = Path(__file__).parent / "tripping"

_HEAD = """\
# For each scenario that no fault of the catalogue names in its `hint`: a fault that trips it.
# Written by `otterproof faults --score --write`.

"""


def trips() -> Mapping[str, str]:
    """The pairs of all files. FaultError for an unknown fault."""
    found = _written()
    if unknown := sorted(set(found.values()) - set(faults())):
        raise FaultError(f"{TRIPS}: no fault {unknown[0]!r}; run `otterproof faults --score --write`")
    return found


def _written() -> dict[str, str]:
    return {
        scenario: fault
        for path in sorted(TRIPS.glob("*.toml"))
        for scenario, fault in tomllib.loads(path.read_text(encoding="utf-8")).items()
    }


def tripped_by_hint() -> Mapping[str, str]:
    """Scenario with version -> a fault that names it and has that version."""
    return {f"{fault.hint}[v{version}]": name for name, fault in faults().items() for version in fault.versions}


def write(card: ScoreCard) -> None:
    """Write what a card has found into the catalogue and the files in `tripping`. OutputError."""
    hints = {name: better for name, fault in card.faults.items() if (better := _better(card, fault)) is not None}
    for path in catalogue_files():
        text = path.read_text(encoding="utf-8")
        entries = re.split(r"(?m)^(?=\[\[fault\]\])", text)
        write_whole(path, "".join(_with_hint(entry, hints) for entry in entries))
    named = {
        f"{hints.get(name, fault.hint)}[v{version}]" for name, fault in faults().items() for version in fault.versions
    }
    found = {
        scenario: fault
        for scenario, fault in _written().items()
        if scenario not in card.scenarios and fault in faults()  # one that is gone is what this is to mend
    }
    for scenario in card.scenarios:
        tripping = [one.fault for one in card.notices if one.scenario == scenario and not one.error]
        if scenario not in named and tripping:
            found[scenario] = min(tripping, key=lambda name: not card.claims(scenario, name))
    kinds = {path.stem for path in TRIPS.glob("*.toml")} | {scenario.partition(".")[0] for scenario in found}
    for kind in sorted(kinds):
        own = sorted((scenario, fault) for scenario, fault in found.items() if scenario.partition(".")[0] == kind)
        write_whole(TRIPS / f"{kind}.toml", _HEAD + "".join(f'"{scenario}" = "{fault}"\n' for scenario, fault in own))


def _better(card: ScoreCard, fault: Fault) -> str | None:
    """A scenario that claims the fault's requirement and notices it in all its versions, unless it names one already.

    The one that is about the fewest requirements, and of those the quickest.
    """
    versions: dict[str, set[int]] = {}
    for one in card.by(fault.name):
        if card.claims(one.scenario, fault.name):
            scenario, _, version = one.scenario.rpartition("[v")
            versions.setdefault(scenario, set()).add(int(version.rstrip("]")))
    able = [name for name, found in versions.items() if found >= set(fault.versions)]
    if not able or fault.hint in able:
        return None

    def cost(name: str) -> tuple[int, float]:
        one = f"{name}[v{fault.versions[0]}]"
        return len(card.scenarios[one].requirements), card.surveys[one].seconds

    return min(able, key=cost)


def _with_hint(entry: str, hints: Mapping[str, str]) -> str:
    name = re.search(r'(?m)^name = "(.*)"$', entry)
    if name is None or name[1] not in hints:
        return entry
    return re.sub(r'(?m)^hint = ".*"$', f'hint = "{hints[name[1]]}"', entry, count=1)
