"""Every scenario as a pytest test, against the target named with --target (several are allowed).

The verdicts are those of `otterproof check`: both run scenarios through harness.judge. A target that can't be run here
is skipped with the line that installs it, and so is a scenario that needs what the target does not claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.drivers import TargetMissing
from harness.judge import run
from harness.roster import make
from harness.scenario import Scenario, load, scenarios
from harness.targets import Target
from harness.transcript import Verdict

load()
SEED = b"otterproof"


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    """The targets that were started, by name."""
    started: dict[str, Target] = {}
    yield started
    for target in started.values():
        target.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.config.getoption("--target") or ["independent", "libotr"]
    cases = [
        pytest.param(name, scenario, id=f"{name}-{scenario.id}")
        for name in names
        for scenario in scenarios()
        if name in ("reference", "independent") or name.startswith("fault:") or not scenario.internal
    ]
    metafunc.parametrize(("name", "scenario"), cases)


def test_scenario(name: str, scenario: Scenario, targets: dict[str, Target], tmp_path: Path) -> None:
    if name not in targets:
        try:
            targets[name] = make(name)
        except TargetMissing as missing:
            pytest.skip(str(missing))
    result = run(scenario, targets[name], SEED, tmp_path)
    if result.verdict is Verdict.UNSUPPORTED:
        pytest.skip(result.detail)
    if result.verdict is not Verdict.PASS:
        transcripts = "\n".join(f"transcript: {path}" for path in result.transcripts)
        pytest.fail(f"{result.verdict.value}: {scenario.description}\n{result.detail}\n{transcripts}", pytrace=False)
