"""Every scenario as a pytest test, against the target named with --target (several are allowed).

The verdicts are those of `otterproof check`: both run scenarios through `runs.runner`. A target that can't be run here
is skipped, with the command that installs it; so is a scenario that needs what the target does not claim. A failure
that is a known deviation of the target (in the file shipped for it, or --known FILE) is expected and must occur.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from otterproof.harness.runs.deviations import Deviation, Known, entries_of, file_for
from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import TargetMissing
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target, title
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from otterproof.harness.ui.pytest_plugin.items import text_of

load()
SEED = b"otterproof"
ENGINES = ("reference", "independent")


@cache
def known(target: str, path: Path | None) -> Known:
    """The known deviations of a target."""
    return Known(entries_of(file_for(title(target), path)))


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    """The started targets, by name."""
    started: dict[str, Target] = {}
    yield started
    for target in started.values():
        target.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.config.getoption("--target") or ["independent", "libotr"]
    if "entry" in metafunc.fixturenames:
        path = metafunc.config.getoption("--known")
        entries = [(name, one) for name in names for one in known(name, path).entries if one.about == "requirement"]
        metafunc.parametrize(("name", "entry"), entries, ids=[f"{name}-{one.name}" for name, one in entries])
        return
    cases = [
        pytest.param(name, scenario, id=f"{name}-{scenario.id}", marks=marks(name, scenario))
        for name in names
        for scenario in scenarios()
        if name in ENGINES or name.startswith("fault:") or not scenario.internal
    ]
    metafunc.parametrize(("name", "scenario"), cases)


def marks(name: str, scenario: Scenario) -> list[pytest.MarkDecorator]:
    """`-m "not slow"` selects only the conformance of an engine in version 3, without the cells of the tables."""
    cells = scenario.id.startswith("conformance.cells.")
    quick = name in ENGINES and scenario.kind == "conformance" and scenario.version == 3 and not cells
    return [] if quick else [pytest.mark.slow]


def started(targets: dict[str, Target], name: str) -> Target:
    """The target with this name; skips the test if it can't be run."""
    if name not in targets:
        try:
            targets[name] = open_target(name)
        except TargetMissing as missing:
            pytest.skip(str(missing))
    return targets[name]


def test_scenario(
    name: str, scenario: Scenario, targets: dict[str, Target], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    target = started(targets, name)
    deviations = known(name, pytestconfig.getoption("--known"))
    (result,) = deviations.mark([run(scenario, target, SEED, tmp_path)])
    if stale := deviations.stale_for(result):
        pytest.fail(f"known deviations: {stale}", pytrace=False)
    if result.known:
        pytest.xfail(result.known)
    if result.verdict is Verdict.UNSUPPORTED:
        pytest.skip(result.detail)
    if result.verdict is not Verdict.PASS:
        pytest.fail("\n".join(text_of(result, ())), pytrace=False)


@pytest.mark.slow
def test_a_requirement_that_is_known_not_to_be_met(name: str, entry: Deviation, targets: dict[str, Target]) -> None:
    """Some scenario that claims it fails as the entry says; otherwise the entry is out of date."""
    target = started(targets, name)
    claiming = [one for one in scenarios() if {entry.name, f"!{entry.name}"} & set(one.requirements)]
    assert any(entry.explains(run(one, target, SEED)) for one in claiming), f"{entry} is out of date: remove it"
