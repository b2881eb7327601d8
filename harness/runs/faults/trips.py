"""Which fault trips which scenario and which check: what a score has found, kept so that tests need not search again.

A fault names the scenario that notices it (`hint` in the catalogue). The files in `tripping/` have a fault for each
scenario that no fault names, in one file for each kind of scenario, such as tripping/attacks.toml. The files in
`tripping/checks/` have a fault and a scenario for each check, by its area; UNTRIPPED says why some checks have none.
`otterproof faults --score --write` brings all of them up to date.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from otterproof.harness.runs.faults.detect import Notice
from otterproof.harness.runs.faults.score import ScoreCard, claims
from otterproof.harness.runs.faults.sightings import View
from otterproof.harness.spec.checks import checks
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.faults.entries import Fault, FaultError, catalogue_files, faults
from otterproof.harness.testkit.scenario import scenario_of, scenarios

#: The folder of the files: scenario with version -> a fault that trips it.
TRIPS = Path(__file__).parent / "tripping"

#: The folder in TRIPS with the files of checks: check -> a fault and a scenario that fails by it with that fault.
CHECKS = "checks"

#: Check -> why no fault of an engine trips it.
UNTRIPPED = Path(__file__).parent / "untripped.toml"

_HEAD_OF_CHECKS = """\
# For each check of this area: a fault and a scenario that fails by it with that fault.
# Written by `otterproof faults --score --write`.

"""

_HEAD = """\
# For each scenario that no fault of the catalogue names in its `hint`: a fault that trips it.
# Written by `otterproof faults --score --write`.

"""


def trips() -> Mapping[str, str]:
    """Scenario with version -> a fault that trips it. FaultError for an unknown fault."""
    return _of_known_faults(_written(TRIPS))


def tripped_checks() -> Mapping[str, tuple[str, str]]:
    """Check -> fault and scenario. FaultError for an unknown fault."""
    return {name: _pair(text) for name, text in _of_known_faults(_written(TRIPS / CHECKS)).items()}


def _written(folder: Path) -> dict[str, str]:
    """The entries of a folder's files: id -> a fault, followed by a scenario if the id is a check's."""
    return {name: text for path in sorted(folder.glob("*.toml")) for name, text in _content(path).items()}


def _of_known_faults(found: dict[str, str]) -> dict[str, str]:
    if unknown := sorted({_pair(text)[0] for text in found.values()} - set(faults())):
        raise FaultError(f"{TRIPS}: no fault {unknown[0]!r}; run `otterproof faults --score --write`")
    return found


def untripped_checks() -> Mapping[str, str]:
    """Check -> why no fault of an engine trips it."""
    return _content(UNTRIPPED)


def _content(path: Path) -> dict[str, str]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _pair(text: str) -> tuple[str, str]:
    fault, _, scenario = text.partition(" ")
    return fault, scenario


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
        for scenario, fault in _written(TRIPS).items()
        if scenario not in card.scenarios and fault in faults()  # entries of faults that are gone are removed
    }
    for scenario in card.scenarios:
        tripping = [one.fault for one in card.notices if one.scenario == scenario and not one.error]
        if scenario not in named and tripping:
            found[scenario] = min(tripping, key=lambda name: not card.claims(scenario, name))
    _write(TRIPS, _HEAD, found)
    write_checks(card.notices)


def _write(folder: Path, head: str, found: Mapping[str, str]) -> None:
    """Write entries to the files of a folder. The file is named after the first word of the entry's id."""
    stems = {path.stem for path in folder.glob("*.toml")} | {name.partition(".")[0] for name in found}
    for stem in sorted(stems):
        own = sorted((name, text) for name, text in found.items() if name.partition(".")[0] == stem)
        write_whole(folder / f"{stem}.toml", head + "".join(f'"{name}" = "{text}"\n' for name, text in own))


def write_checks(notices: Iterable[Notice]) -> None:
    """Write which checks a score has seen fail. Other pairs stay while their fault and scenario exist. OutputError.

    Among new pairs for one check, the first in the order of scenarios is kept, so that a second score changes nothing.
    """
    known = {one.id for one in scenarios()}
    found = {}
    for name, text in _written(TRIPS / CHECKS).items():
        fault, scenario = _pair(text)
        if name in checks() and fault in faults() and scenario in known:
            found[name] = text
    for one in sorted(notices, key=lambda one: (one.scenario, one.fault)):
        if one.check in checks() and not one.error:
            found.setdefault(one.check, f"{one.fault} {one.scenario}")
    _write(TRIPS / CHECKS, _HEAD_OF_CHECKS, found)


def _better(card: ScoreCard, fault: Fault) -> str | None:
    """A scenario that claims the fault's requirement and notices it in all versions; None if it names one already.

    The one that catches it as a third party's is preferred; otherwise the one that is about the fewest requirements,
    then the quickest.
    """
    if card.sightings.view(fault.name) is View.THIRD_PARTY:
        by = {one.scenario for one in card.sightings.of(fault.name)}
        names = {name.rpartition("[v")[0] for name in by}
        fits = len(names) == 1 and all(claims(scenario_of(name), fault) for name in by)
        return min(names) if fits and fault.hint not in names else None
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
