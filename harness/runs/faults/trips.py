"""Which fault trips which scenario and which check: what a score has found, kept so that tests need not search again.

A fault names the scenario that notices it (`hint` in the catalogue). The files in `tripping/` have a fault for each
scenario that no fault names; a scenario's file is that of its kind, such as tripping/attacks.toml. The files in
`tripping/checks/` have a fault and a scenario for each check, by its area; UNTRIPPED says why some checks have none.
`otterproof faults --score --write` brings all of them up to date.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from otterproof.harness.runs.faults.detect import Detection
from otterproof.harness.runs.faults.score import ScoreCard
from otterproof.harness.spec.checks import checks
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.faults.entries import Fault, FaultError, catalogue_files, faults
from otterproof.harness.testkit.scenario import scenarios

#: The folder of the files: scenario with version -> a fault that trips it.
TRIPS = Path(__file__).parent / "tripping"

#: The folder of the files: check -> a fault and a scenario that fails by the check when an engine has the fault.
CHECKS = TRIPS / "checks"

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
    """The pairs of all files. FaultError for an unknown fault."""
    found = _written()
    if unknown := sorted(set(found.values()) - set(faults())):
        raise FaultError(f"{TRIPS}: no fault {unknown[0]!r}; run `otterproof faults --score --write`")
    return found


def _written() -> dict[str, str]:
    return {scenario: fault for path in sorted(TRIPS.glob("*.toml")) for scenario, fault in _content(path).items()}


def _written_checks() -> dict[str, tuple[str, str]]:
    """Check -> fault and scenario, as the files have it."""
    return {name: _pair(pair) for path in sorted(CHECKS.glob("*.toml")) for name, pair in _content(path).items()}


def tripped_checks() -> Mapping[str, tuple[str, str]]:
    """Check -> fault and scenario. FaultError for an unknown fault."""
    found = _written_checks()
    if unknown := sorted({fault for fault, _ in found.values()} - set(faults())):
        raise FaultError(f"{CHECKS}: no fault {unknown[0]!r}; run `otterproof faults --score --write`")
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
        for scenario, fault in _written().items()
        if scenario not in card.scenarios and fault in faults()  # entries of faults that are gone are removed
    }
    for scenario in card.scenarios:
        tripping = [one.fault for one in card.notices if one.scenario == scenario and not one.error]
        if scenario not in named and tripping:
            found[scenario] = min(tripping, key=lambda name: not card.claims(scenario, name))
    kinds = {path.stem for path in TRIPS.glob("*.toml")} | {scenario.partition(".")[0] for scenario in found}
    for kind in sorted(kinds):
        own = sorted((scenario, fault) for scenario, fault in found.items() if scenario.partition(".")[0] == kind)
        write_whole(TRIPS / f"{kind}.toml", _HEAD + "".join(f'"{scenario}" = "{fault}"\n' for scenario, fault in own))
    write_checks(card.notices)


def write_checks(notices: Iterable[Detection]) -> None:
    """Write which checks a score has seen to fail. Other pairs stay while their fault and scenario exist. OutputError.

    Of several pairs for one check the first in the order of scenarios is kept, so that a second score changes nothing.
    """
    known = {one.id for one in scenarios()}
    found = {name: pair for name, pair in _written_checks().items() if pair[0] in faults() and pair[1] in known}
    for one in sorted(notices, key=lambda one: (one.scenario, one.fault)):
        if one.check in checks() and not one.error:
            found.setdefault(one.check, (one.fault, one.scenario))
    areas = {path.stem for path in CHECKS.glob("*.toml")} | {name.partition(".")[0] for name in found}
    for area in sorted(areas):
        own = sorted(
            (name, pair) for name, pair in found.items() if name.partition(".")[0] == area and name in checks()
        )
        lines = "".join(f'"{name}" = "{fault} {scenario}"\n' for name, (fault, scenario) in own)
        write_whole(CHECKS / f"{area}.toml", _HEAD_OF_CHECKS + lines)


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
